// The model in memory: parameters, gradients and the optimizer's slots as flat arenas of one layout, and the
// executors of the job's plans over them. The only file that touches Autodiff's pointers.

import Autodiff

/// By parameter: the sum of squares of what an update changed, and of the values before.
struct UpdateSizes {
  let moved: [Double]
  let before: [Double]
}

/// Parameters, gradients and slots of one run, and what is done with them. Used by one thread.
final class Network {
  private let plan: JobPlan
  private let filler: BatchFiller
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
  /// Executors of the phase that training is in, by batch size.
  private var training: [Int: Executor] = [:]
  private var phase: Int?
  private let evaluation: [Int: Executor]
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
  private let groups: [ParameterTraining.Group]
  private let augmenter: Augmenter?
  /// Running statistics as the first replica left them, where there are several.
  private let firstStatistics: Arena?
  /// The parameters without noise, while there is noise on them.
  private let quiet: Arena?
  /// By probe: 1 for each unit that was above 0 for an example of the last update, else 0.
  private var fired: [[Float]] = []

  init(_ plan: JobPlan, threads: Int, _ kernels: KernelTable) throws {
    self.plan = plan
    self.kernels = kernels
    let layout = plan.programs.layout
    self.layout = layout
    filler = BatchFiller(
      standardization: plan.spec.dataset.standardize ? Standardization(plan.split.train) : nil)
    func arena(_ isNeeded: Bool) -> Arena? { isNeeded ? Arena(floats: layout.floats) : nil }
    let parameters = Arena(floats: layout.floats)
    let gradients = Arena(floats: layout.floats)
    let averages = plan.spec.average?.averages == true
    let restores = plan.spec.train.earlyStopping?.restoreBest == true
    sums = arena(plan.spec.train.accumulate > 1 || plan.spec.train.replicas > 1)
    average = arena(averages)
    best = arena(restores)
    bestAverage = arena(restores && averages)
    let buffers = Arena(floats: plan.programs.buffers.floats)
    bestBuffers = restores ? Arena(floats: buffers.floats) : nil
    firstStatistics = plan.spec.train.replicas > 1 ? Arena(floats: buffers.floats) : nil
    let augment = plan.spec.augment
    augmenter =
      augment.isEmpty
      ? nil : Augmenter(augment, shape: plan.architecture.inputShape, seed: plan.spec.seed)
    quiet = arena(plan.spec.weightNoise > 0)
    let pool = ThreadPool(threads: threads)
    self.pool = pool
    let evaluated = average ?? parameters
    evaluation = try plan.programs.evaluation.mapValues {
      try Executor(
        $0, parameters: evaluated, gradients: nil, buffers: buffers, pool: pool, kernels: kernels)
    }
    passes = FlatPasses(pool: pool, kernels: kernels)
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
    let randomSteps = plan.spec.train.accumulate * plan.spec.train.replicas
    var result = BatchResult(loss: 0, correct: 0, count: 0)
    try addNoise(step: step)
    for (number, size) in shards.enumerated() {
      guard let executor = training[size] else { continue }
      let first = rows.startIndex + result.count
      run(
        executor, rows[first..<first + size], of: plan.split.train.examples,
        step: step * randomSteps + number,
        epoch: step / plan.stepsPerEpoch)
      noteFired(executor, isFirst: number == 0)
      keepFirstReplicasStatistics(number)
      let share = Double(size) / Double(rows.count)
      if shards.count > 1, let sums {
        passes.combine(Float(share), gradients, number == 0 ? 0 : 1, to: sums, 0..<layout.floats)
      }
      result.loss += shards.count > 1 ? executor.loss * share : executor.loss
      result.correct += executor.correct
      result.count += size
    }
    if shards.count > 1, let sums { gradients.copy(from: sums) }
    if let quiet { parameters.copy(from: quiet) }
    let penalties = plan.spec.penalties
    if !penalties.isNone {
      result.loss += parameterPasses.penalize(
        l1: penalties.l1, l2: penalties.l2, parameters: parameters, gradients: gradients)
    }
    return result
  }

