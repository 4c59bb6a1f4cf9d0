// The model in memory: parameters, gradients and the optimizer's slots as flat arenas of one layout, and the
// executors of the job's plans over them. The only file that touches Autodiff's pointers.

import Autodiff

/// By parameter: the sum of squares of what an update changed, and of the values before.
struct UpdateSizes {
  let moved: [Double]
  let before: [Double]
}

/// Some of an update's examples, computed together.
struct MicroBatch: Sendable {
  let rows: ArraySlice<Int32>
  /// Counted through the update.
  let number: Int
  /// Its part of the update, by how much its examples count in the loss.
  let share: Double
  /// What its examples are mixed with.
  let mixed: Mixed?

  /// Adds its share of gradients to the update's sum, of which it is the first or a later part.
  func add(_ gradients: Arena, to sums: Arena, _ range: Range<Int>, _ passes: FlatPasses) {
    passes.combine(Float(share), gradients, number == 0 ? 0 : 1, to: sums, range)
  }
}

/// The rows that examples are mixed with, in their order.
struct Mixed: Sendable {
  let mixture: Mixture
  let rows: [Int32]
}

/// Parameters, gradients and slots of one run, and what is done with them. Used by one thread.
final class Network {
  let plan: JobPlan
  let filler: BatchFiller
  let layout: ParameterLayout
  let parameters: Arena
  let gradients: Arena
  /// What the model keeps besides parameters: running statistics and counters.
  let buffers: Arena
  let slots: [Arena]
  let passes: FlatPasses
  let parameterPasses: ParameterPasses
  /// The optimizer of each group of parameters, as each remembers its own steps.
  var optimizers: [any Optimizer]
  let pool: ThreadPool
  let kernels: KernelTable
  /// Executors of the phase that training is in, by batch size: one, or with a pipeline as many as are at work together.
  var training: [Int: [Executor]] = [:]
  /// The stages' threads, where there are several; the passes of each, and where its gradients lie.
  let pipeline: Pipeline?
  let stagePasses: [FlatPasses]
  let stageRanges: [Range<Int>]
  /// How the plans are cut into stages, by batch size; none where they cannot be.
  var segments: [Int: PlanSegments] = [:]
  var phase: Int?
  let evaluation: [Int: Executor]
  /// The executor of the last batch, or of its first part whose loss was not finite.
  var lastRun: Executor?
  /// The executor of the last use of the model.
  var using: Executor?
  /// The sum of gradients of an update's batches, where it has several.
  let sums: Arena?
  /// The averaged parameters, which are those evaluated.
  let average: Arena?
  /// Parameters of the best evaluation, and their average.
  let best: Arena?
  let bestAverage: Arena?
  let bestBuffers: Arena?
  /// Running statistics of the averaged parameters, where they are not those of training, and of the best average.
  let averageBuffers: Arena?
  let bestAverageBuffers: Arena?
  let groups: [ParameterTraining.Group]
  let augmenter: Augmenter?
  /// Room for the examples that a batch is mixed with.
  let partners: Arena?
  /// Running statistics as the first replica left them, where there are several.
  let firstStatistics: Arena?
  /// The parameters without noise, while there is noise on them.
  let quiet: Arena?
  let masking: TokenMasking?
  /// By probe: 1 for each unit that was above 0 for an example of the last update, else 0.
  var fired: [[Float]] = []

  init(_ plan: JobPlan, threads: Int, _ kernels: KernelTable) throws {
    self.plan = plan
    self.kernels = kernels
    let layout = plan.programs.layout
    self.layout = layout
    func arena(_ isNeeded: Bool) -> Arena? { isNeeded ? Arena(floats: layout.floats) : nil }
    let parameters = Arena(floats: layout.floats)
    let gradients = Arena(floats: layout.floats)
    let averages = plan.spec.average?.averages == true
    let restores = plan.spec.train.earlyStopping?.restoreBest == true
    sums = arena(plan.spec.train.hasParts)
    average = arena(averages)
    best = arena(restores)
    bestAverage = arena(restores && averages)
    let buffers = Arena(floats: plan.programs.buffers.floats)
    bestBuffers = restores ? Arena(floats: buffers.floats) : nil
    let recomputes = !plan.programs.statistics.isEmpty
    averageBuffers = recomputes ? Arena(floats: buffers.floats) : nil
    bestAverageBuffers = recomputes && restores ? Arena(floats: buffers.floats) : nil
    firstStatistics = plan.spec.train.replicas > 1 ? Arena(floats: buffers.floats) : nil
    let augment = plan.spec.augment
    augmenter =
      augment.isEmpty
      ? nil
      : Augmenter(augment, shape: plan.architecture.inputShape, seed: plan.spec.seed, kernels: kernels)
    partners = plan.spec.mixing.map { _ in Arena(floats: plan.batchSize * plan.dataset.pool.width) }
    quiet = arena(plan.spec.weightNoise > 0)
    let workers = min(plan.pipeline.count, plan.spec.train.microBatches > 1 ? threads : 1)
    pipeline = workers > 1 ? try Pipeline(workers: workers, threads: threads) : nil
    masking = plan.masking
    let pool = ThreadPool(threads: threads)
    self.pool = pool
    let (evaluated, statistics) = (average ?? parameters, averageBuffers ?? buffers)
    evaluation = try plan.programs.evaluation.mapValues {
      try Executor(
        $0, parameters: evaluated, gradients: nil, buffers: statistics, pool: pool, kernels: kernels)
    }
    let passes = FlatPasses(pool: pool, kernels: kernels)
    self.passes = passes
    if let augmenter { passes.reserve(scratch: augmenter.scratchFloats) }
    filler = BatchFiller(
      standardization: plan.spec.dataset.standardize ? Standardization(plan.split.train) : nil,
      passes: passes)
    stagePasses = pipeline?.pools.map { FlatPasses(pool: $0, kernels: kernels) } ?? []
    let cuts = plan.pipeline.merged(into: workers).map {
      $0 < layout.entries.count ? layout.entries[$0].offset : layout.floats
    }
    stageRanges = cuts.indices.map { cuts[$0]..<($0 + 1 < cuts.count ? cuts[$0 + 1] : layout.floats) }
    parameterPasses = ParameterPasses(layout, pool: pool, kernels: kernels)
    groups = Array(Set(plan.training.map(\.group))).sorted {
      ($0.firstStep, $0.rateScale, $0.decays ? 1 : 0) < ($1.firstStep, $1.rateScale, $1.decays ? 1 : 0)
    }
    optimizers = groups.map { _ in plan.spec.optimizer.method }
    slots = plan.spec.optimizer.slots.map { _ in Arena(floats: plan.programs.layout.floats) }
    self.parameters = parameters
    self.gradients = gradients
    self.buffers = buffers
    let initialState = plan.spec.optimizer.method.initialState
    for slot in slots where initialState != 0 {
      slot.pointer.update(repeating: initialState, count: layout.floats)
    }
    let random = RandomStream(seed: plan.spec.seed, .initialization)
    for (index, spec) in plan.architecture.parameters.enumerated() {
      let given = plan.initialTensors.first { $0.name == spec.name }
      try layout.write(given?.values ?? spec.initial(random, index), to: index, in: parameters)
    }
    let kept = plan.programs.buffers
    for (index, spec) in plan.architecture.buffers.enumerated() {
      let given = plan.initialTensors.first { $0.name == spec.name }
      if spec.shape.isEmpty {
        kept.writeCounter(given?.count ?? 0, to: index, in: buffers)
      } else {
        try kept.write(given?.values ?? spec.initial(random, index), to: index, in: buffers)
      }
    }
  }
}
