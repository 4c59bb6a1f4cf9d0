// What is kept beside the parameters that are trained: their average with its statistics, and the best ones.

import Autodiff

extension Network {
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
}
