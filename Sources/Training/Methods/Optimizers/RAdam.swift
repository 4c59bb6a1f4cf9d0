import Autodiff
import JSON

/// Adam that adapts only once the variance of its second moment can be told, and then in proportion to it
/// (Liu et al. 2019). PyTorch: RAdam; the first steps are plain momentum.
struct RAdam: MomentOptimizer {
  static let type = "radam"

  var moments: Moments
  let decoupled: Bool

  init(_ fields: FieldReader) throws(SpecError) {
    moments = try Moments(fields)
    decoupled = try fields.bool("decoupled_weight_decay", default: false)
  }

  var encoded: JSONObject {
    var object = moments.encoded(Self.type)
    object["decoupled_weight_decay"] = .bool(decoupled)
    return object
  }

  func coefficients(_ t: Int, rate: Double, weightDecay: Double, gradientScale: Double) -> Coefficients {
    let (c1, c2) = moments.corrections(t)
    let longest = 2 / (1 - moments.beta2) - 1
    let length = longest - 2 * Double(t) * (1 - c2) / c2
    let rectified = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
    // The denominator of the others is sqrt(0 v + 1) + 0.
    let adapts = length > 5
    return moments.coefficients(
      through: rate / c1 * (adapts ? (rectified * c2).squareRoot() : 1), correction: adapts ? 1 : 0,
      outside: adapts ? moments.eps : 0, inside: adapts ? 0 : 1, gradientScale: gradientScale,
      decay: decoupled ? 0 : weightDecay, kept: decoupled ? 1 - rate * weightDecay : 1)
  }
}
