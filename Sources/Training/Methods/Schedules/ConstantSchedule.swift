import JSON

/// The learning rate stays as it is; with a `factor` the first `total_iters` steps have that part of it. PyTorch:
/// ConstantLR, whose factor is a third.
struct ConstantSchedule: Schedule {
  static let type = "constant"

  let factor: Double
  let length: Int

  init(_ fields: FieldReader) throws(SpecError) {
    factor = try fields.number("factor", .share, default: 1)
    length = try fields.integer("total_iters", 0...1_000_000_000, default: 5)
  }

  var encoded: JSONObject {
    ["type": .string(Self.type), "factor": .number(factor), "total_iters": JSON(length)]
  }

  func rate(_ t: Int, base: Double, _ length: ScheduleLength) -> Double {
    t < self.length ? base * factor : base
  }
}
