import Autodiff
import JSON

/// At each of the milestones the rate is multiplied by `gamma`; one that is named twice counts twice.
/// PyTorch: MultiStepLR.
struct MultiStepSchedule: Schedule {
  static let type = "multi_step"

  let milestones: [Int]
  let gamma: Double

  init(_ fields: FieldReader) throws(SpecError) {
    milestones = try fields.integers("milestones", 0...1_000_000_000, count: 1...1000)
    gamma = try fields.number("gamma", .positive, default: 0.1)
  }

  var encoded: JSONObject {
    [
      "type": .string(Self.type), "milestones": .array(milestones.map { JSON($0) }), "gamma": .number(gamma),
    ]
  }

  func rate(_ t: Int, base: Double, _ length: ScheduleLength) -> Double {
    base * ExactMath.pow(gamma, milestones.count { $0 <= t })
  }
}
