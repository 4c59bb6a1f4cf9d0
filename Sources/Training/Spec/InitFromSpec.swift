import JSON

/// `model.init_from`: begin with the parameters of another run's checkpoint instead of random ones.
public struct InitFromSpec: Sendable, Equatable {
  /// The run that has the checkpoint.
  public let runID: String
  /// `latest`, `best` or a step.
  public let checkpoint: String
  /// Whether source and model must have the same tensors, `skip` apart.
  let strict: Bool
  /// Tensors that are left as they are initialized.
  let skip: [NamePattern]

  init(_ fields: FieldReader) throws(SpecError) {
    runID = try fields.string("run_id", limit: 64)
    if case .integer(let step)? = fields.value("checkpoint"), step >= 0 {
      checkpoint = "\(step)"
    } else {
      checkpoint = try fields.string("checkpoint", limit: 20, default: "best")
      guard ["latest", "best"].contains(checkpoint) || (Int(checkpoint) ?? -1) >= 0 else {
        throw fields.error("checkpoint", must: "\"latest\", \"best\" or a step")
      }
    }
    strict = try fields.bool("strict", default: true)
    skip = try fields.patterns("skip")
    try fields.finish("init_from")
  }

  var encoded: JSON {
    [
      "run_id": .string(runID), "checkpoint": Int(checkpoint).map { JSON($0) } ?? .string(checkpoint),
      "strict": .bool(strict), "skip": .array(skip.map { .string($0.text) }),
    ]
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
