import JSON

/// How long a run is.
enum RunLength: Sendable, Equatable {
  case epochs(Int)
  case steps(Int)
}

/// How often something is done; `.steps(0)` is never by itself.
enum Cadence: Sendable, Equatable {
  case epochs(Int)
  case steps(Int)

  /// Whether it is due after `done` updates, when an epoch has `stepsPerEpoch`.
  func isDue(after done: Int, stepsPerEpoch: Int) -> Bool {
    let period: Int
    switch self {
    case .epochs(let count): period = count * stepsPerEpoch
    case .steps(let count): period = count
    }
    return period > 0 && done > 0 && done % period == 0
  }
}

/// `train` in a job: how long, in which batches, and how often what is written down.
struct TrainSpec: Sendable {
  let length: RunLength
  let batchSize: Int
  /// Leave out the last, short batch of an epoch.
  let dropLast: Bool
  let clipGradNorm: Double?
  let clipGradValue: Double?
  /// Threads to compute with; the server's choice when not given. Never changes a result.
  let threads: Int?
  /// Curves of the training batches get a point every so many steps.
  let logEvery: Int
  let evaluateEvery: Cadence

  static let maxSteps = 1_000_000_000

  init(_ fields: FieldReader) throws(SpecError) {
    let epochs = try fields.integerOrNone("epochs", 1...1_000_000)
    let steps = try fields.integerOrNone("steps", 1...Self.maxSteps)
    switch (epochs, steps) {
    case (.some, .some): throw fields.error("steps", must: "left out when train.epochs is given")
    case (nil, .some(let steps)): length = .steps(steps)
    case (let epochs, nil): length = .epochs(epochs ?? 10)
    }
    batchSize = try fields.integer("batch_size", 1...1_048_576, default: 32)
    dropLast = try fields.bool("drop_last", default: false)
    clipGradNorm = try fields.numberOrNone("clip_grad_norm", .positive)
    clipGradValue = try fields.numberOrNone("clip_grad_value", .positive)
    threads = try fields.integerOrNone("threads", 1...256)
    logEvery = try fields.integer("log_every", 1...Self.maxSteps, default: 1)
    evaluateEvery = try Self.cadence(fields.object("evaluate_every"))
    try fields.finish("train")
  }

  private static func cadence(_ fields: FieldReader) throws(SpecError) -> Cadence {
    let epochs = try fields.integerOrNone("epochs", 1...1_000_000)
    let steps = try fields.integerOrNone("steps", 1...maxSteps)
    try fields.finish("evaluate_every")
    switch (epochs, steps) {
    case (.some, .some): throw fields.error("steps", must: "left out when epochs is given")
    case (nil, .some(let steps)): return .steps(steps)
    case (let epochs, nil): return .epochs(epochs ?? 1)
    }
  }

  var encoded: JSON {
    var epochs = JSON.null
    var steps = JSON.null
    switch length {
    case .epochs(let count): epochs = JSON(count)
    case .steps(let count): steps = JSON(count)
    }
    let evaluate: JSON
    switch evaluateEvery {
    case .epochs(let count): evaluate = ["epochs": JSON(count)]
    case .steps(let count): evaluate = ["steps": JSON(count)]
    }
    return [
      "epochs": epochs, "steps": steps, "batch_size": JSON(batchSize), "drop_last": .bool(dropLast),
      "clip_grad_norm": clipGradNorm.map { .number($0) } ?? .null,
      "clip_grad_value": clipGradValue.map { .number($0) } ?? .null,
      "threads": threads.map { JSON($0) } ?? .null, "log_every": JSON(logEvery), "evaluate_every": evaluate,
    ]
  }
}
