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
  private let layout: ParameterLayout
  private let parameters: Arena
  private let gradients: Arena
  /// What the model keeps besides parameters: running statistics and counters.
  private let buffers: Arena
  private let slots: [Arena]
  private let passes: FlatPasses
  private let parameterPasses: ParameterPasses
  private var optimizer: any Optimizer
  private let pool: ThreadPool
  private let kernels: KernelTable
  /// Executors of the phase that training is in, by batch size: one, or with a pipeline as many as are at work together.
  private var training: [Int: [Executor]] = [:]
  /// The stages' threads, where there are several; the passes of each, and where its gradients lie.
  private let pipeline: Pipeline?
  private let stagePasses: [FlatPasses]
  private let stageRanges: [Range<Int>]
  /// How the plans are cut into stages, by batch size; none where they cannot be.
  private var segments: [Int: PlanSegments] = [:]
  private var phase: Int?
  private let evaluation: [Int: Executor]
  /// The executor of the last batch, or of its first part whose loss was not finite.
  private var lastRun: Executor?
  /// The executor of the last use of the model.
  private var using: Executor?
  /// The sum of gradients of an update's batches, where it has several.
  private let sums: Arena?
  /// The averaged parameters, which are those evaluated.
  private let average: Arena?
  /// Parameters of the best evaluation, and their average.
  private let best: Arena?
  private let bestAverage: Arena?
  private let bestBuffers: Arena?
  /// Running statistics of the averaged parameters, where they are not those of training, and of the best average.
  private let averageBuffers: Arena?
  private let bestAverageBuffers: Arena?
  private let groups: [ParameterTraining.Group]
  let augmenter: Augmenter?
  /// Room for the examples that a batch is mixed with.
  let partners: Arena?
  /// Running statistics as the first replica left them, where there are several.
  private let firstStatistics: Arena?
  /// The parameters without noise, while there is noise on them.
  private let quiet: Arena?
  let masking: TokenMasking?
  /// By probe: 1 for each unit that was above 0 for an example of the last update, else 0.
  private var fired: [[Float]] = []

  init(_ plan: JobPlan, threads: Int, _ kernels: KernelTable) throws {
    self.plan = plan
    self.kernels = kernels
    let layout = plan.programs.layout
    self.layout = layout
    filler = BatchFiller(
      standardization: plan.spec.dataset.standardize ? Standardization(plan.split.train) : nil,
      kernels: kernels)
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
      ? nil : Augmenter(augment, shape: plan.architecture.inputShape, seed: plan.spec.seed)
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
    passes = FlatPasses(pool: pool, kernels: kernels)
    stagePasses = pipeline?.pools.map { FlatPasses(pool: $0, kernels: kernels) } ?? []
    let cuts = plan.pipeline.merged(into: workers).map {
      $0 < layout.entries.count ? layout.entries[$0].offset : layout.floats
    }
    stageRanges = cuts.indices.map { cuts[$0]..<($0 + 1 < cuts.count ? cuts[$0 + 1] : layout.floats) }
    parameterPasses = ParameterPasses(layout, pool: pool, kernels: kernels)
    optimizer = plan.spec.optimizer.method
    groups = Array(Set(plan.training.map(\.group))).sorted {
      ($0.rateScale, $0.decays ? 1 : 0) < ($1.rateScale, $1.decays ? 1 : 0)
    }
    guard groups.count <= ParameterPasses.groupLimit else {
      throw SpecError("model.layers", "have more than \(ParameterPasses.groupLimit / 2) different lr_scale")
    }
    slots = plan.spec.optimizer.slots.map { _ in Arena(floats: plan.programs.layout.floats) }
    self.parameters = parameters
    self.gradients = gradients
    self.buffers = buffers
    let initialState = optimizer.initialState
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

  // MARK: A step

  /// The loss of an update's rows, penalties included, and its gradients: of several batches the mean over all of
  /// their examples.
  func forwardBackward(_ rows: ArraySlice<Int32>, step: Int) throws -> BatchResult {
    try enterPhase(of: step)
    let shards = plan.shards(of: rows.count)
    let isSum = shards.reduce(0) { $0 + $1.microBatches.count } > 1
    var result = BatchResult(loss: 0, correct: 0, count: 0)
    let mixed = plan.spec.mixing.map {
      let (mixture, places) = $0.draw(
        ExampleShape(plan.architecture.inputShape), seed: plan.spec.seed, step: step, count: rows.count)
      return Mixed(mixture: mixture, rows: places.map { rows[rows.startIndex + Int($0)] })
    }
    let total = weight(of: rows)
    var number = 0
    try addNoise(step: step)
    for shard in shards {
      let parts = shard.microBatches.map { size in
        defer { number += 1 }
        let first = rows.startIndex + result.count
        let part = rows[first..<first + size]
        let partners = mixed.map {
          Mixed(mixture: $0.mixture, rows: Array($0.rows[result.count..<result.count + size]))
        }
        result.count += size
        return MicroBatch(
          rows: part, number: number, share: weight(of: part) / total,
          mixed: partners)
      }
      compute(parts, step: step, isSum: isSum) { executor, part in
        if result.loss.isFinite { lastRun = executor }
        noteFired(executor, isFirst: part.number == 0)
        result.loss += isSum ? executor.loss * part.share : executor.loss
        result.correct += executor.mixedCorrect
        result.predictions += predictions(executor, part.rows.count)
      }
      keepFirstReplicasStatistics(shard.replica)
    }
    if isSum, let sums { gradients.copy(from: sums) }
    if let quiet { parameters.copy(from: quiet) }
    let penalties = plan.spec.penalties
    if !penalties.isNone {
      result.loss += parameterPasses.penalize(
        l1: penalties.l1, l2: penalties.l2, parameters: parameters, gradients: gradients)
    }
    return result
  }

  /// Computes the parts of a shard, in a pipeline where there is one, and adds their gradients to `sums` where they
  /// are a sum; `collect` sees the results of each part in their order.
  private func compute(
    _ parts: [MicroBatch], step: Int, isSum: Bool, collect: (Executor, MicroBatch) -> Void
  ) {
    func start(_ executor: Executor, _ part: MicroBatch) {
      let epoch = step / plan.stepsPerEpoch
      fill(executor, part.rows, of: plan.split.train.examples, epoch: epoch)
      if let mixed = part.mixed { mix(executor, mixed, epoch: epoch) }
      executor.prepare(
        seed: plan.spec.seed, step: UInt64(step * plan.spec.train.partsPerUpdate + part.number))
    }
    if let pipeline, parts.count > 1, let items = pipelineItems(parts, start) {
      let (ranges, sums, gradients) = (stageRanges, sums, gradients)
      pipeline.run(items) { [stagePasses] worker, item in
        guard let sums else { return }
        parts[item].add(gradients, to: sums, ranges[worker], stagePasses[worker])
      }
      for (item, part) in zip(items, parts) { collect(item.executor, part) }
      return
    }
    for part in parts {
      guard let executor = training[part.rows.count]?.first else { continue }
      start(executor, part)
      executor.run()
      if isSum, let sums { part.add(gradients, to: sums, 0..<layout.floats, passes) }
      collect(executor, part)
    }
  }

  /// A started executor for each part; nil where a plan cannot be cut at the stages.
  private func pipelineItems(_ parts: [MicroBatch], _ start: (Executor, MicroBatch) -> Void) -> [Pipeline
    .Item]?
  {
    guard parts.allSatisfy({ segments[$0.rows.count] != nil }) else { return nil }
    var free = training
    return parts.compactMap { part in
      let size = part.rows.count
      guard let executor = free[size]?.popLast(), let segments = segments[size] else { return nil }
      start(executor, part)
      return Pipeline.Item(executor: executor, segments: segments)
    }
  }

  /// Makes the executors that a step needs, where other parameters are trained than before.
  private func enterPhase(of step: Int) throws {
    guard let phase = plan.programs.phases.last(where: { $0.start <= step }), phase.start != self.phase else {
      return
    }
    self.phase = phase.start
    (training, segments, lastRun) = ([:], [:], nil)
    gradients.pointer.update(repeating: 0, count: layout.floats)
    let inFlight = pipeline == nil ? [] : plan.inFlight
    for (size, program) in phase.plans {
      training[size] = try (0..<Programs.copies(of: size, inFlight)).map { _ in
        let executor = try Executor(
          program, parameters: parameters, gradients: gradients, buffers: buffers, pool: pool,
          kernels: kernels)
        for pool in pipeline?.pools ?? [] { executor.reserve(on: pool) }
        return executor
      }
      segments[size] = pipeline.flatMap { program.segments(plan.pipeline.merged(into: $0.pools.count)) }
    }
    parameterPasses.setGroups(
      plan.training.map { $0.firstStep <= phase.start ? groups.firstIndex(of: $0.group) : nil })
  }

  /// Goes to where the optimizer takes its gradients; called before `forwardBackward`.
  func lookAhead(rate: Double, momentum: Double?) {
    optimizer.momentum = momentum
    let distance = optimizer.lookahead(rate: rate)
    guard distance != 0, let slot = slots.first else { return }
    passes.combine(Float(distance), slot, 1, to: parameters, 0..<layout.floats)
  }

  /// The sum of squares of each parameter's gradient.
  func gradientSquares() -> [Double] { parameterPasses.squares(gradients) }

  /// The sum of squares of each parameter.
  func parameterSquares() -> [Double] { parameterPasses.squares(parameters) }

  /// One step of the optimizer with gradients times `scale`, then cut to +-clipValue.
  func update(step: Int, rate: Double, momentum: Double?, scale: Double, clipValue: Double?, measuring: Bool)
    -> UpdateSizes?
  {
    var scale = scale
    if let clipValue {
      if scale != 1 { passes.scale(gradients, 0..<layout.floats, by: Float(scale)) }
      passes.clamp(gradients, 0..<layout.floats, to: Float(clipValue))
      scale = 1
    }
    optimizer.momentum = momentum
    for (index, group) in groups.enumerated() {
      parameterPasses.setCoefficients(
        optimizer.coefficients(
          step + 1, rate: rate * group.rateScale, weightDecay: group.decays ? optimizer.weightDecay : 0,
          gradientScale: scale), of: index)
    }
    parameterPasses.update(
      optimizer.rule, parameters: parameters, gradients: gradients, slots: slots, measuring: measuring)
    return measuring ? UpdateSizes(moved: parameterPasses.moved(), before: parameterPasses.sizes()) : nil
  }

  /// Goes through the first `steps` steps again on the host, for methods whose coefficients remember a moved momentum.
  func recall(_ steps: Int, momentum: (Int) -> Double?) {
    for step in 0..<steps {
      optimizer.momentum = momentum(step)
      _ = optimizer.coefficients(step + 1, rate: 0, weightDecay: 0, gradientScale: 1)
    }
  }

  /// Brings the parameters into the average with the given share; with 1 the average becomes the parameters.
  func addToAverage(share: Double) {
    guard let average else { return }
    if share == 1 {
      average.copy(from: parameters)
    } else {
      passes.interpolate(Float(share), parameters, to: average, 0..<layout.floats)
    }
  }

  /// Keeps the parameters and their average as the best ones.
  func keepBest() {
    best?.copy(from: parameters)
    if let average { bestAverage?.copy(from: average) }
    bestBuffers?.copy(from: buffers)
    if let averageBuffers { bestAverageBuffers?.copy(from: averageBuffers) }
  }

  /// Goes back to the best parameters and their average.
  func restoreBest() {
    if let best { parameters.copy(from: best) }
    if let bestAverage { average?.copy(from: bestAverage) }
    if let bestBuffers { buffers.copy(from: bestBuffers) }
    if let bestAverageBuffers { averageBuffers?.copy(from: bestAverageBuffers) }
  }

  /// Makes the running statistics of the averaged parameters: means over the batches of the training part in its own
  /// order, of mean and unbiased variance. Does nothing for models and averages that need none. PyTorch: update_bn.
  func recomputeStatistics() throws {
    guard let averageBuffers, let average else { return }
    averageBuffers.copy(from: buffers)
    let layout = plan.programs.buffers
    let counters = layout.entries.indices.filter { layout.entries[$0].shape.isEmpty }
    for index in counters { layout.writeCounter(0, to: index, in: averageBuffers) }
    let executors = try plan.programs.statistics.mapValues {
      try Executor(
        $0, parameters: average, gradients: nil, buffers: averageBuffers, pool: pool, kernels: kernels)
    }
    let part = plan.split.train
    var first = 0
    for (number, size) in Programs.batches(of: part.count, executors.keys.max() ?? 1).enumerated() {
      guard let executor = executors[size] else { continue }
      fill(executor, part.rows[first..<first + size], of: part.examples)
      executor.run(seed: plan.spec.seed, step: UInt64(number))
      first += size
    }
    // Layers that are frozen have kept theirs.
    for index in counters where layout.readCounter(index, from: averageBuffers) == 0 {
      layout.writeCounter(layout.readCounter(index, from: buffers), to: index, in: averageBuffers)
    }
  }

  /// Gives the averaged parameters the running statistics of training, while they are the same parameters.
  func takeStatistics() { averageBuffers?.copy(from: buffers) }

  /// Loss and accuracy of a part, as the model is used: nothing dropped.
  func evaluate(_ part: Part) -> BatchResult {
    var total = BatchResult(loss: 0, correct: 0, count: 0)
    var weight = 0.0
    for size in Programs.batches(of: part.count, plan.dataset.evaluationBatch) {
      guard let executor = evaluation[size] else { continue }
      fill(executor, part.rows[total.count..<total.count + size], of: part.examples)
      executor.run(seed: plan.spec.seed, step: 0)
      let share = executor.weighsTerms ? executor.terms : Double(size)
      weight += share
      total.loss += executor.loss * share
      total.correct += Double(executor.correct)
      total.predictions += predictions(executor, size)
      total.count += size
    }
    total.loss /= weight
    return total
  }

  /// Puts noise on the parameters that are trained, from the seed and the step.
  private func addNoise(step: Int) throws {
    guard let quiet else { return }
    quiet.copy(from: parameters)
    for (index, training) in plan.training.enumerated() where training.firstStep <= step {
      let random = Philox(
        seed: plan.spec.seed, stream: RandomPurpose.weightNoise.rawValue,
        step: UInt64(step) << 24 | UInt64(index))
      var values = layout.read(index, from: parameters)
      values.withUnsafeMutableBufferPointer { buffer in
        guard let first = buffer.baseAddress else { return }
        random.addNormals(to: first, count: buffer.count, deviation: Float(plan.spec.weightNoise))
      }
      try layout.write(values, to: index, in: parameters)
    }
  }

  /// Running statistics are those of the first replica: the others' changes to them are undone.
  private func keepFirstReplicasStatistics(_ replica: Int) {
    guard let firstStatistics else { return }
    if replica == 0 {
      firstStatistics.copy(from: buffers)
    } else {
      buffers.copy(from: firstStatistics)
    }
  }

  private func noteFired(_ executor: Executor, isFirst: Bool) {
    for (index, probe) in executor.probes.enumerated() {
      if isFirst, index >= fired.count { fired.append(Array(probe)) }
      for unit in probe.indices {
        fired[index][unit] = isFirst ? probe[unit] : max(fired[index][unit], probe[unit])
      }
    }
  }

  /// The share of units of each rectifier that were 0 for all examples of the last update.
  func deadShares() -> [Double] {
    fired.map { units in Double(units.count { $0 == 0 }) / Double(max(1, units.count)) }
  }

  // MARK: Use

  /// The model's outputs for rows of raw features.
  func outputs(_ inputs: [[Float]]) throws -> [[Float]] {
    let executor = try usingExecutor(batch: inputs.count)
    for (index, input) in inputs.enumerated() {
      (executor.input + index * executor.inputStride).update(from: input, count: input.count)
    }
    filler.standardize(executor.input, rows: inputs.count, stride: executor.inputStride)
    executor.run(seed: plan.spec.seed, step: 0)
    let width = plan.architecture.outputs
    return inputs.indices.map { index in
      (0..<width).map { executor.output[index * executor.outputStride + $0] }
    }
  }

  /// The model's outputs for a part, one example after the other, each as long as the model's output.
  func outputs(of part: Part) throws -> [Float] {
    let each = plan.dataset.predictionsEach
    let width = plan.architecture.outputs / each
    var outputs: [Float] = []
    outputs.reserveCapacity(part.count * plan.architecture.outputs)
    var first = 0
    for size in Programs.batches(of: part.count, plan.dataset.evaluationBatch) {
      let executor = try usingExecutor(batch: size)
      fill(executor, part.rows[first..<first + size], of: part.examples)
      executor.run(seed: plan.spec.seed, step: 0)
      for row in 0..<size * each {
        outputs += UnsafeBufferPointer(start: executor.output + row * executor.outputStride, count: width)
      }
      first += size
    }
    return outputs
  }

  /// The logits of the token that follows `tokens`, at most a context of them. What stands behind them is not seen by
  /// a model that looks back only; one that looks both ways sees the first token of the vocabulary.
  func nextLogits(_ tokens: [Int32]) throws -> [Float] {
    let executor = try usingExecutor(batch: 1)
    for place in 0..<plan.dataset.pool.width {
      executor.input[place] = place < tokens.count ? Float(tokens[place]) : 0
    }
    executor.run(seed: plan.spec.seed, step: 0)
    return (0..<plan.dataset.outputs).map { executor.output[(tokens.count - 1) * executor.outputStride + $0] }
  }

  private func usingExecutor(batch: Int) throws -> Executor {
    if let executor = using, executor.plan.batch == batch { return executor }
    let program =
      try plan.programs.evaluation[batch] ?? Programs.forUse(plan.architecture, plan.spec, batch: batch)
    let executor = try Executor(
      program, parameters: average ?? parameters, gradients: nil, buffers: averageBuffers ?? buffers,
      pool: pool,
      kernels: kernels)
    using = executor
    return executor
  }

  // MARK: State

  /// Everything a checkpoint holds of the model and the optimizer, read from the arenas when it is written.
  func tensors() -> [TensorSource] {
    arenas.flatMap { prefix, arena in sources(prefix, plan.programs.layout, arena) }
      + bufferArenas.flatMap { prefix, arena in sources(prefix, plan.programs.buffers, arena) }
  }

  private func sources(_ prefix: String, _ layout: ParameterLayout, _ arena: Arena) -> [TensorSource] {
    layout.entries.enumerated().map { index, entry in
      let name = "\(prefix).\(entry.name)"
      if entry.shape.isEmpty {
        return TensorSource(name: name, shape: [], type: .i64, pieces: 1) { _ in
          withUnsafeBytes(of: layout.readCounter(index, from: arena).littleEndian) { Array($0) }
        }
      }
      let pieces = entry.pieces(of: Self.pieceFloats)
      return TensorSource(name: name, shape: entry.shape, type: .f32, pieces: pieces.count) { number in
        layout.read(index, lines: pieces[number], from: arena).withUnsafeBytes { Array($0) }
      }
    }
  }

  /// Floats of a tensor that are read or written together: a MiB.
  private static let pieceFloats = 1 << 18

  /// Takes over what `tensors` gave; throws when names or shapes differ.
  func restore(_ file: Safetensors) throws {
    let entries = Dictionary(file.entries.map { ($0.name, $0) }) { first, _ in first }
    func found(_ prefix: String, _ entry: ParameterLayout.Entry) throws -> Safetensors.Entry {
      let name = "\(prefix).\(entry.name)"
      guard let found = entries[name], found.shape == entry.shape else {
        throw TrainingError(
          step: nil, description: "the checkpoint has no tensor \(name) of shape \(entry.shape)")
      }
      return found
    }
    func read(_ prefix: String, _ index: Int, _ layout: ParameterLayout, into arena: Arena) throws {
      let entry = layout.entries[index]
      let stored = try found(prefix, entry)
      if entry.shape.isEmpty {
        return layout.writeCounter(try file.tensor(stored).count, to: index, in: arena)
      }
      for lines in entry.pieces(of: Self.pieceFloats) {
        let elements = lines.lowerBound * entry.lineCount..<lines.upperBound * entry.lineCount
        try layout.write(try file.values(stored, elements), to: index, lines: lines, in: arena)
      }
    }
    for (prefix, arena) in arenas {
      for index in layout.entries.indices { try read(prefix, index, layout, into: arena) }
    }
    let kept = plan.programs.buffers
    for (prefix, arena) in bufferArenas {
      for index in kept.entries.indices { try read(prefix, index, kept, into: arena) }
    }
  }

  /// The arenas of running statistics and counters, with what their tensors' names begin with.
  private var bufferArenas: [(prefix: String, arena: Arena)] {
    [("model", buffers)]
      + [("best", bestBuffers), ("average", averageBuffers), ("best_average", bestAverageBuffers)].compactMap
    {
      prefix, arena in arena.map { (prefix, $0) }
    }
  }

  /// The arenas that are kept, with what their tensors' names begin with.
  private var arenas: [(prefix: String, arena: Arena)] {
    [("model", parameters)] + zip(plan.spec.optimizer.slots, slots).map { ("optimizer.\($0)", $1) }
      + [("average", average), ("best", best), ("best_average", bestAverage)].compactMap { prefix, arena in
        arena.map { (prefix, $0) }
      }
  }

  /// `parameter NAME`, the first that holds something not finite.
  func firstNonFiniteParameter() -> String? {
    firstNonFinite(parameters).map { "parameter \($0)" }
  }

  /// What became not finite first in the last batch, `the output of layer 2 (linear)`; nil where it cannot be found
  /// again, as after noise on the parameters.
  func firstNonFiniteValue() -> String? {
    quiet == nil ? lastRun?.firstNotFinite() : nil
  }

  /// `the gradient of NAME`, the first that holds something not finite.
  func firstNonFiniteGradient() -> String? {
    firstNonFinite(gradients).map { "the gradient of \($0)" }
  }

  private func firstNonFinite(_ arena: Arena) -> String? {
    layout.entries.first { !passes.isFinite(arena, $0.offset..<$0.offset + $0.floats) }?.name
  }
}
