import JSON

/// `model.init_from`: begin with the parameters of another run's checkpoint, or of a file that was brought, instead of
/// random ones.
public struct InitFromSpec: Sendable, Equatable {
  /// Where the parameters are.
  public enum Origin: Sendable, Equatable {
    /// A run's checkpoint: `latest`, `best` or a step.
    case checkpoint(run: String, String)
    /// An uploaded safetensors file.
    case weights(String)
  }

  /// Where the parameters are.
  public let origin: Origin
  /// Whether source and model must have the same tensors, `skip` apart.
  let strict: Bool
  /// Tensors that are left as they are initialized.
  let skip: [NamePattern]

  init(_ fields: FieldReader) throws(SpecError) {
    fields.describe("weights", ["type": "string", "maxLength": 100], default: .null)
    if fields.isNoting {
      fields.describe("run_id", ["type": "string", "maxLength": 64], default: .null)
      origin = .checkpoint(run: "", try fields.checkpoint("checkpoint", default: "best"))
    } else if fields.value("weights") != nil {
      guard fields.value("run_id") == nil, fields.value("checkpoint") == nil else {
        throw fields.error("weights", must: "absent where run_id or checkpoint is given")
      }
      origin = .weights(try fields.string("weights", limit: 100))
    } else {
      let run = try fields.string("run_id", limit: 64)
      origin = .checkpoint(run: run, try fields.checkpoint("checkpoint", default: "best"))
    }
    strict = try fields.bool("strict", default: true)
    skip = try fields.patterns("skip")
    try fields.finish("init_from")
  }

  var encoded: JSON {
    var object: JSONObject = [:]
    switch origin {
    case .checkpoint(let run, let checkpoint):
      object["run_id"] = .string(run)
      object["checkpoint"] = Int(checkpoint).map { JSON($0) } ?? .string(checkpoint)
    case .weights(let name): object["weights"] = .string(name)
    }
    object["strict"] = .bool(strict)
    object["skip"] = .array(skip.map { .string($0.text) })
    return .object(object)
  }

  /// The tensors of the file that `origin` names: the model that was evaluated of a checkpoint, all of any other file.
  func tensors(of source: ByteSource) throws(SafetensorsError) -> [NamedTensor] {
    let file = try Safetensors(source)
    if case .checkpoint = origin { return try Checkpoint.evaluatedModel(of: file) }
    if (try? Checkpoint(withoutTensorsOf: file)) != nil {
      return try Checkpoint.evaluatedModel(of: file).map(\.floats)
    }
    var tensors: [NamedTensor] = []
    for entry in file.entries { tensors.append(try file.floats(entry)) }
    return tensors
  }

  /// The tensors of `source` that the model takes over; throws with all that do not fit: wrong shapes always, missing
  /// and surplus ones where it is strict, as PyTorch's load_state_dict does.
  func chosen(from source: [NamedTensor], for parameters: [ParameterSpec]) throws(SpecError) -> [NamedTensor]
  {
    func isSkipped(_ name: String) -> Bool { skip.contains { $0.matches(name) } }
    var misfits: [String] = []
    var chosen: [NamedTensor] = []
    for parameter in parameters where !isSkipped(parameter.name) {
      guard let tensor = source.first(where: { $0.name == parameter.name }) else {
        if strict { misfits.append("\(parameter.name) is missing") }
        continue
      }
      if tensor.integers != nil, !parameter.shape.isEmpty {
        misfits.append("\(parameter.name) holds integers")
      } else if tensor.shape == parameter.shape {
        chosen.append(tensor)
      } else {
        misfits.append("\(parameter.name) has shape \(tensor.shape), not \(parameter.shape)")
      }
    }
    if strict {
      for tensor in source where !isSkipped(tensor.name) {
        if !parameters.contains(where: { $0.name == tensor.name }) {
          misfits.append("\(tensor.name) is not in the model")
        }
      }
    }
    guard misfits.isEmpty else {
      throw SpecError("model.init_from", "does not fit: \(misfits.joined(separator: "; "))")
    }
    return chosen
  }
}

extension FieldReader {
  /// Which checkpoint of a run: `latest`, `best` or a step, as text.
  public func checkpoint(_ name: String, default fallback: String) throws(SpecError) -> String {
    describe(name, ["type": ["string", "integer"]], default: .string(fallback))
    guard let value = value(name) else { return fallback }
    let text = value.stringValue ?? value.intValue.map(String.init) ?? ""
    guard ["latest", "best"].contains(text) || (Int(text) ?? -1) >= 0 else {
      throw error(name, must: "a step, latest or best")
    }
    return text
  }
}
