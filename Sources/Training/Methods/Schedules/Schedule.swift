// Learning-rate schedules: pure functions of the optimizer's step, one file each. `Warmup` comes before any.
//
// `t` counts optimizer steps from 0, also for schedules that PyTorch users often step once an epoch: a
// `step_size` of 100 is 100 updates. References: PyTorch's torch.optim.lr_scheduler in closed form.

import JSON

/// How the learning rate goes with the steps.
protocol Schedule: Sendable {
  /// All fields with their values, `type` first.
  var encoded: JSONObject { get }

  /// The learning rate of optimizer step `t` (from 0) when `base` is the optimizer's and the schedule has
  /// `steps` steps to itself.
  func rate(_ t: Int, base: Double, steps: Int) -> Double
}

extension MethodTable where Method == any Schedule {
  /// All schedules.
  static let schedules = MethodTable(rows: [
    Row(ConstantSchedule.type) { _ in ConstantSchedule() },
    Row(StepSchedule.type) { fields throws(SpecError) in try StepSchedule(fields) },
    Row(CosineSchedule.type) { fields throws(SpecError) in try CosineSchedule(fields) },
  ])
}

/// A schedule with its warmup: what `schedule` in a job says.
struct ScheduleSpec: Sendable {
  let schedule: any Schedule
  /// Steps when >= 1, a fraction of all steps when < 1.
  let warmup: Double

  init(_ fields: FieldReader) throws(SpecError) {
    warmup = try fields.number("warmup", .notNegative, default: 0)
    guard warmup < 1 || (warmup == warmup.rounded() && warmup <= 1e9) else {
      throw fields.error("warmup", must: "a fraction of all steps below 1, or a whole number of steps")
    }
    schedule = try fields.method(.schedules, default: ConstantSchedule.type)
  }

  var encoded: JSONObject {
    var object = schedule.encoded
    object["warmup"] = .number(warmup)
    return object
  }

  /// Number of warmup steps in a run of `total` steps; a fraction is rounded up.
  func warmupSteps(total: Int) -> Int {
    warmup < 1 ? Int((warmup * Double(total)).rounded(.up)) : Int(warmup)
  }

  /// The learning rate of optimizer step `t` of `total`. During the W steps of warmup it is base * (t+1) / W,
  /// so no step is wasted at zero; then the schedule begins at its own step 0.
  func rate(_ t: Int, base: Double, total: Int) -> Double {
    let warmup = warmupSteps(total: total)
    if t < warmup { return base * Double(t + 1) / Double(warmup) }
    return schedule.rate(t - warmup, base: base, steps: max(1, total - warmup))
  }
}
