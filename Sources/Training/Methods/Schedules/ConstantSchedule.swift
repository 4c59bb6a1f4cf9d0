import JSON

/// The learning rate stays as it is.
struct ConstantSchedule: Schedule {
  static let type = "constant"

  var encoded: JSONObject { ["type": .string(Self.type)] }

  func rate(_ t: Int, base: Double, _ length: ScheduleLength) -> Double { base }
}
