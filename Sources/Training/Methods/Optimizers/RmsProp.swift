import Autodiff
import JSON

/// Steps divided by the root of a running mean of squared gradients (Hinton 2012; centered: Graves 2013).
/// PyTorch: RMSprop, whose eps is outside of the root; with `eps_inside_sqrt` the lectures' g / sqrt(v + eps).
struct RmsProp: VelocityOptimizer {
  static let type = "rmsprop"

  let learningRate, alpha, eps, weightDecay: Double
  var velocityKept: Double
  let epsInside, centered: Bool

  init(_ fields: FieldReader) throws(SpecError) {
    learningRate = try fields.number("lr", .positive, default: 1e-2)
    alpha = try fields.number("alpha", .fraction, default: 0.99)
    eps = try fields.number("eps", .notNegative, default: 1e-8)
    epsInside = try fields.bool("eps_inside_sqrt", default: false)
    weightDecay = try fields.number("weight_decay", .notNegative, default: 0)
    velocityKept = try fields.number("momentum", .notNegative, default: 0)
    centered = try fields.bool("centered", default: false)
  }

  var encoded: JSONObject {
    [
      "type": .string(Self.type), "lr": .number(learningRate), "alpha": .number(alpha), "eps": .number(eps),
      "eps_inside_sqrt": .bool(epsInside), "weight_decay": .number(weightDecay),
      "momentum": .number(velocityKept), "centered": .bool(centered),
    ]
  }

  var slots: [String] {
    ["square_avg"] + (centered ? ["grad_avg"] : []) + (velocityKept > 0 ? ["momentum_buffer"] : [])
  }
  var rule: UpdateRule { .rmsprop }

  func coefficients(_ t: Int, rate: Double, weightDecay: Double, gradientScale: Double) -> Coefficients {
    .init(
      gradientScale: gradientScale, decay: weightDecay, rate, alpha, 1 - alpha, epsInside ? 0 : eps,
      epsInside ? eps : 0, velocityKept, centered ? 1 : 0, velocityKept > 0 ? 1 : 0)
  }
}
