// A job checked whole: everything that can be known before the first step is known here, and nothing has been
// computed or allocated for it.

import Autodiff
import JSON

/// A job that will run: its data cut, its model's shapes and its memory known.
public struct JobPlan: Sendable {
  /// What a job may use at most, when nobody says otherwise: 2 GiB.
  public static let defaultMemoryLimit = 2 << 30

  /// The full job.
  public let spec: JobSpec
  /// One row a layer.
  public let layers: [LayerSummary]
  /// How many numbers are trained.
  public let parameters: Int
  /// One row a stage of `train.stages`.
  public let stages: [StageSummary]
  /// Updates in an epoch.
  public let stepsPerEpoch: Int
  /// Updates in the whole run.
  public let totalSteps: Int
  /// Bytes of parameters, gradients, optimizer state and activations together.
  public let memoryBytes: Int

  let dataset: Dataset
  let split: Split
  let architecture: Architecture
  /// Where the layers are cut.
  let pipeline: Stages
  let programs: Programs
  /// Sizes of the micro-batches that are in the stages at the same time, for each share of a batch that there is.
  let inFlight: [[Int]]
  /// Examples of a full batch: `batch_size`, or the whole training part where that is smaller.
  let batchSize: Int
  /// Examples of a full update: `accumulate` batches, or the whole training part.
  let updateSize: Int
  /// How each parameter takes part.
  let training: [ParameterTraining]
  /// The tensors that do not begin as their initialization says: those of `model.init_from`.
  let initialTensors: [NamedTensor]

  /// What `dataset.boost_after` asks for; nil also where a checkpoint is only put to use.
  let boosting: Boosting?

  /// Gives the bytes of what a job begins from.
  public typealias CheckpointSource = @Sendable (InitFromSpec.Origin) throws -> ByteSource

  /// Checks a job against its data, a limit of memory and what it begins from; throws the first fault with the path of
  /// its field. A run that goes on from its own checkpoint does not begin: then `isResuming`, and `model.init_from` is
  /// not looked at. A plan that is not `forRunning` cannot be run: the tokens of its text were only counted.
  public static func make(
    _ spec: JobSpec, catalog: DatasetCatalog = .builtin, memoryLimit: Int = defaultMemoryLimit,
    checkpoints: CheckpointSource? = nil, isResuming: Bool = false, forRunning: Bool = true
  ) throws(SpecError) -> JobPlan {
    try JobPlan(
      spec, catalog, memoryLimit, isResuming ? nil : spec.model.initFrom, checkpoints, reads: forRunning)
  }

  private init(
    _ spec: JobSpec, _ catalog: DatasetCatalog, _ memoryLimit: Int, _ initFrom: InitFromSpec?,
    _ checkpoints: CheckpointSource?, reads: Bool
  ) throws(SpecError) {
    self.spec = spec
    let loaded: Dataset
    do { loaded = try catalog.load(spec.dataset.name) } catch {
      throw SpecError(field: "dataset.name", message: "dataset.name: \(error.reason)")
    }
    let read =
      try spec.dataset.text.map { text throws(SpecError) in
        try loaded.tokenized(text, limit: spec.dataset.limit, reads: reads)
      } ?? loaded
    let masks = spec.loss is MaskedLanguageLoss
    guard !masks || read.info.kind == .text else {
      throw SpecError(
        "loss.type", "is for text, but \(read.name) is a set of kind \(read.info.kind.rawValue)")
    }
    dataset = masks ? read.predictingTokens() : read
    guard spec.loss.task == dataset.info.task else {
      throw SpecError(
        "loss.type",
        "is for \(spec.loss.task.rawValue), but \(dataset.name) asks for \(dataset.info.task.rawValue)")
    }
    guard spec.dataset.standardize || dataset.missing == 0 else {
      throw SpecError(
        "dataset.standardize",
        "must be true for \(dataset.name): \(dataset.missing) of its values are missing and are taken to be the mean"
      )
    }
    split = try Split(dataset, spec.dataset, seed: spec.seed)
    for (path, watch) in spec.watches where split.validation == nil && watch.metric != "train/loss" {
      throw SpecError(
        "\(path).metric",
        "must be train/loss, as dataset.validation leaves nothing to evaluate, got \(watch.metric)")
    }
    for (index, augmentation) in spec.augment.enumerated() {
      guard dataset.info.kind != .text || augmentation is WeightNoise else {
        throw SpecError("augment.\(index).type", "is not for text")
      }
      try augmentation.check(dataset.inputShape, "augment.\(index)")
      if augmentation is any Mixing,
        let other = spec.augment[(index + 1)...].first(where: { !($0 is WeightNoise) })?.encoded["type"]?
          .stringValue
      {
        throw SpecError(
          "augment.\(index).type",
          "must come last and only once, as it mixes whole examples; \(other) comes after it")
      }
    }
    if spec.mixing != nil, spec.loss.classWeights != nil, spec.train.hasParts {
      // Each of the two losses would need another share of every part.
      throw SpecError(
        "loss.class_weights",
        "cannot be used together with mixup or cutmix where an update is computed in parts (train.accumulate, "
          + "replicas, micro_batches)")
    }
    try Self.checkClassWeights(spec, dataset)
    let arenas = Self.arenas(spec)
    architecture = try Architecture(
      spec.model, dataset, outputs: spec.loss.outputs(dataset), memoryLimit: memoryLimit, copies: arenas)
    try Self.checkTokens(architecture, spec, dataset, split)
    layers = architecture.summaries
    parameters = layers.reduce(0) { $0 + $1.parameters }
    guard parameters > 0 else { throw SpecError("model.layers", "have nothing to train") }
    guard spec.train.stages <= layers.count else {
      throw SpecError(
        "train.stages",
        "must be at most the number of the model's layers, which is \(layers.count), got \(spec.train.stages)"
      )
    }
    pipeline = Stages(architecture, count: spec.train.stages)
    stages = pipeline.summaries(layers)

    if let initFrom {
      initialTensors = try initFrom.chosen(
        from: Self.source(initFrom, checkpoints), for: architecture.parameters + architecture.buffers)
    } else {
      initialTensors = []
    }

    boosting = try checkpoints.map { source throws(SpecError) in try Boosting(spec, catalog, source) } ?? nil

    let train = spec.train
    batchSize = min(train.batchSize, split.train.count)
    updateSize = min(train.batchSize * train.accumulate, split.train.count)
    let rest = split.train.count % updateSize
    stepsPerEpoch = split.train.count / updateSize + (rest > 0 && !train.dropLast ? 1 : 0)
    switch train.length {
    case .steps(let steps): totalSteps = steps
    case .epochs(let epochs):
      let (steps, overflow) = epochs.multipliedReportingOverflow(by: stepsPerEpoch)
      guard !overflow, steps <= TrainSpec.maxSteps else {
        throw SpecError("train.epochs", "makes more than \(TrainSpec.maxSteps) steps")
      }
      totalSteps = steps
    }
    training = ParameterTraining.all(architecture, spec, totalSteps: totalSteps)
    guard training.contains(where: { $0.firstStep == 0 }) else {
      throw SpecError("model", "has nothing to train: all of its parameters are frozen")
    }
    guard Set(training.map(\.group)).count <= ParameterPasses.groupLimit else {
      throw SpecError(
        "model.layers",
        "have more than \(ParameterPasses.groupLimit / 2) different pairs of lr_scale and unfreeze_at")
    }
    let hasShortUpdate = rest > 0 && !train.dropLast && totalSteps >= stepsPerEpoch
    let updates = [updateSize] + (hasShortUpdate ? [rest] : [])
    let size = batchSize
    let shards = updates.flatMap { Shard.all(of: $0, batchSize: size, train) }
    programs = try Programs(
      architecture, spec, dataset, split, batches: Set(shards.flatMap(\.microBatches)), training,
      totalSteps: totalSteps)
    inFlight = train.stages > 1 ? shards.map(\.microBatches) : []
    memoryBytes =
      programs.memoryBytes(arenas: arenas, buffers: Self.bufferArenas(spec), inFlight: inFlight)
      + (spec.mixing == nil ? 0 : batchSize * architecture.inputBytes)
      + initialTensors.reduce(0) { $0 + $1.bytes }
    guard memoryBytes <= memoryLimit else {
      throw SpecError(
        "train.batch_size",
        "of \(batchSize) makes the job need \(memoryBytes >> 20) MiB, more than the \(memoryLimit >> 20) MiB it may use"
      )
    }
  }

