// The model at work: evaluated on a part, or asked for its outputs.

import Autodiff

extension Network {
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
}
