import Autodiff
import JSON

/// At every step the rate is multiplied by `gamma`. PyTorch: ExponentialLR.
struct ExponentialSchedule: Schedule {
  static let type = "exponential"

  let gamma: Double

  init(_ fields: FieldReader) throws(SpecError) {
    gamma = try fields.number("gamma", .positive)
  }

  var encoded: JSONObject { ["type": .string(Self.type), "gamma": .number(gamma)] }

  func rate(_ t: Int, base: Double, _ length: ScheduleLength) -> Double { base * ExactMath.pow(gamma, t) }
}
