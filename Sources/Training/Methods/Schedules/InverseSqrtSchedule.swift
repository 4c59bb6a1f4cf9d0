import JSON

/// base * sqrt(timescale / (t + timescale)), t counted from the end of the warmup, whose length is the default of
/// `timescale` (10000 without one). Hugging Face: get_inverse_sqrt_schedule, after the warmup.
struct InverseSqrtSchedule: Schedule {
  static let type = "inverse_sqrt"

  let timescale: Int?

  init(_ fields: FieldReader) throws(SpecError) {
    timescale = try fields.integerOrNone("timescale", 1...1_000_000_000)
  }

  var encoded: JSONObject { ["type": .string(Self.type), "timescale": timescale.map { JSON($0) } ?? .null] }

  func rate(_ t: Int, base: Double, _ length: ScheduleLength) -> Double {
    let scale = Double(timescale ?? (length.warmup > 0 ? length.warmup : 10_000))
    return base / ((Double(t) + scale) / scale).squareRoot()
  }
}
