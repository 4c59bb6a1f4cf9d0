// Learning-rate schedules: pure functions of the optimizer's step, one file each. `Warmup` comes before any.
//
// `t` counts optimizer steps from 0, also for schedules that PyTorch users often step once an epoch: a
// `step_size` of 100 is 100 updates. References: PyTorch's torch.optim.lr_scheduler in closed form. The one that looks
// at the run, `plateau`, keeps its state in `PlateauState`.

import JSON

/// How long a schedule has.
struct ScheduleLength: Sendable {
  /// Steps of the run after the warmup.
  let steps: Int
  /// Steps of the warmup.
  var warmup = 0
}

/// How the learning rate goes with the steps.
protocol Schedule: Sendable {
  /// All fields with their values, `type` first.
  var encoded: JSONObject { get }

  /// The learning rate of the schedule's step `t` (from 0, after the warmup) when `base` is the optimizer's.
  func rate(_ t: Int, base: Double, _ length: ScheduleLength) -> Double

  /// The momentum, or the first beta, at step `t` where the schedule moves it as well.
  func momentum(_ t: Int, _ length: ScheduleLength) -> Double?

  /// Whether the schedule asks to move the momentum; nil where that depends on whether there is one.
  var movesMomentum: Bool? { get }

  /// Whether a cycle ends with `t` steps done; nil for schedules without cycles.
  func endsCycle(after t: Int) -> Bool?
}

extension Schedule {
  func momentum(_ t: Int, _ length: ScheduleLength) -> Double? { nil }

  var movesMomentum: Bool? { false }

  func endsCycle(after t: Int) -> Bool? { nil }
}

extension MethodTable where Method == any Schedule {
  /// All schedules.
  static let schedules = MethodTable(rows: [
    Row(ConstantSchedule.type) { fields throws(SpecError) in try ConstantSchedule(fields) },
    Row(StepSchedule.type) { fields throws(SpecError) in try StepSchedule(fields) },
    Row(MultiStepSchedule.type) { fields throws(SpecError) in try MultiStepSchedule(fields) },
    Row(ExponentialSchedule.type) { fields throws(SpecError) in try ExponentialSchedule(fields) },
    Row(LinearSchedule.type) { fields throws(SpecError) in try LinearSchedule(fields) },
    Row(CosineSchedule.type) { fields throws(SpecError) in try CosineSchedule(fields) },
    Row(CosineRestartsSchedule.type) { fields throws(SpecError) in try CosineRestartsSchedule(fields) },
    Row(OneCycleSchedule.type) { fields throws(SpecError) in try OneCycleSchedule(fields) },
    Row(CyclicSchedule.type) { fields throws(SpecError) in try CyclicSchedule(fields) },
    Row(PolynomialSchedule.type) { fields throws(SpecError) in try PolynomialSchedule(fields) },
    Row(InverseSqrtSchedule.type) { fields throws(SpecError) in try InverseSqrtSchedule(fields) },
    Row(PlateauSchedule.type) { fields throws(SpecError) in try PlateauSchedule(fields) },
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

  /// What lowers the rate when nothing gets better.
  var plateau: PlateauSchedule? { schedule as? PlateauSchedule }

  /// Number of warmup steps in a run of `total` steps; a fraction is rounded up.
  func warmupSteps(total: Int) -> Int {
    warmup < 1 ? Int((warmup * Double(total)).rounded(.up)) : Int(warmup)
  }

  /// The learning rate of optimizer step `t` of `total`. During the W steps of warmup it is base * (t+1) / W,
  /// so no step is wasted at zero; then the schedule begins at its own step 0.
  func rate(_ t: Int, base: Double, total: Int) -> Double {
    let warmup = warmupSteps(total: total)
    if t < warmup { return base * Double(t + 1) / Double(warmup) }
    return schedule.rate(t - warmup, base: base, length(total))
  }

  /// The momentum of optimizer step `t`, where the schedule moves it; in the warmup that of its first step.
  func momentum(_ t: Int, total: Int) -> Double? {
    schedule.momentum(max(0, t - warmupSteps(total: total)), length(total))
  }

  /// The momentum that a schedule begins with which moves it. An optimizer without any then gets it, as in PyTorch,
  /// where such a schedule writes the momentum of every group.
  var firstMomentum: Double? {
    schedule.movesMomentum ?? true ? schedule.momentum(0, ScheduleLength(steps: 1000)) : nil
  }

  /// Whether a cycle of the schedule ends with `done` updates; nil for schedules without cycles.
  func endsCycle(after done: Int, total: Int) -> Bool? {
    schedule.endsCycle(after: done - warmupSteps(total: total))
  }

  private func length(_ total: Int) -> ScheduleLength {
    let warmup = warmupSteps(total: total)
    return ScheduleLength(steps: max(1, total - warmup), warmup: warmup)
  }
}
