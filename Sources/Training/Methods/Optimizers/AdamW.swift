import Autodiff
import JSON

/// Adam whose weight decay multiplies the parameters by 1 - lr * weight_decay before the step instead of entering the
/// gradient (Loshchilov, Hutter 2017). PyTorch: AdamW.
struct AdamW: MomentOptimizer {
  static let type = "adamw"

  var moments: Moments
  let amsgrad: Bool
  let biasCorrection: Bool

  init(_ fields: FieldReader) throws(SpecError) {
    moments = try Moments(fields, weightDecay: 1e-2)
    amsgrad = try fields.bool("amsgrad", default: false)
    biasCorrection = try fields.bool("bias_correction", default: true)
  }

  var encoded: JSONObject {
    var object = moments.encoded(Self.type)
    object["amsgrad"] = .bool(amsgrad)
    object["bias_correction"] = .bool(biasCorrection)
    return object
  }

  var slots: [String] { ["m", "v"] + (amsgrad ? ["v_max"] : []) }

  func coefficients(_ t: Int, rate: Double, weightDecay: Double, gradientScale: Double) -> Coefficients {
    let (c1, c2) = biasCorrection ? moments.corrections(t) : (1, 1)
    return moments.coefficients(
      through: rate / c1, correction: 1 / c2, outside: moments.eps, gradientScale: gradientScale, decay: 0,
      kept: 1 - rate * weightDecay)
  }
}
