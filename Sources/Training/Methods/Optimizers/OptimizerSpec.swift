import JSON

/// `optimizer` in a job: the method, and which parameters its weight decay leaves alone.
struct OptimizerSpec: Sendable {
  /// A kind of parameters without weight decay.
  enum Exemption: String, Sendable, CaseIterable {
    /// All that are named `bias`.
    case bias
    /// Scale and shift of normalizations.
    case norm
  }

  var method: any Optimizer
  let decayExempt: [Exemption]

  init(_ fields: FieldReader) throws(SpecError) {
    let words = try fields.words("decay_exempt", Exemption.allCases.map(\.rawValue))
    decayExempt = words.compactMap(Exemption.init)
    method = try fields.method(.optimizers)
  }

  var encoded: JSONObject {
    var object = method.encoded
    object["decay_exempt"] = .array(decayExempt.map { .string($0.rawValue) })
    return object
  }

  var learningRate: Double { method.learningRate }
  var slots: [String] { method.slots }

  /// Whether weight decay acts on a parameter, told by its name and shape among all of the model: what normalizes has
  /// a weight of one dimension.
  func decays(_ parameter: ParameterSpec, of all: [ParameterSpec]) -> Bool {
    let parts = parameter.name.split(separator: ".")
    let weight = (parts.dropLast() + ["weight"]).joined(separator: ".")
    let isNorm = all.contains { $0.name == weight && $0.shape.count == 1 }
    if decayExempt.contains(.norm), isNorm { return false }
    return !(decayExempt.contains(.bias) && parts.last?.hasSuffix("bias") == true)
  }
}
