import Autodiff
import JSON

/// Adaptive moments (Kingma, Ba 2014) with weight decay in the gradient. PyTorch: Adam. `bias_correction: false` is
/// BERT's; `eps_inside_sqrt` divides by sqrt(v + eps), v corrected, as lectures do.
struct Adam: MomentOptimizer {
  static let type = "adam"

  var moments: Moments
  let amsgrad: Bool
  let biasCorrection: Bool
  let epsInside: Bool

  init(_ fields: FieldReader) throws(SpecError) {
    moments = try Moments(fields)
    amsgrad = try fields.bool("amsgrad", default: false)
    biasCorrection = try fields.bool("bias_correction", default: true)
    epsInside = try fields.bool("eps_inside_sqrt", default: false)
  }

  var encoded: JSONObject {
    var object = moments.encoded(Self.type)
    object["amsgrad"] = .bool(amsgrad)
    object["bias_correction"] = .bool(biasCorrection)
    object["eps_inside_sqrt"] = .bool(epsInside)
    return object
  }

  var slots: [String] { ["m", "v"] + (amsgrad ? ["v_max"] : []) }

  func coefficients(_ t: Int, rate: Double, weightDecay: Double, gradientScale: Double) -> Coefficients {
    let (c1, c2) = biasCorrection ? moments.corrections(t) : (1, 1)
    return moments.coefficients(
      through: rate / c1, correction: 1 / c2, outside: epsInside ? 0 : moments.eps,
      inside: epsInside ? moments.eps : 0, gradientScale: gradientScale, decay: weightDecay, kept: 1)
  }
}
