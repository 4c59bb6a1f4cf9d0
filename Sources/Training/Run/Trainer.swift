// The loop: next batch, forward and backward, clip, update, record, evaluate, checkpoint.

import Autodiff
import Glibc
import JSON

/// Carries out a job.
public struct Trainer: Sendable {
  private let plan: JobPlan
  /// The loops to compute with, when not those of this processor.
  private let kernels: KernelTable?

  /// A trainer for a checked job.
  public init(plan: JobPlan) {
    self.init(plan: plan, kernels: nil)
  }

  init(plan: JobPlan, kernels: KernelTable?) {
    self.plan = plan
    self.kernels = kernels
  }

  /// Trains from the first step, or goes on from a checkpoint of the same job, and returns when the job is done or
  /// `control` asks for it. Curves and checkpoints have the same bits for any number of threads, and whether the
  /// run was interrupted or not. Throws when the loss is no longer finite, when the checkpoint does not fit, and
  /// what the recorder throws.
  public func run(
    from checkpoint: ByteSource? = nil, recorder: any RunRecorder, control: RunControl, threads: Int = 1
  ) throws(TrainingError) -> TrainingOutcome {
    do {
      guard plan.isForRunning else {
        throw TrainingError(step: nil, description: "the job was only checked, and its text was not read")
      }
      let kernels = try self.kernels ?? KernelTable.select()
      let network = try Network(plan, threads: plan.spec.train.threads ?? threads, kernels)
      let run = try TrainingRun(plan, network, from: checkpoint, recorder, control)
      return try run.train()
    } catch let error as TrainingError {
      throw error
    } catch {
      throw TrainingError(step: nil, description: "\(error)")
    }
  }
}

/// One run while it is going on.
private final class TrainingRun {
  let plan: JobPlan
  let spec: JobSpec
  let network: Network
  let recorder: any RunRecorder
  let control: RunControl
  let curves: Curves
  var batches: Batches
  let specText: String
  /// The learning rate that the schedule begins with.
  let baseRate: Double
  /// Whether the schedule moves the momentum as well.
  let movesMomentum: Bool

  /// Updates done.
  var done = 0
  var retention = Retention()
  var state = RunState()
  /// Metrics of the parameters as they are now; empty when they have not been evaluated.
  var metrics: [(key: String, value: Double)] = []
  /// The step of the checkpoint that holds the state as it is now.
  var savedStep: Int?
  /// The step of a checkpoint made on an interruption, to be deleted with the next one.
  var interimStep: Int?

  var lastProgress = -Double.infinity
  var speed = SpeedMeter()

  init(
    _ plan: JobPlan, _ network: Network, from checkpoint: ByteSource?, _ recorder: any RunRecorder,
    _ control: RunControl
  ) throws {
    self.plan = plan
    spec = plan.spec
    self.network = network
    self.recorder = recorder
    self.control = control
    curves = Curves(plan)
    batches = try Batches(plan)
    specText = spec.training.text
    let rate = spec.optimizer.learningRate * spec.train.rateScale
    if spec.schedule.plateau != nil { state.plateau = PlateauState(rate: rate) }
    if spec.train.earlyStopping != nil { state.stopping = EarlyStoppingState() }
    baseRate = rate
    let hasMomentum = spec.optimizer.method.momentum != nil
    movesMomentum = hasMomentum && spec.schedule.schedule.movesMomentum ?? true
    if let checkpoint { try restore(checkpoint) }
  }

  func train() throws -> TrainingOutcome {
    try recorder.begin(curves.all)
    speed.start()
    try recorder.log(done == 0 ? plan.summary : "going on from step \(done)")
    while done < plan.totalSteps, !isOver {
      if let request = control.pending { return try leave(request) }
      try step()
      try afterStep()
    }
    try testOnce()
    return .finished
  }

  /// Whether early stopping has ended the run.
  private var isOver: Bool { state.stopping?.isOver ?? false }

  private var place: RunPlace {
    RunPlace(done: done, stepsPerEpoch: plan.stepsPerEpoch, totalSteps: plan.totalSteps)
  }

