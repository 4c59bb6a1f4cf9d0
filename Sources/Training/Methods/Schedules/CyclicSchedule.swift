import Autodiff
import JSON

/// Up and down between two rates, again and again (Smith 2015). `base_lr` is the optimizer's where it is null.
/// PyTorch: CyclicLR; the momentum moves the other way.
struct CyclicSchedule: Schedule {
  static let type = "cyclic"
  static let modes = ["triangular", "triangular2", "exp_range"]

  let baseRate: Double?
  let maxRate: Double
  let up: Int
  let down: Int?
  let mode: String
  let gamma: Double
  let movesMomentum: Bool?
  let momenta: (base: Double, max: Double)

  init(_ fields: FieldReader) throws(SpecError) {
    baseRate = try fields.numberOrNone("base_lr", .notNegative)
    maxRate = try fields.number("max_lr", .positive)
    up = try fields.integer("step_size_up", 1...1_000_000_000, default: 2000)
    down = try fields.integerOrNone("step_size_down", 1...1_000_000_000)
    mode = try fields.choice("mode", Self.modes, default: "triangular")
    gamma = try fields.number("gamma", .positive, default: 1)
    movesMomentum = try fields.boolOrNone("cycle_momentum")
    momenta = (
      try fields.number("base_momentum", .fraction, default: 0.8),
      try fields.number("max_momentum", .fraction, default: 0.9)
    )
  }

  var encoded: JSONObject {
    [
      "type": .string(Self.type), "base_lr": baseRate.map { .number($0) } ?? .null,
      "max_lr": .number(maxRate),
      "step_size_up": JSON(up), "step_size_down": down.map { JSON($0) } ?? .null, "mode": .string(mode),
      "gamma": .number(gamma), "cycle_momentum": movesMomentum.map { .bool($0) } ?? .null,
      "base_momentum": .number(momenta.base), "max_momentum": .number(momenta.max),
    ]
  }

  private var cycle: Int { up + (down ?? up) }

  /// How far up the step is: 0 at the ends of a cycle, 1 at its top, less in later cycles as the mode says.
  private func height(_ t: Int) -> Double {
    let step = t % cycle
    let height = step <= up ? Double(step) / Double(up) : Double(cycle - step) / Double(cycle - up)
    switch mode {
    case "triangular2": return height * ExactMath.pow(0.5, t / cycle)
    case "exp_range": return height * ExactMath.pow(gamma, t)
    default: return height
    }
  }

  func rate(_ t: Int, base: Double, _ length: ScheduleLength) -> Double {
    let bottom = baseRate ?? base
    return bottom + (maxRate - bottom) * height(t)
  }

  func momentum(_ t: Int, _ length: ScheduleLength) -> Double? {
    momenta.max - (momenta.max - momenta.base) * height(t)
  }

  func endsCycle(after t: Int) -> Bool? { t > 0 && t % cycle == 0 }
}
