import JSON

/// A straight line between two multiples of the base rate in `total_iters` steps, then flat; with `total_iters` null in
/// all steps after the warmup. PyTorch: LinearLR.
struct LinearSchedule: Schedule {
  static let type = "linear"

  let start: Double
  let end: Double
  let length: Int?

  init(_ fields: FieldReader) throws(SpecError) {
    start = try fields.number("start_factor", .positiveShare, default: 1.0 / 3)
    end = try fields.number("end_factor", .share, default: 1)
    length = try fields.integerOrNone("total_iters", 1...1_000_000_000, default: 5)
  }

  var encoded: JSONObject {
    [
      "type": .string(Self.type), "start_factor": .number(start), "end_factor": .number(end),
      "total_iters": length.map { JSON($0) } ?? .null,
    ]
  }

  func rate(_ t: Int, base: Double, _ length: ScheduleLength) -> Double {
    let total = self.length ?? length.steps
    return base * (start + (end - start) * Double(min(t, total)) / Double(total))
  }
}