  /// One update.
  private func step() throws {
    let step = done
    let rate = spec.schedule.rate(step, base: state.plateau?.rate ?? baseRate, total: plan.totalSteps)
    let momentum = movesMomentum ? spec.schedule.momentum(step, total: plan.totalSteps) : nil
    network.lookAhead(rate: rate, momentum: momentum)
    let isLogged = step % spec.train.logEvery == 0
    let batch = try network.forwardBackward(batches.rows(step: step), step: step, notesFired: isLogged)
    let squares = isLogged || spec.train.clipGradNorm != nil ? network.gradientSquares() : nil
    let norm = squares.map { $0.reduce(0, +).squareRoot() }
    guard batch.loss.isFinite, norm?.isFinite ?? true else {
      if isLogged {
        try record(
          step, batch, rate, squares ?? [], UpdateSizes(moved: [], before: network.parameterSquares()))
      }
      throw diverged(step, batch.loss)
    }
    let sizes = network.update(
      step: step, rate: rate, momentum: momentum, scale: clipScale(norm),
      clipValue: spec.train.clipGradValue, measuring: isLogged)
    if let squares, let sizes { try record(step, batch, rate, squares, sizes) }
    done += 1
    metrics = []
    state.recent = (state.recent.sum + batch.loss * Double(batch.count), state.recent.count + batch.count)
    if let share = spec.average?.share(place, count: state.averaged) {
      network.addToAverage(share: share)
      state.averaged += 1
    }
    speed.add(batch.count)
  }

  /// Evaluates, decides and keeps what is due after an update.
  private func afterStep() throws {
    let isLast = done == plan.totalSteps
    let isSnapshot = spec.average?.isSnapshot(place, spec.schedule) ?? false
    let isDue = spec.checkpoint.every.isDue(after: done, stepsPerEpoch: plan.stepsPerEpoch) || isSnapshot
    let isJudged =
      isLast || spec.train.evaluateEvery.isDue(after: done, stepsPerEpoch: plan.stepsPerEpoch)
    // A scheduled checkpoint is evaluated, so that "best" is said of its own parameters.
    if isDue || isJudged { try evaluate() }
    if isJudged { try judge() }
    if isSnapshot { state.snapshots.append(done) }
    if isLast || isOver { try goBackToBest() }
    if isLast || isDue || isOver { try save(interim: false) }
    // The speed is that of training: neither evaluations nor checkpoints count.
    if isDue || isJudged { speed.start() }
    try report(always: isLast || isOver)
  }

  /// Lets the methods that watch a metric see the newest one.
  private func judge() throws {
    func value(_ watch: Watch) -> Double {
      guard watch.metric == "train/loss" else {
        return metrics.first { $0.key == watch.metric }?.value ?? .nan
      }
      return state.recent.sum / Double(max(1, state.recent.count))
    }
    if let plateau = spec.schedule.plateau, let before = state.plateau?.rate {
      let newest = value(plateau.watch)
      state.plateau?.add(newest, plateau)
      if let rate = state.plateau?.rate, rate < before {
        try recorder.log(
          "step \(done): \(plateau.watch.metric) is on a plateau, the learning rate is now \(rate)")
      }
    }
    if let stopping = spec.train.earlyStopping {
      let newest = value(stopping.watch)
      if state.stopping?.add(newest, step: done, stopping) == true, stopping.restoreBest {
        network.keepBest()
        state.bestMetrics = metrics.map { RunState.Metric(key: $0.key, value: $0.value) }
      }
      if isOver {
        try recorder.log(
          "step \(done): stopping early, \(stopping.watch.metric) has not got better for \(stopping.patience) "
            + "evaluations")
      }
    }
    state.recent = (0, 0)
  }

  /// The end of a run with early stopping: the parameters of its best evaluation come back.
  private func goBackToBest() throws {
    guard spec.train.earlyStopping?.restoreBest == true, let stopping = state.stopping, stopping.best != nil,
      stopping.bestStep != done
    else { return }
    network.restoreBest()
    metrics = state.bestMetrics.map { ($0.key, $0.value) }
    try recorder.log("the parameters are those of step \(stopping.bestStep), the best evaluation")
  }

  /// The curves of a step.
  private func record(
    _ step: Int, _ batch: BatchResult, _ rate: Double, _ gradients: [Double], _ sizes: UpdateSizes
  ) throws {
    var values = [batch.loss]
    if curves.hasAccuracy {
      values.append(batch.accuracy)
    }
    values += [rate, Double(step / plan.stepsPerEpoch)]
    values += curves.norms.values(gradients: gradients, moved: sizes.moved, before: sizes.before)
    values += network.deadShares()
    try record(curves.steps, step, values)
  }

