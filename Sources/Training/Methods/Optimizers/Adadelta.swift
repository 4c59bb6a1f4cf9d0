import Autodiff
import JSON

/// Steps in the units of the parameters (Zeiler 2012, which is lr = 1). PyTorch: Adadelta; eps is inside of both roots.
struct Adadelta: Optimizer {
  static let type = "adadelta"

  let learningRate: Double
  let rho: Double
  let eps: Double
  let weightDecay: Double

  init(_ fields: FieldReader) throws(SpecError) {
    learningRate = try fields.number("lr", .positive, default: 1)
    rho = try fields.number("rho", .fraction, default: 0.9)
    eps = try fields.number("eps", .notNegative, default: 1e-6)
    weightDecay = try fields.number("weight_decay", .notNegative, default: 0)
  }

  var encoded: JSONObject {
    [
      "type": .string(Self.type), "lr": .number(learningRate), "rho": .number(rho), "eps": .number(eps),
      "weight_decay": .number(weightDecay),
    ]
  }

  var slots: [String] { ["square_avg", "acc_delta"] }
  var rule: UpdateRule { .adadelta }

  func coefficients(_ t: Int, rate: Double, weightDecay: Double, gradientScale: Double) -> Coefficients {
    .init(gradientScale: gradientScale, decay: weightDecay, rate, rho, 1 - rho, eps)
  }
}
