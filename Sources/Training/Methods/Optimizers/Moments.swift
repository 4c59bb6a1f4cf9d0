import Autodiff
import JSON

/// What Adam and its relatives share: the averages of gradients and of their squares.
struct Moments: Sendable {
  let learningRate: Double
  var beta1: Double
  let beta2: Double
  let eps: Double
  let weightDecay: Double

  init(
    _ fields: FieldReader, lr: Double = 1e-3, betas: (Double, Double) = (0.9, 0.999), weightDecay: Double = 0
  ) throws(SpecError) {
    learningRate = try fields.number("lr", .positive, default: lr)
    (beta1, beta2) = try fields.pair("betas", .fraction, default: betas)
    eps = try fields.number("eps", .notNegative, default: 1e-8)
    self.weightDecay = try fields.number("weight_decay", .notNegative, default: weightDecay)
  }

  /// The fields they share, `type` first.
  func encoded(_ type: String) -> JSONObject {
    [
      "type": .string(type), "lr": .number(learningRate), "betas": [.number(beta1), .number(beta2)],
      "eps": .number(eps), "weight_decay": .number(weightDecay),
    ]
  }

  /// 1 - beta1^t and 1 - beta2^t, by which the averages are too small at the beginning.
  func corrections(_ t: Int) -> (Double, Double) {
    (1 - ExactMath.pow(beta1, t), 1 - ExactMath.pow(beta2, t))
  }

  /// p -= (through * m + direct * g) / (sqrt(v * correction + inside) + outside).
  func coefficients(
    through: Double, direct: Double = 0, correction: Double, outside: Double, inside: Double = 0,
    gradientScale: Double, decay: Double, kept: Double
  ) -> ParameterPasses.Coefficients {
    .init(
      gradientScale: gradientScale, decay: decay, kept: kept, through, direct, 1 - beta1, beta2, 1 - beta2,
      correction, outside, inside)
  }
}

/// Adam and its relatives.
protocol MomentOptimizer: Optimizer {
  /// What they share.
  var moments: Moments { get set }
}

extension MomentOptimizer {
  var momentum: Double? {
    get { moments.beta1 }
    set { moments.beta1 = newValue ?? moments.beta1 }
  }
  var learningRate: Double { moments.learningRate }
  var weightDecay: Double { moments.weightDecay }
  var slots: [String] { ["m", "v"] }
  var rule: UpdateRule { .moments }
}
