import Autodiff
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

  func update(_ state: OptimizerState, rate: Double, step: Int, gradientScale: Double) {
    let coefficients = AdamCoefficients(
      rate: rate, beta1: beta1, beta2: beta2, epsilon: eps, weightDecay: weightDecay, step: step + 1,
      gradientScale: gradientScale)
    state.passes.adam(
      coefficients, parameters: state.parameters, gradients: state.gradients, m: state.slots[0],
      v: state.slots[1], state.range)
  }
}