  /// What gradients are multiplied with to keep their norm, as PyTorch's clip_grad_norm_ does.
  private func clipScale(_ norm: Double?) -> Double {
    guard let limit = spec.train.clipGradNorm, let norm else { return 1 }
    return min(1, limit / (norm + 1e-6))
  }

  private func evaluate() throws {
    if state.averaged == 0 {
      network.addToAverage(share: 1)
      network.takeStatistics()
    } else {
      try network.recomputeStatistics()
    }
    let examplesPerSecond = speed.take()
    if let part = plan.split.validation {
      let result = network.evaluate(part)
      var values = [result.loss]
      if curves.hasAccuracy {
        values.append(result.accuracy)
      }
      metrics = Array(zip(curves.validation.keys, values)).map { (key: $0.0, value: $0.1) }
      try record(curves.validation, done, values)
      let text = metrics.map { "\($0.key) \(Display.short($0.value, digits: 4))" }.joined(separator: ", ")
      try recorder.log("step \(done), epoch \(done / plan.stepsPerEpoch): \(text)")
      guard result.loss.isFinite else { throw diverged(done, result.loss) }
    }
    try record(curves.speed, done, [examplesPerSecond])
  }

  /// The test part is looked at once, after everything has been decided.
  private func testOnce() throws {
    guard let part = plan.split.test else { return }
    let result = network.evaluate(part)
    var values = [result.loss]
    if curves.hasAccuracy {
      values.append(result.accuracy)
    }
    try record(curves.test, done, values)
  }

  private func record(_ table: CurveTable, _ step: Int, _ values: [Double]) throws {
    try recorder.record(table, step: Int64(step), timestamp: Clock.milliseconds, values: values)
  }

  private func report(always: Bool) throws {
    let now = Clock.seconds
    guard always || now - lastProgress >= 0.05 else { return }
    lastProgress = now
    try recorder.progress(step: done, epoch: done / plan.stepsPerEpoch)
  }

  // MARK: Ends and beginnings

  private func leave(_ request: RunControl.Request) throws -> TrainingOutcome {
    if request != .cancel, savedStep != done { try save(interim: true) }
    try report(always: true)
    switch request {
    case .pause: return .paused
    case .stop: return .stopped
    case .cancel: return .cancelled
    }
  }

  /// Keeps the state. An interim checkpoint leaves no trace in what later ones hold, so that an interrupted run
  /// ends with the same bits.
  private func save(interim: Bool) throws {
    if state.averaged == 0 {
      network.addToAverage(share: 1)
      network.takeStatistics()
    }
    if let name = network.firstNonFiniteParameter() {
      throw TrainingError(
        step: done - 1,
        description: "training diverged: the update of step \(done - 1) made \(name) not finite")
    }
    var isBest = false
    var deleting = interimStep.map { [$0] } ?? []
    if !interim {
      let metric = metrics.first { $0.key == spec.checkpoint.metric }?.value
      let change = retention.add(step: done, metric: metric, spec.checkpoint, pinned: state.snapshots)
      isBest = change.isBest
      deleting += change.deleting
    }
    let checkpoint = Checkpoint(
      step: done, epoch: done / plan.stepsPerEpoch, metrics: metrics, spec: specText, isInterim: interim,
      retention: retention, state: state)
    try recorder.checkpoint(
      TrainingCheckpoint(
        step: done, epoch: checkpoint.epoch, metrics: metrics, isBest: isBest,
        deleting: deleting.filter { $0 != done }, file: checkpoint.file(of: network.tensors())))
    interimStep = interim ? done : nil
    savedStep = done
  }

  private func restore(_ source: ByteSource) throws {
    let file = try Safetensors(source)
    let checkpoint = try Checkpoint(withoutTensorsOf: file)
    guard checkpoint.step <= plan.totalSteps else {
      throw TrainingError(
        step: nil,
        description:
          "the checkpoint is of step \(checkpoint.step), after the end of this job at \(plan.totalSteps)")
    }
    try network.restore(file)
    done = checkpoint.step
    if movesMomentum { network.recall(done) { spec.schedule.momentum($0, total: plan.totalSteps) } }
    retention = checkpoint.retention
    state = checkpoint.state
    if spec.schedule.plateau != nil, state.plateau == nil { state.plateau = PlateauState(rate: baseRate) }
    if spec.train.earlyStopping != nil, state.stopping == nil { state.stopping = EarlyStoppingState() }
    metrics = checkpoint.metrics
    savedStep = done
    interimStep = checkpoint.isInterim ? done : nil
  }

