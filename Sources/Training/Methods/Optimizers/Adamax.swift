import Autodiff
import JSON

/// Adam with a decaying maximum in place of the second moment (Kingma, Ba 2014, section 7). PyTorch: Adamax.
struct Adamax: MomentOptimizer {
  static let type = "adamax"

  var moments: Moments

  init(_ fields: FieldReader) throws(SpecError) { moments = try Moments(fields, lr: 2e-3) }

  var encoded: JSONObject { moments.encoded(Self.type) }

  var slots: [String] { ["m", "u"] }
  var rule: UpdateRule { .adamax }

  func coefficients(_ t: Int, rate: Double, weightDecay: Double, gradientScale: Double) -> Coefficients {
    .init(
      gradientScale: gradientScale, decay: weightDecay, rate / moments.corrections(t).0, 1 - moments.beta1,
      moments.beta2, moments.eps)
  }
}
