import JSON

/// Keeps the model at the end of each of the schedule's cycles, or every `every` steps, as members of an ensemble
/// (Huang et al. 2017); their checkpoints stay.
struct Snapshots: Average {
  static let type = "snapshots"

  let every: Int?

  init(_ fields: FieldReader) throws(SpecError) {
    every = try fields.integerOrNone("every", 1...1_000_000_000)
  }

  var encoded: JSONObject { ["type": .string(Self.type), "every": every.map { JSON($0) } ?? .null] }

  var averages: Bool { false }

  func isSnapshot(_ place: RunPlace, _ schedule: ScheduleSpec) -> Bool {
    if let every { return place.done % every == 0 }
    return schedule.endsCycle(after: place.done, total: place.totalSteps) ?? false
  }
}