  private func diverged(_ step: Int, _ loss: Double) -> TrainingError {
    let what: String
    if let parameter = network.firstNonFiniteParameter() {
      what = "\(parameter), made so by the update of step \(step - 1)"
    } else if let value = network.firstNonFiniteValue() {
      what = "\(value), from finite parameters"
    } else if !loss.isFinite {
      what =
        "the loss itself, from finite parameters: the outputs have grown too large or the inputs are not finite"
    } else {
      what = network.firstNonFiniteGradient() ?? "the norm of the gradients"
    }
    return TrainingError(
      step: step,
      description:
        "training diverged at step \(step): the loss is \(loss.isNaN ? "NaN" : "\(loss)"); first not finite: \(what)"
    )
  }
}

/// Result of a batch or of a whole part.
struct BatchResult: Sendable {
  /// Mean over the examples.
  var loss: Double
  /// How many predictions there were: one for an example, or for each of its tokens that is predicted.
  var predictions = 0.0
  /// How many of them were right; of mixed examples each class counts its share.
  var correct: Double
  var count: Int

  /// Part of the predictions that were right.
  var accuracy: Double { correct / predictions }
}

/// The rows of each step's batch.
private struct Batches {
  let order: EpochOrder
  let batchSize: Int
  let stepsPerEpoch: Int
  var epoch = -1
  var rows: [Int32] = []

  init(_ plan: JobPlan) throws {
    order = EpochOrder(try plan.trainingPart(), shuffle: plan.spec.dataset.shuffle, seed: plan.spec.seed)
    batchSize = plan.updateSize
    stepsPerEpoch = plan.stepsPerEpoch
  }

  mutating func rows(step: Int) -> ArraySlice<Int32> {
    if step / stepsPerEpoch != epoch {
      epoch = step / stepsPerEpoch
      rows = order.order(epoch: epoch)
    }
    let first = step % stepsPerEpoch * batchSize
    return rows[first..<min(first + batchSize, rows.count)]
  }
}

/// The curves of a run, by when they get their points.
private struct Curves {
  let hasAccuracy: Bool
  let norms: NormCurves
  let steps: CurveTable
  let validation: CurveTable
  let speed: CurveTable
  let test: CurveTable

  var all: [CurveTable] { [steps, validation, speed, test] }

  init(_ plan: JobPlan) {
    let hasAccuracy = plan.dataset.info.task == .classification
    func quality(_ part: String) -> [String] { ["\(part)/loss"] + (hasAccuracy ? ["\(part)/accuracy"] : []) }
    self.hasAccuracy = hasAccuracy
    norms = NormCurves(plan.architecture)
    let dead = plan.architecture.layers.enumerated().filter { $1.layer.isRectifier }.map {
      "dead/\($0.offset)"
    }
    steps = CurveTable(index: 0, keys: quality("train") + ["lr", "epoch"] + norms.keys + dead)
    validation = CurveTable(index: 1, keys: quality("val"))
    speed = CurveTable(index: 2, keys: ["examples_per_second"])
    test = CurveTable(index: 3, keys: quality("test"))
  }
}

/// Training examples per second since the last evaluation, evaluations not counted.
private struct SpeedMeter {
  var examples = 0
  var since = Clock.seconds

  mutating func start() { since = Clock.seconds }

  mutating func add(_ count: Int) { examples += count }

  mutating func take() -> Double {
    defer { examples = 0 }
    return Double(examples) / max(Clock.seconds - since, 1e-9)
  }
}

enum Clock {
  /// Seconds of a clock that only goes forward.
  static var seconds: Double { read(CLOCK_MONOTONIC) }
  /// Milliseconds since 1970.
  static var milliseconds: Int64 { Int64(read(CLOCK_REALTIME) * 1000) }

  private static func read(_ clock: clockid_t) -> Double {
    var time = timespec()
    clock_gettime(clock, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