  /// Makes the executors that a step needs, where other parameters are trained than before.
  private func enterPhase(of step: Int) throws {
    guard let phase = plan.programs.phases.last(where: { $0.start <= step }), phase.start != self.phase else {
      return
    }
    self.phase = phase.start
    training = [:]
    gradients.pointer.update(repeating: 0, count: layout.floats)
    training = try phase.plans.mapValues {
      try Executor(
        $0, parameters: parameters, gradients: gradients, buffers: buffers, pool: pool, kernels: kernels)
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
  }

  /// Goes back to the best parameters and their average.
  func restoreBest() {
    if let best { parameters.copy(from: best) }
    if let bestAverage { average?.copy(from: bestAverage) }
    if let bestBuffers { buffers.copy(from: bestBuffers) }
  }

  /// Loss and accuracy of a part, as the model is used: nothing dropped.
  func evaluate(_ part: Part) -> BatchResult {
    var total = BatchResult(loss: 0, correct: 0, count: 0)
    for size in Programs.batches(of: part.count, plan.dataset.evaluationBatch) {
      guard let executor = evaluation[size] else { continue }
      run(executor, part.rows[total.count..<total.count + size], of: part.examples, step: 0)
      total.loss += executor.loss * Double(size)
      total.correct += executor.correct
      total.count += size
    }
    total.loss /= Double(total.count)
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
  private func keepFirstReplicasStatistics(_ shard: Int) {
    guard let firstStatistics else { return }
    if shard % plan.spec.train.replicas == 0 {
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

  /// `epoch` is nil in evaluation, where nothing is augmented.
  private func run(
    _ executor: Executor, _ rows: ArraySlice<Int32>, of examples: Examples, step: Int, epoch: Int? = nil
  ) {
    if let augmenter, let epoch {
      filler.fill(rows, of: examples, features: executor.input, stride: executor.inputStride) {
        example, row in
        augmenter.apply(example, row: row, epoch: epoch)
      }
    } else {
      filler.fill(rows, of: examples, features: executor.input, stride: executor.inputStride)
    }
    filler.fillAnswers(
      rows, of: examples, labels: executor.labels, targets: executor.targets, stride: executor.targetStride)
    executor.run(seed: plan.spec.seed, step: UInt64(step))
  }

  // MARK: Use

  /// The model's outputs for rows of raw features.
  func outputs(_ inputs: [[Float]]) throws -> [[Float]] {
    let executor = try usingExecutor(batch: inputs.count)
    for (index, input) in inputs.enumerated() {
      (executor.input + index * executor.inputStride).update(from: input, count: input.count)
    }
    filler.standardize(
      executor.input, rows: inputs.count, width: plan.dataset.pool.width, stride: executor.inputStride)
    executor.run(seed: plan.spec.seed, step: 0)
    let width = plan.architecture.outputs
    return inputs.indices.map { index in
      (0..<width).map { executor.output[index * executor.outputStride + $0] }
    }
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
      program, parameters: average ?? parameters, gradients: nil, buffers: buffers, pool: pool,
      kernels: kernels)
    using = executor
    return executor
  }

  // MARK: State

  /// Everything a checkpoint holds of the model and the optimizer.
  func tensors() -> [NamedTensor] {
    var tensors: [NamedTensor] = []
    for (prefix, arena) in arenas {
      for (index, entry) in layout.entries.enumerated() {
        tensors.append(
          NamedTensor(
            name: "\(prefix).\(entry.name)", shape: entry.shape, values: layout.read(index, from: arena)))
      }
    }
    let kept = plan.programs.buffers
    for (prefix, arena) in bufferArenas {
      for (index, entry) in kept.entries.enumerated() {
        let name = "\(prefix).\(entry.name)"
        tensors.append(
          entry.shape.isEmpty
            ? NamedTensor(name: name, shape: [], integers: [kept.readCounter(index, from: arena)])
            : NamedTensor(name: name, shape: entry.shape, values: kept.read(index, from: arena)))
      }
    }
    return tensors
  }

  /// Takes over what `tensors` gave; throws when names or shapes differ.
  func restore(_ tensors: [NamedTensor]) throws {
    func tensor(_ prefix: String, _ entry: ParameterLayout.Entry) throws -> NamedTensor {
      let name = "\(prefix).\(entry.name)"
      guard let tensor = tensors.first(where: { $0.name == name }), tensor.shape == entry.shape else {
        throw TrainingError(
          step: nil, description: "the checkpoint has no tensor \(name) of shape \(entry.shape)")
      }
      return tensor
    }
    for (prefix, arena) in arenas {
      for (index, entry) in layout.entries.enumerated() {
        try layout.write(try tensor(prefix, entry).values, to: index, in: arena)
      }
    }
    let kept = plan.programs.buffers
    for (prefix, arena) in bufferArenas {
      for (index, entry) in kept.entries.enumerated() {
        let tensor = try tensor(prefix, entry)
        if entry.shape.isEmpty {
          kept.writeCounter(tensor.count, to: index, in: arena)
        } else {
          try kept.write(tensor.values, to: index, in: arena)
        }
      }
    }
  }

  /// The arenas of running statistics and counters, with what their tensors' names begin with.
  private var bufferArenas: [(prefix: String, arena: Arena)] {
    [("model", buffers)] + (bestBuffers.map { [("best", $0)] } ?? [])
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

  /// `the gradient of NAME`, the first that holds something not finite.
  func firstNonFiniteGradient() -> String? {
    firstNonFinite(gradients).map { "the gradient of \($0)" }
  }

  private func firstNonFinite(_ arena: Arena) -> String? {
    layout.entries.first { !passes.isFinite(arena, $0.offset..<$0.offset + $0.floats) }?.name
  }
}