  /// The model in the checkpoint that a job begins from.
  private static func source(_ initFrom: InitFromSpec, _ checkpoints: CheckpointSource?) throws(SpecError)
    -> [NamedTensor]
  {
    guard let checkpoints else {
      throw SpecError("model.init_from", "cannot be used here, where there are no other runs")
    }
    do { return try initFrom.tensors(of: try checkpoints(initFrom.origin)) } catch {
      throw SpecError("model.init_from", "cannot be read: \(error)")
    }
  }

  /// How many arenas of all parameters' size a job needs: parameters, gradients, slots, and what some methods keep.
  private static func arenas(_ spec: JobSpec) -> Int {
    let averages = spec.average?.averages == true ? 1 : 0
    let best = spec.train.earlyStopping?.restoreBest == true ? 1 + averages : 0
    let sums = spec.train.hasParts ? 1 : 0
    let noise = spec.weightNoise > 0 ? 1 : 0
    return 2 + spec.optimizer.slots.count + averages + best + sums + noise
  }

  /// How many arenas of running statistics a job needs: its own, and those that some methods keep.
  private static func bufferArenas(_ spec: JobSpec) -> Int {
    let models = spec.average?.recomputesStatistics == true ? 2 : 1
    let copies = spec.train.earlyStopping?.restoreBest == true ? 2 : 1
    return models * copies + (spec.train.replicas > 1 ? 1 : 0)
  }

  /// Whether its data can be read, so that it can run.
  var isForRunning: Bool { (dataset.pool.tokens ?? dataset.pool.tokenRows)?.isRead ?? true }

  /// How the examples of an update of `count` are computed.
  func shards(of count: Int) -> [Shard] { Shard.all(of: count, batchSize: batchSize, spec.train) }

  /// What hides tokens, where they are to be predicted.
  var masking: TokenMasking? {
    guard let loss = spec.loss as? MaskedLanguageLoss, let tokenizer = dataset.tokenizer,
      let mask = tokenizer.number(.mask)
    else { return nil }
    return TokenMasking(
      p: loss.p, seed: spec.seed, ordinary: tokenizer.ordinaryCount, mask: mask,
      padding: tokenizer.number(.padding) ?? -1)
  }

  /// One line for the run's log.
  var summary: String {
    let parts = [("validating on", split.validation), ("testing on", split.test)].compactMap { what, part in
      part.map { ", \(what) \($0.count)" }
    }
    return
      "training on \(split.train.count) examples of \(dataset.name)\(parts.joined()); \(parameters) parameters, "
      + "\(stepsPerEpoch) steps an epoch, \(totalSteps) steps"
  }
}
