// What can be known to fail at the first step, from the data, the loss and the layers together.

extension JobPlan {
  /// Refuses weights that do not fit the classes.
  static func checkClassWeights(_ spec: JobSpec, _ dataset: Dataset) throws(SpecError) {
    let classes = spec.loss.outputs(dataset)
    guard let weights = spec.loss.classWeights, weights.count != classes else { return }
    throw SpecError(
      "loss.class_weights",
      "must be a list of \(classes) numbers, one for each class of \(dataset.name), got \(weights.count)")
  }

  /// Refuses an embedding of what are no tokens: it looks up rows, so every number must be that of one. Of text they are.
  static func checkTokens(
    _ architecture: Architecture, _ spec: JobSpec, _ dataset: Dataset, _ split: Split
  ) throws(SpecError) {
    guard dataset.info.kind != .text, let first = architecture.layers.first, first.layer is EmbeddingLayer,
      let rows = first.shape.parameters.first?.shape.first
    else { return }
    guard !spec.dataset.standardize else {
      throw SpecError(
        "dataset.standardize", "must be false where the first layer is an embedding, whose input are tokens")
    }
    for (index, augmentation) in spec.augment.enumerated() where !(augmentation is WeightNoise) {
      throw SpecError("augment.\(index).type", "is not for tokens, which the first layer looks up")
    }
    for part in [split.train, split.validation, split.test].compactMap({ $0 }) {
      guard let (row, value) = part.firstWithoutToken(below: rows) else { continue }
      throw SpecError(
        "\(spec.model.path(ofLayer: 0)).vocab",
        "of \(rows) is for tokens, whole numbers from 0 to \(rows - 1), but \(dataset.name) has \(value) in example "
          + "\(row)")
    }
  }
}

extension Part {
  /// The first example, and its value, that has something else than whole numbers from 0 up to `rows`, which is excluded.
  fileprivate func firstWithoutToken(below rows: Int) -> (row: Int32, value: Float)? {
    func first(_ value: (Int) -> Float) -> (Int32, Float)? {
      for row in self.rows {
        for index in Int(row) * examples.width..<(Int(row) + 1) * examples.width {
          let value = value(index)
          guard value >= 0, value < Float(rows), value == value.rounded(.towardZero) else {
            return (row, value)
          }
        }
      }
      return nil
    }
    return examples.features.withValues(
      floats: { values in first { values[$0] } }, bytes: { values in first { Float(values[$0]) / 255 } })
  }
}
