import Autodiff
import JSON

/// Only the sign of an average of gradients counts (Chen et al. 2023); weight decay is AdamW's. Each coordinate moves
/// by lr, so rates are three to ten times smaller than Adam's.
struct Lion: Optimizer {
  static let type = "lion"

  let learningRate: Double
  let beta1: Double
  let beta2: Double
  let weightDecay: Double

  init(_ fields: FieldReader) throws(SpecError) {
    learningRate = try fields.number("lr", .positive, default: 1e-4)
    (beta1, beta2) = try fields.pair("betas", .fraction, default: (0.9, 0.99))
    weightDecay = try fields.number("weight_decay", .notNegative, default: 0)
  }

  var encoded: JSONObject {
    [
      "type": .string(Self.type), "lr": .number(learningRate), "betas": [.number(beta1), .number(beta2)],
      "weight_decay": .number(weightDecay),
    ]
  }

  var slots: [String] { ["m"] }
  var rule: UpdateRule { .lion }

  func coefficients(_ t: Int, rate: Double, weightDecay: Double, gradientScale: Double) -> Coefficients {
    .init(gradientScale: gradientScale, kept: 1 - rate * weightDecay, rate, 1 - beta1, 1 - beta2)
  }
}
