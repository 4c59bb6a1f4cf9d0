import Autodiff
import JSON

/// Nesterov's accelerated gradient in its textbook form (Sutskever et al. 2013): the gradient is taken at
/// W - lr * momentum * a, then a = momentum * a + g and W -= lr * a. Seen from the point ahead, where the gradient is
/// taken, the last is a step of lr * g.
struct Nag: VelocityOptimizer {
  static let type = "nag"

  let learningRate: Double
  var velocityKept: Double
  let weightDecay: Double

  init(_ fields: FieldReader) throws(SpecError) {
    learningRate = try fields.number("lr", .positive, default: 1e-3)
    velocityKept = try fields.number("momentum", .notNegative, default: 0.9)
    weightDecay = try fields.number("weight_decay", .notNegative, default: 0)
  }

  var encoded: JSONObject {
    [
      "type": .string(Self.type), "lr": .number(learningRate), "momentum": .number(velocityKept),
      "weight_decay": .number(weightDecay),
    ]
  }

  var slots: [String] { ["momentum_buffer"] }
  var rule: UpdateRule { .momentum }

  func coefficients(_ t: Int, rate: Double, weightDecay: Double, gradientScale: Double) -> Coefficients {
    .init(gradientScale: gradientScale, decay: weightDecay, rate, velocityKept, 1, 1, 0)
  }

  func lookahead(rate: Double) -> Double { -rate * velocityKept }
}
