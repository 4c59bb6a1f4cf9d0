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
      origin = .checkpoint(run: "", try Self.checkpoint(fields))
    } else if fields.value("weights") != nil {
      guard fields.value("run_id") == nil, fields.value("checkpoint") == nil else {
        throw fields.error("weights", must: "absent where run_id or checkpoint is given")
      }
      origin = .weights(try fields.string("weights", limit: 100))
    } else {
      let run = try fields.string("run_id", limit: 64)
      origin = .checkpoint(run: run, try Self.checkpoint(fields))
    }
    strict = try fields.bool("strict", default: true)
    skip = try fields.patterns("skip")
    try fields.finish("init_from")
  }

  private static func checkpoint(_ fields: FieldReader) throws(SpecError) -> String {
    if case .integer(let step)? = fields.value("checkpoint"), step >= 0 {
      return "\(step)"
    }
    let checkpoint = try fields.string("checkpoint", limit: 20, default: "best")
    guard ["latest", "best"].contains(checkpoint) || (Int(checkpoint) ?? -1) >= 0 else {
      throw fields.error("checkpoint", must: "\"latest\", \"best\" or a step")
    }
    return checkpoint
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
