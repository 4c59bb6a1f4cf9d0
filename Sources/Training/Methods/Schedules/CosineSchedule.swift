import Autodiff
import JSON

/// Half a cosine from the base rate to `eta_min` in `t_max` steps; after that it rises again with period
/// 2 * t_max, as PyTorch's CosineAnnealingLR does. Without `t_max` it takes all steps after the warmup.
struct CosineSchedule: Schedule {
  static let type = "cosine"

  let tMax: Int?
  let etaMin: Double

  init(_ fields: FieldReader) throws(SpecError) {
    fields.rename("T_max", to: "t_max")
    tMax = try fields.integerOrNone("t_max", 1...1_000_000_000)
    etaMin = try fields.number("eta_min", .notNegative, default: 0)
  }

  var encoded: JSONObject {
    ["type": .string(Self.type), "t_max": tMax.map { JSON($0) } ?? .null, "eta_min": .number(etaMin)]
  }

  func rate(_ t: Int, base: Double, _ length: ScheduleLength) -> Double {
    let period = tMax ?? length.steps
    let phase = Double(t % (2 * period)) / Double(period)
    return etaMin + (base - etaMin) * (1 + ExactMath.cosPi(phase)) / 2
  }
}
