import JSON

/// `checkpoint` in a job: when the state of a run is kept, and which of those states stay.
struct CheckpointSpec: Sendable {
  /// `.epochs(0)` and `.steps(0)`: only at the end.
  let every: Cadence
  /// The newest so many stay.
  let keepLast: Int
  /// So many of the best by `metric` stay.
  let keepBest: Int
  let metric: String
  /// Whether a larger `metric` is better.
  let larger: Bool

  init(_ fields: FieldReader, _ task: DatasetTask) throws(SpecError) {
    let epochs = try fields.integerOrNone("every_epochs", 0...1_000_000)
    let steps = try fields.integerOrNone("every_steps", 0...TrainSpec.maxSteps)
    switch (epochs, steps) {
    case (.some, .some): throw fields.error("every_steps", must: "left out when every_epochs is given")
    case (nil, .some(let steps)): every = .steps(steps)
    case (let epochs, nil): every = .epochs(epochs ?? 1)
    }
    keepLast = try fields.integer("keep_last", 1...1000, default: 2)
    keepBest = try fields.integer("keep_best", 0...1000, default: 1)
    let metrics = task == .classification ? ["val/loss", "val/accuracy"] : ["val/loss"]
    metric = try fields.choice("metric", metrics, default: "val/loss")
    larger =
      try fields.choice("mode", ["min", "max"], default: metric == "val/accuracy" ? "max" : "min") == "max"
    try fields.finish("checkpoint")
  }

  var encoded: JSON {
    var epochs = JSON.null
    var steps = JSON.null
    switch every {
    case .epochs(let count): epochs = JSON(count)
    case .steps(let count): steps = JSON(count)
    }
    return [
      "every_epochs": epochs, "every_steps": steps, "keep_last": JSON(keepLast), "keep_best": JSON(keepBest),
      "metric": .string(metric), "mode": larger ? "max" : "min",
    ]
  }
}
