import JSON

/// The rate is multiplied by `factor` when a metric has not got better for more than `patience` evaluations.
/// PyTorch: ReduceLROnPlateau, stepped with every evaluation that `train.evaluate_every` asks for.
struct PlateauSchedule: Schedule {
  static let type = "plateau"

  let watch: Watch
  let factor: Double
  let patience: Int
  let threshold: Double
  let isRelative: Bool
  let cooldown: Int
  let minRate: Double
  let eps: Double

  init(_ fields: FieldReader) throws(SpecError) {
    watch = try Watch(fields)
    factor = try fields.number("factor", .fraction, default: 0.1)
    patience = try fields.integer("patience", 0...1_000_000, default: 10)
    threshold = try fields.number("threshold", .notNegative, default: 1e-4)
    isRelative = try fields.choice("threshold_mode", ["rel", "abs"], default: "rel") == "rel"
    cooldown = try fields.integer("cooldown", 0...1_000_000, default: 0)
    minRate = try fields.number("min_lr", .notNegative, default: 0)
    eps = try fields.number("eps", .notNegative, default: 1e-8)
  }

  var encoded: JSONObject {
    [
      "type": .string(Self.type), "metric": .string(watch.metric), "mode": watch.larger ? "max" : "min",
      "factor": .number(factor), "patience": JSON(patience), "threshold": .number(threshold),
      "threshold_mode": isRelative ? "rel" : "abs", "cooldown": JSON(cooldown), "min_lr": .number(minRate),
      "eps": .number(eps),
    ]
  }

  func rate(_ t: Int, base: Double, _ length: ScheduleLength) -> Double { base }
}

/// What a plateau schedule has seen so far.
struct PlateauState: Sendable, Equatable {
  /// The base rate as it is now.
  var rate: Double
  private(set) var best: Double?
  private(set) var bad = 0
  private(set) var cooldown = 0

  init(rate: Double) { self.rate = rate }

  /// Takes note of an evaluation; what is not a number is not better.
  mutating func add(_ value: Double, _ spec: PlateauSchedule) {
    if isBetter(value, spec) {
      best = value
      bad = 0
    } else {
      bad += 1
    }
    if cooldown > 0 {
      cooldown -= 1
      bad = 0
    }
    guard bad > spec.patience else { return }
    let lower = max(rate * spec.factor, spec.minRate)
    if rate - lower > spec.eps { rate = lower }
    cooldown = spec.cooldown
    bad = 0
  }

  private func isBetter(_ value: Double, _ spec: PlateauSchedule) -> Bool {
    guard let best else { return !value.isNaN }
    let (sign, margin) = (spec.watch.larger ? 1.0 : -1.0, spec.threshold)
    let bar = spec.isRelative ? best * (1 + sign * margin) : best + sign * margin
    return spec.watch.larger ? value > bar : value < bar
  }

  var encoded: JSON {
    [
      "rate": .number(rate), "best": best.map { JSON($0) } ?? .null, "bad": JSON(bad),
      "cooldown": JSON(cooldown),
    ]
  }

  /// Nil when the JSON is not what `encoded` gives.
  init?(_ json: JSON) {
    guard let rate = json["rate"]?.doubleValue, let bad = json["bad"]?.intValue,
      let cooldown = json["cooldown"]?.intValue
    else { return nil }
    (self.rate, best, self.bad, self.cooldown) = (rate, json["best"]?.doubleValue, bad, cooldown)
  }
}

/// A metric that decides something while a run goes on.
struct Watch: Sendable, Equatable {
  /// `train/loss` is the mean over the batches since the last evaluation.
  static let metrics = ["val/loss", "val/accuracy", "train/loss"]

  let metric: String
  /// Whether a larger one is better.
  let larger: Bool

  init(_ fields: FieldReader) throws(SpecError) {
    metric = try fields.choice("metric", Self.metrics, default: "val/loss")
    larger =
      try fields.choice("mode", ["min", "max"], default: metric == "val/accuracy" ? "max" : "min") == "max"
  }
}
