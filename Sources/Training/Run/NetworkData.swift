// What a network is given to compute with: examples, augmented, mixed or with tokens hidden, and their answers.

import Autodiff

extension Network {
  /// How much training examples count in a loss that is a mean: each as much, or by the weights of their classes, or by how
  /// many of their tokens are hidden.
  func weight(of rows: ArraySlice<Int32>) -> Double {
    let examples = plan.split.train.examples
    if let masking {
      return rows.reduce(0) { $0 + Double(masking.count(of: masking.length(of: $1, in: examples))) }
    }
    guard let weights = plan.spec.loss.classWeights else { return Double(rows.count) }
    if let tokens = examples.tokens {
      return rows.reduce(0) { sum, row in
        (1...examples.width).reduce(sum) { $0 + weights[Int(tokens[Int(row) + $1])] }
      }
    }
    return rows.reduce(0) { $0 + weights[Int(examples.labels[Int($1)])] }
  }

  /// How many predictions `count` examples of the last run made.
  func predictions(_ executor: Executor, _ count: Int) -> Double {
    if masking != nil { return executor.terms }
    return Double(count * plan.dataset.predictionsEach)
  }

  /// Examples with their answers; `epoch` is nil in evaluation, where nothing is augmented.
  func fill(
    _ executor: Executor, _ rows: ArraySlice<Int32>, of examples: Examples, epoch: Int? = nil
  ) {
    fill(executor.input, stride: executor.inputStride, rows, of: examples, epoch: epoch)
    filler.fillAnswers(
      rows, of: examples, labels: executor.labels, targets: executor.targets, stride: executor.targetStride)
    guard let masking else { return }
    let width = plan.dataset.pool.width
    for (index, row) in rows.enumerated() {
      masking.apply(
        executor.input + index * executor.inputStride, executor.labels + index * width, width: width,
        row: row,
        epoch: epoch)
    }
  }

  func fill(
    _ features: UnsafeMutablePointer<Float>, stride: Int, _ rows: ArraySlice<Int32>, of examples: Examples,
    epoch: Int?
  ) {
    let augmenting = augmenter.flatMap { augmenter in epoch.map { (augmenter, $0) } }
    filler.fill(rows, of: examples, features: features, stride: stride, augmenting: augmenting)
  }

  /// Brings their partners into the examples that an executor has been given, and the partners' answers beside.
  func mix(_ executor: Executor, _ mixed: Mixed, epoch: Int) {
    guard let partners else { return }
    let (rows, mixture) = (mixed.rows[...], mixed.mixture)
    let (examples, width) = (plan.split.train.examples, plan.dataset.pool.width)
    filler.fillAnswers(
      rows, of: examples, labels: executor.otherLabels, targets: executor.otherTargets,
      stride: executor.targetStride)
    executor.mix(share: mixture.share)
    guard mixture.share > 0 else { return }
    fill(partners.pointer, stride: width, rows, of: examples, epoch: epoch)
    let shape = ExampleShape(plan.architecture.inputShape)
    passes.forEach(rows.count, nanosecondsEach: width / 4) { range, _ in
      for index in range {
        mixture.mix(
          partners.pointer + index * width, into: executor.input + index * executor.inputStride, shape)
      }
    }
  }
}
