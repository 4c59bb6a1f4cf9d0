import Autodiff
import JSON

/// Steps divided by the root of the sum of all squared gradients (Duchi et al. 2011). PyTorch: Adagrad; with
/// `eps_inside_sqrt` the lectures' g / sqrt(s + eps).
struct Adagrad: Optimizer {
  static let type = "adagrad"

  let learningRate, rateDecay, weightDecay, start, eps: Double
  let epsInside: Bool

  init(_ fields: FieldReader) throws(SpecError) {
    learningRate = try fields.number("lr", .positive, default: 1e-2)
    rateDecay = try fields.number("lr_decay", .notNegative, default: 0)
    weightDecay = try fields.number("weight_decay", .notNegative, default: 0)
    start = try fields.number("initial_accumulator_value", .notNegative, default: 0)
    eps = try fields.number("eps", .notNegative, default: 1e-10)
    epsInside = try fields.bool("eps_inside_sqrt", default: false)
  }

  var encoded: JSONObject {
    [
      "type": .string(Self.type), "lr": .number(learningRate), "lr_decay": .number(rateDecay),
      "weight_decay": .number(weightDecay), "initial_accumulator_value": .number(start), "eps": .number(eps),
      "eps_inside_sqrt": .bool(epsInside),
    ]
  }

  var slots: [String] { ["sum"] }
  var initialState: Float { Float(start) }
  var rule: UpdateRule { .adagrad }

  func coefficients(_ t: Int, rate: Double, weightDecay: Double, gradientScale: Double) -> Coefficients {
    .init(
      gradientScale: gradientScale, decay: weightDecay, rate / (1 + Double(t - 1) * rateDecay),
      epsInside ? 0 : eps, epsInside ? eps : 0)
  }
}
