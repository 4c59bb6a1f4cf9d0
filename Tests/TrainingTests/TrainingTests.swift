// Helpers of the room's tests.

import JSON
import Testing

@testable import Training

/// A small valid job, whose members can be replaced by path.
func job(_ changes: [(path: String, value: JSON)] = []) -> JSON {
  var spec: JSON = [
    "dataset": ["name": "iris"], "model": ["layers": [["type": "linear", "out": 3]]],
    "optimizer": ["type": "sgd", "lr": 0.1],
  ]
  for (path, value) in changes {
    spec = replacing(spec, path.split(separator: ".").map(String.init)[...], value)
  }
  return spec
}

/// The same JSON with the value at a path replaced or added.
func replacing(_ json: JSON, _ path: ArraySlice<String>, _ value: JSON) -> JSON {
  guard let first = path.first else { return value }
  if var items = json.arrayValue, let index = Int(first) {
    if index < items.count {
      items[index] = replacing(items[index], path.dropFirst(), value)
    } else {
      items.append(replacing([:], path.dropFirst(), value))
    }
    return .array(items)
  }
  var object = json.objectValue ?? [:]
  object[first] = replacing(object[first] ?? [:], path.dropFirst(), value)
  return .object(object)
}
