import JSON

/// `train.early_stopping`: end the run when a metric has stopped getting better, and go back to its best parameters.
/// Keras: EarlyStopping; judged at every evaluation that `train.evaluate_every` asks for.
struct EarlyStoppingSpec: Sendable {
  let watch: Watch
  /// Evaluations in a row without improvement after which the run ends.
  let patience: Int
  /// An improvement is more than this.
  let minDelta: Double
  let restoreBest: Bool

  init(_ fields: FieldReader) throws(SpecError) {
    watch = try Watch(fields)
    patience = try fields.integer("patience", 0...1_000_000, default: 3)
    minDelta = try fields.number("min_delta", .notNegative, default: 0)
    restoreBest = try fields.bool("restore_best", default: true)
    try fields.finish("early_stopping")
  }

  var encoded: JSON {
    [
      "metric": .string(watch.metric), "mode": watch.larger ? "max" : "min", "patience": JSON(patience),
      "min_delta": .number(minDelta), "restore_best": .bool(restoreBest),
    ]
  }
}

/// What early stopping has seen so far.
struct EarlyStoppingState: Sendable, Equatable {
  private(set) var best: Double?
  /// The step of the best evaluation.
  private(set) var bestStep = 0
  private(set) var bad = 0
  /// Whether the run is to end.
  private(set) var isOver = false

  init() {}

  /// Takes note of an evaluation and tells whether it is the best so far; what is not a number is not.
  mutating func add(_ value: Double, step: Int, _ spec: EarlyStoppingSpec) -> Bool {
    let isBest =
      best.map { spec.watch.larger ? value > $0 + spec.minDelta : value < $0 - spec.minDelta } ?? !value.isNaN
    if isBest {
      (best, bestStep, bad) = (value, step, 0)
    } else {
      bad += 1
      isOver = bad >= spec.patience
    }
    return isBest
  }

  var encoded: JSON {
    [
      "best": best.map { JSON($0) } ?? .null, "best_step": JSON(bestStep), "bad": JSON(bad),
      "is_over": .bool(isOver),
    ]
  }

  /// Nil when the JSON is not what `encoded` gives.
  init?(_ json: JSON) {
    guard let step = json["best_step"]?.intValue, let bad = json["bad"]?.intValue,
      let isOver = json["is_over"]?.boolValue
    else { return nil }
    (best, bestStep, self.bad, self.isOver) = (json["best"]?.doubleValue, step, bad, isOver)
  }
}
