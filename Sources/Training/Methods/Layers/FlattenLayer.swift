import Autodiff
import JSON

/// Makes one row of features of each example. PyTorch: Flatten.
struct FlattenLayer: Layer {
  static let type = "flatten"

  var encoded: JSONObject { ["type": .string(Self.type)] }

  func resolve(input: [Int], _ place: LayerPlace) throws(SpecError) -> LayerShape {
    guard let count = Architecture.product(input) else {
      throw SpecError(place.path, "has an input of shape \(input), which is too large")
    }
    return LayerShape(output: [count])
  }

  func add(to graph: inout Graph, _ x: Node, _ parameters: [Node], index: Int) throws(GraphError) -> Node {
    try graph.flatten(x)
  }
}
