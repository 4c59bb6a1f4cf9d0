import JSON

/// The plain mean of the parameters at `start` and then every `every` steps (Izmailov et al. 2018). `start` is a step, or
/// a fraction of all steps where it is below 1; `every` is an epoch where it is null. PyTorch: AveragedModel.
struct StochasticAverage: Average {
  static let type = "swa"

  let start: Double
  let every: Int?

  init(_ fields: FieldReader) throws(SpecError) {
    start = try fields.number("start", .notNegative, default: 0.75)
    guard start < 1 || (start == start.rounded() && start <= 1e9) else {
      throw fields.error("start", must: "a fraction of all steps below 1, or a whole number of steps")
    }
    every = try fields.integerOrNone("every", 1...1_000_000_000)
  }

  var encoded: JSONObject {
    ["type": .string(Self.type), "start": .number(start), "every": every.map { JSON($0) } ?? .null]
  }

  var averages: Bool { true }

  var recomputesStatistics: Bool { true }

  func share(_ place: RunPlace, count: Int) -> Double? {
    let first = max(1, start < 1 ? Int((start * Double(place.totalSteps)).rounded(.up)) : Int(start))
    guard place.done >= first, (place.done - first) % (every ?? place.stepsPerEpoch) == 0 else { return nil }
    return 1 / Double(count + 1)
  }
}
