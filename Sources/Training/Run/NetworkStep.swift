// A step of training: losses and gradients of an update's examples, in parts where there are several, and the update.

import Autodiff

extension Network {
  /// The loss of an update's rows, penalties included, and its gradients: of several batches the mean over all of
  /// their examples. Which units have fired is noted for a step that is recorded.
  func forwardBackward(_ rows: ArraySlice<Int32>, step: Int, notesFired: Bool = true) throws -> BatchResult {
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
    addNoise(step: step)
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
        if notesFired { noteFired(executor, isFirst: part.number == 0) }
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
    var optimizer = plan.spec.optimizer.method
    optimizer.momentum = momentum
    guard optimizer.lookahead(rate: rate) != 0, let slot = slots.first else { return }
    func go(_ scale: Double, _ range: Range<Int>) {
      passes.combine(Float(optimizer.lookahead(rate: rate * scale)), slot, 1, to: parameters, range)
    }
    let scales = Set(groups.map(\.rateScale))
    if let scale = scales.first, scales.count == 1 { return go(scale, 0..<layout.floats) }
    for (entry, training) in zip(layout.entries, plan.training) { go(training.rateScale, entry.range) }
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
    let optimizer = plan.spec.optimizer.method
    for (index, group) in groups.enumerated() where group.firstStep <= step {
      optimizers[index].momentum = momentum
      parameterPasses.setCoefficients(
        optimizers[index].coefficients(
          step - group.firstStep + 1, rate: rate * group.rateScale,
          weightDecay: group.decays ? optimizer.weightDecay : 0, gradientScale: scale), of: index)
    }
    parameterPasses.update(
      optimizer.rule, parameters: parameters, gradients: gradients, slots: slots, measuring: measuring)
    return measuring ? UpdateSizes(moved: parameterPasses.moved(), before: parameterPasses.sizes()) : nil
  }

  /// Goes through the first `steps` steps again on the host, for methods whose coefficients remember a moved momentum.
  func recall(_ steps: Int, momentum: (Int) -> Double?) {
    for (index, group) in groups.enumerated() where group.firstStep < steps {
      for step in group.firstStep..<steps {
        optimizers[index].momentum = momentum(step)
        _ = optimizers[index].coefficients(
          step - group.firstStep + 1, rate: 0, weightDecay: 0, gradientScale: 1)
      }
    }
  }

  /// Puts noise on the parameters that are trained, from the seed and the step.
  private func addNoise(step: Int) {
    guard let quiet else { return }
    quiet.copy(from: parameters)
    for (index, training) in plan.training.enumerated() where training.firstStep <= step {
      let random = Philox(
        seed: plan.spec.seed, stream: RandomPurpose.weightNoise.rawValue,
        step: UInt64(step) << 24 | UInt64(index))
      passes.addNormals(
        random, deviation: Float(plan.spec.weightNoise), to: index, of: layout, in: parameters)
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
      guard index < fired.count else {
        fired.append(Array(probe))
        continue
      }
      fired[index].withUnsafeMutableBufferPointer { units in
        if isFirst {
          _ = units.update(from: probe)
        } else {
          for unit in units.indices { units[unit] = max(units[unit], probe[unit]) }
        }
      }
    }
  }

  /// The share of units of each rectifier that were 0 for all examples of the last update.
  func deadShares() -> [Double] {
    fired.map { units in Double(units.count { $0 == 0 }) / Double(max(1, units.count)) }
  }
}
