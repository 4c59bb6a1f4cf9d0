import Autodiff
import JSON

/// base * (1 - t / total_iters)^power, then 0; with `total_iters` null it takes all steps after the warmup.
/// PyTorch: PolynomialLR.
struct PolynomialSchedule: Schedule {
  static let type = "polynomial"

  let length: Int?
  let power: Double

  init(_ fields: FieldReader) throws(SpecError) {
    length = try fields.integerOrNone("total_iters", 1...1_000_000_000, default: 5)
    power = try fields.number("power", .notNegative, default: 1)
  }

  var encoded: JSONObject {
    [
      "type": .string(Self.type), "total_iters": length.map { JSON($0) } ?? .null, "power": .number(power),
    ]
  }

  func rate(_ t: Int, base: Double, _ length: ScheduleLength) -> Double {
    let total = self.length ?? length.steps
    let left = 1 - Double(min(t, total)) / Double(total)
    guard left > 0 else { return power == 0 ? base : 0 }
    return base * (power == 1 ? left : ExactMath.pow(left, power))
  }
}
