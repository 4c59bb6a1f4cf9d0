extension Graph {
  /// The mean over all elements of the binary cross entropy of logits. logits: [batch, 1] with labels 0 and 1, or
  /// [batch, classes], where each class is a yes or no of its own; a yes counts `positiveWeight` times. Reference:
  /// PyTorch's binary_cross_entropy_with_logits.
  public mutating func binaryCrossEntropy(_ logits: Node, labels: Node, positiveWeight: Double = 1)
    throws(GraphError) -> Node
  {
    try requireFloats(logits, "binary_cross_entropy")
    guard logits.shape.count <= 3 else {
      throw GraphError(
        "binary_cross_entropy", "expected logits of shape [\(batch), classes], got \(logits.shape)")
    }
    let rows = logits.shape.dropLast().reduce(1, *)
    guard values[labels.value].origin == .labels, labels.shape == [rows] else {
      throw GraphError("binary_cross_entropy", "expected labels of shape [\(rows)], got \(labels.shape)")
    }
    return applyLoss(
      BinaryCrossEntropy(positiveWeight: Float(positiveWeight)), [logits, labels],
      count: logits.shape.reduce(1, *))
  }
}

/// Reads logits and labels. Backward needs the inputs.
struct BinaryCrossEntropy: Loss {
  let name = "binary_cross_entropy"
  var makes = LossResults.loss
  let positiveWeight: Float

  init(positiveWeight: Float) { self.positiveWeight = positiveWeight }

  func emit(_ step: Step, _ emitter: inout Emitter) {
    let z = emitter.values[step.inputs[0]]
    let (losses, hits) = (emitter.temporary(columns: z.rows), emitter.temporary(columns: z.rows))
    emitter.add(
      Instruction(
        .binaryCrossEntropy, [step.inputs[0], step.inputs[1], losses, hits] + gradientOutput(step),
        sizes: [z.columns, z.stride], numbers: [Float(1 / Double(z.rows * z.columns)), positiveWeight],
        split: Split(z.rows, unit: 8, nanoseconds: z.floats * 2)))
    if makes != .gradient {
      emitter.add(Instruction(.addRows, [losses, step.outputs[0], hits], sizes: [z.rows]))
    }
  }
}
