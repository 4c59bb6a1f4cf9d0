import JSON

/// Adaptive moments (Kingma, Ba 2014) with weight decay in the gradient. PyTorch: Adam.
struct Adam: Optimizer {
  static let type = "adam"

  let learningRate: Double
  let beta1: Double
  let beta2: Double
  let eps: Double
  let weightDecay: Double

  init(_ fields: FieldReader) throws(SpecError) {
    learningRate = try fields.number("lr", .positive, default: 1e-3)
    (beta1, beta2) = try fields.pair("betas", .fraction, default: (0.9, 0.999))
    eps = try fields.number("eps", .notNegative, default: 1e-8)
    weightDecay = try fields.number("weight_decay", .notNegative, default: 0)
  }

  var encoded: JSONObject {
    [
      "type": .string(Self.type), "lr": .number(learningRate), "betas": [.number(beta1), .number(beta2)],
      "eps": .number(eps), "weight_decay": .number(weightDecay),
    ]
  }

  var slots: [String] { ["m", "v"] }

  func update(
    _ parameter: inout [Float], _ gradient: [Float], _ slots: inout [[Float]], rate: Double, step: Int
  ) {
    let correction1 = 1 - PortableMath.power(beta1, step + 1)
    let correction2 = 1 - PortableMath.power(beta2, step + 1)
    let (scaledRate, root) = (Float(rate / correction1), Float(correction2.squareRoot()))
    for i in parameter.indices {
      let slope = gradient[i] + Float(weightDecay) * parameter[i]
      slots[0][i] += Float(1 - beta1) * (slope - slots[0][i])
      slots[1][i] = slots[1][i] * Float(beta2) + Float(1 - beta2) * slope * slope
      parameter[i] -= scaledRate * slots[0][i] / (slots[1][i].squareRoot() / root + Float(eps))
    }
  }
}
