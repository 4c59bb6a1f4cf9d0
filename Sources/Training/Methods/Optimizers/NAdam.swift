import Autodiff
import JSON

/// Adam with Nesterov's look ahead and a momentum that rises with the steps (Dozat 2016). PyTorch: NAdam.
struct NAdam: MomentOptimizer {
  static let type = "nadam"

  var moments: Moments
  let momentumDecay: Double
  let decoupled: Bool
  /// The product of all momenta up to a step; found again from the first step where it is not at hand.
  private var product = (step: 0, value: 1.0)

  init(_ fields: FieldReader) throws(SpecError) {
    moments = try Moments(fields, lr: 2e-3)
    momentumDecay = try fields.number("momentum_decay", .notNegative, default: 4e-3)
    decoupled = try fields.bool("decoupled_weight_decay", default: false)
  }

  var encoded: JSONObject {
    var object = moments.encoded(Self.type)
    object["momentum_decay"] = .number(momentumDecay)
    object["decoupled_weight_decay"] = .bool(decoupled)
    return object
  }

  private func momentum(at t: Int) -> Double {
    moments.beta1 * (1 - 0.5 * ExactMath.pow(0.96, Double(t) * momentumDecay))
  }

  mutating func coefficients(_ t: Int, rate: Double, weightDecay: Double, gradientScale: Double)
    -> Coefficients
  {
    if product.step > t { product = (0, 1) }
    while product.step < t { product = (product.step + 1, product.value * momentum(at: product.step + 1)) }
    let (now, next) = (momentum(at: t), momentum(at: t + 1))
    return moments.coefficients(
      through: rate * next / (1 - product.value * next), direct: rate * (1 - now) / (1 - product.value),
      correction: 1 / moments.corrections(t).1, outside: moments.eps, gradientScale: gradientScale,
      decay: decoupled ? 0 : weightDecay, kept: decoupled ? 1 - rate * weightDecay : 1)
  }
}
