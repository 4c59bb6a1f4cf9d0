import Autodiff
import JSON

/// Gradient descent with optional momentum. PyTorch: SGD; its first step does not dampen.
struct Sgd: VelocityOptimizer {
  static let type = "sgd"

  let learningRate, dampening, weightDecay: Double
  var velocityKept: Double
  let nesterov: Bool

  init(_ fields: FieldReader) throws(SpecError) {
    learningRate = try fields.number("lr", .positive, default: 1e-3)
    velocityKept = try fields.number("momentum", .notNegative, default: 0)
    dampening = try fields.number("dampening", .any, default: 0)
    nesterov = try fields.bool("nesterov", default: false)
    weightDecay = try fields.number("weight_decay", .notNegative, default: 0)
    if nesterov, velocityKept == 0 || dampening != 0 {
      throw fields.error("nesterov", must: "false unless momentum is > 0 and dampening is 0")
    }
  }

  var encoded: JSONObject {
    [
      "type": .string(Self.type), "lr": .number(learningRate), "momentum": .number(velocityKept),
      "dampening": .number(dampening), "nesterov": .bool(nesterov), "weight_decay": .number(weightDecay),
    ]
  }

  var slots: [String] { velocityKept == 0 ? [] : ["momentum_buffer"] }
  var rule: UpdateRule { velocityKept == 0 ? .descend : .momentum }

  func coefficients(_ t: Int, rate: Double, weightDecay: Double, gradientScale: Double) -> Coefficients {
    .init(
      gradientScale: gradientScale, decay: weightDecay, rate, t == 1 ? 0 : velocityKept,
      t == 1 ? 1 : 1 - dampening, nesterov ? 1 : 0, nesterov ? velocityKept : 1)
  }
}
