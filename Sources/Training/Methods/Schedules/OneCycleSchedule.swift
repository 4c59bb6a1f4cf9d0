import Autodiff
import JSON

/// Once up to `max_lr` and then down to next to nothing (Smith 2018). `max_lr` is the optimizer's rate where it is
/// null, `total_steps` all steps after the warmup. PyTorch: OneCycleLR, whose phases may end between two steps.
struct OneCycleSchedule: Schedule {
  static let type = "one_cycle"

  let maxRate: Double?
  let total: Int?
  let share: Double
  let anneal: String
  let movesMomentum: Bool?
  let momenta: (base: Double, max: Double)
  let divisor: Double
  let finalDivisor: Double
  let threePhase: Bool

  init(_ fields: FieldReader) throws(SpecError) {
    maxRate = try fields.numberOrNone("max_lr", .positive)
    total = try fields.integerOrNone("total_steps", 1...1_000_000_000)
    share = try fields.number("pct_start", .share, default: 0.3)
    anneal = try fields.choice("anneal_strategy", ["cos", "linear"], default: "cos")
    movesMomentum = try fields.boolOrNone("cycle_momentum")
    momenta = (
      try fields.number("base_momentum", .fraction, default: 0.85),
      try fields.number("max_momentum", .fraction, default: 0.95)
    )
    divisor = try fields.number("div_factor", .positive, default: 25)
    finalDivisor = try fields.number("final_div_factor", .positive, default: 1e4)
    threePhase = try fields.bool("three_phase", default: false)
  }

  var encoded: JSONObject {
    [
      "type": .string(Self.type), "max_lr": maxRate.map { .number($0) } ?? .null,
      "total_steps": total.map { JSON($0) } ?? .null, "pct_start": .number(share),
      "anneal_strategy": .string(anneal), "cycle_momentum": movesMomentum.map { .bool($0) } ?? .null,
      "base_momentum": .number(momenta.base), "max_momentum": .number(momenta.max),
      "div_factor": .number(divisor), "final_div_factor": .number(finalDivisor),
      "three_phase": .bool(threePhase),
    ]
  }

  /// The value at a step of a curve through `points` at the phases' ends; flat after the last.
  private func curve(_ t: Int, _ steps: Int, _ points: [Double]) -> Double {
    let last = Double(steps - 1)
    let rise = share * Double(steps) - 1
    let ends = threePhase ? [rise, 2 * rise, last] : [rise, last]
    var start = 0.0
    for (phase, end) in ends.enumerated() {
      guard Double(t) <= end || phase == ends.count - 1 else {
        start = end
        continue
      }
      let place = end > start ? min(1, (Double(t) - start) / (end - start)) : 1
      let (from, to) = (points[phase], points[phase + 1])
      return anneal == "linear"
        ? from + (to - from) * place : to + (from - to) / 2 * (1 + ExactMath.cosPi(place))
    }
    return points[points.count - 1]
  }

  func rate(_ t: Int, base: Double, _ length: ScheduleLength) -> Double {
    let top = maxRate ?? base
    let (first, last) = (top / divisor, top / divisor / finalDivisor)
    return curve(t, total ?? length.steps, threePhase ? [first, top, first, last] : [first, top, last])
  }

  func momentum(_ t: Int, _ length: ScheduleLength) -> Double? {
    let (low, high) = momenta
    return curve(t, total ?? length.steps, [high, low, high] + (threePhase ? [high] : []))
  }
}
