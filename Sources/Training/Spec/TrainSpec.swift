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
  /// Batches whose gradients make one update: an update takes `accumulate` * `batch_size` examples.
  let accumulate: Int
  /// Copies of the model that share a batch.
  let replicas: Int
  /// Parts that the layers are dealt out to, one after the other, which work at the same time (pipeline).
  let stages: Int
  /// Parts that each replica's share of a batch goes through the stages in.
  let microBatches: Int
  /// The learning rate is for updates of so many examples, and grows with their true number.
  let rateBase: Int?
  let clipGradNorm: Double?
  let clipGradValue: Double?
  let earlyStopping: EarlyStoppingSpec?
  /// Where all that is frozen begins to be trained, unless a layer says so itself.
  let unfreezeAt: Double?
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
    accumulate = try fields.integer("accumulate", 1...4096, default: 1)
    replicas = try fields.integer("replicas", 1...256, default: 1)
    guard replicas <= batchSize else {
      throw fields.error("replicas", must: "at most train.batch_size, which is \(batchSize)")
    }
    stages = try fields.integer("stages", 1...ModelSpec.maxLayers, default: 1)
    microBatches = try fields.integer("micro_batches", 1...4096, default: 1)
    guard microBatches <= batchSize / replicas else {
      let whole = replicas > 1 ? "train.batch_size / train.replicas" : "train.batch_size"
      throw fields.error("micro_batches", must: "at most \(whole), which is \(batchSize / replicas)")
    }
    rateBase = try fields.objectOrNone("scale_lr_with_batch").map { fields throws(SpecError) in
      let base = try fields.integer("base", 1...1_000_000_000, default: 256)
      try fields.finish("scale_lr_with_batch")
      return base
    }
    clipGradNorm = try fields.numberOrNone("clip_grad_norm", .positive)
    clipGradValue = try fields.numberOrNone("clip_grad_value", .positive)
    earlyStopping = try fields.objectOrNone("early_stopping").map { fields throws(SpecError) in
      try EarlyStoppingSpec(fields)
    }
    unfreezeAt = try LayerTraining.unfreezeAt(fields)
    threads = try fields.integerOrNone("threads", 1...256)
    logEvery = try fields.integer("log_every", 1...Self.maxSteps, default: 1)
    evaluateEvery = try Self.cadence(fields.object("evaluate_every"))
    try fields.finish("train")
  }

  /// Whether an update's gradients are a sum over parts of its examples.
  var hasParts: Bool { partsPerUpdate > 1 }

  /// How many parts a full update's examples are computed in.
  var partsPerUpdate: Int { accumulate * replicas * microBatches }

  /// What the learning rate is multiplied with for the size of an update (Goyal et al. 2017).
  var rateScale: Double { rateBase.map { Double(batchSize * accumulate) / Double($0) } ?? 1 }

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
      "accumulate": JSON(accumulate), "replicas": JSON(replicas), "stages": JSON(stages),
      "micro_batches": JSON(microBatches),
      "scale_lr_with_batch": rateBase.map { ["base": JSON($0)] } ?? .null,
      "clip_grad_norm": clipGradNorm.map { .number($0) } ?? .null,
      "clip_grad_value": clipGradValue.map { .number($0) } ?? .null,
      "early_stopping": earlyStopping?.encoded ?? .null,
      "unfreeze_at": unfreezeAt.map { .number($0) } ?? .null, "threads": threads.map { JSON($0) } ?? .null,
      "log_every": JSON(logEvery), "evaluate_every": evaluate,
    ]
  }
}
