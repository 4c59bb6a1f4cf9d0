import Autodiff
import JSON

/// Every `step_size` optimizer steps the rate is multiplied by `gamma`. PyTorch: StepLR.
struct StepSchedule: Schedule {
  static let type = "step"

  let stepSize: Int
  let gamma: Double

  init(_ fields: FieldReader) throws(SpecError) {
    stepSize = try fields.integer("step_size", 1...1_000_000_000)
    gamma = try fields.number("gamma", .positive, default: 0.1)
  }

  var encoded: JSONObject {
    ["type": .string(Self.type), "step_size": JSON(stepSize), "gamma": .number(gamma)]
  }

  func rate(_ t: Int, base: Double, _ length: ScheduleLength) -> Double {
    base * ExactMath.pow(gamma, t / stepSize)
  }
}
