import JSON

/// After every step the average comes nearer to the parameters by the share 1 - `decay`; the first step's parameters
/// are its beginning (Polyak, Juditsky 1992). PyTorch: AveragedModel with get_ema_multi_avg_fn.
struct ExponentialAverage: Average {
  static let type = "ema"

  let decay: Double

  init(_ fields: FieldReader) throws(SpecError) {
    decay = try fields.number("decay", .share, default: 0.999)
  }

  var encoded: JSONObject { ["type": .string(Self.type), "decay": .number(decay)] }

  var averages: Bool { true }

  func share(_ place: RunPlace, count: Int) -> Double? { count == 0 ? 1 : 1 - decay }
}
