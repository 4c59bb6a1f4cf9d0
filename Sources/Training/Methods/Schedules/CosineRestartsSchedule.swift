import Autodiff
import JSON

/// Half a cosine from the base rate towards `eta_min`, again and again: the first cycle has `t_0` steps, each further
/// one `t_mult` times as many (Loshchilov, Hutter 2016). PyTorch: CosineAnnealingWarmRestarts.
struct CosineRestartsSchedule: Schedule {
  static let type = "cosine_restarts"

  let first: Int
  let factor: Int
  let etaMin: Double

  init(_ fields: FieldReader) throws(SpecError) {
    fields.rename("T_0", to: "t_0")
    fields.rename("T_mult", to: "t_mult")
    first = try fields.integer("t_0", 1...1_000_000_000)
    factor = try fields.integer("t_mult", 1...1000, default: 1)
    etaMin = try fields.number("eta_min", .notNegative, default: 0)
  }

  var encoded: JSONObject {
    ["type": .string(Self.type), "t_0": JSON(first), "t_mult": JSON(factor), "eta_min": .number(etaMin)]
  }

  /// The place of a step in its cycle, and the cycle's length.
  private func place(_ t: Int) -> (Int, of: Int) {
    if factor == 1 { return (t % first, first) }
    var (start, length) = (0, first)
    while t - start >= length {
      start += length
      length *= factor
    }
    return (t - start, length)
  }

  func rate(_ t: Int, base: Double, _ length: ScheduleLength) -> Double {
    let (step, cycle) = place(t)
    return etaMin + (base - etaMin) * (1 + ExactMath.cosPi(Double(step) / Double(cycle))) / 2
  }

  func endsCycle(after t: Int) -> Bool? { t > 0 && place(t).0 == 0 }
}
