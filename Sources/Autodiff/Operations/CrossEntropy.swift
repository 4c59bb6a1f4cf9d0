extension Graph {
  /// The mean over the batch of -log softmax(logits)[label]; with `labelSmoothing` e the label counts 1 - e + e/C
  /// and every other class e/C. logits: [batch, classes], or
  /// [batch, time, classes] with labels for each time step. Reference: PyTorch's cross_entropy.
  public mutating func crossEntropy(_ logits: Node, labels: Node, labelSmoothing: Double = 0)
    throws(GraphError)
    -> Node
  {
    try requireFloats(logits, "cross_entropy")
    guard logits.shape.count <= 3 else {
      throw GraphError("cross_entropy", "expected logits of shape [\(batch), classes], got \(logits.shape)")
    }
    let rows = logits.shape.dropLast().reduce(1, *)
    guard values[labels.value].origin == .labels, labels.shape == [rows] else {
      throw GraphError("cross_entropy", "expected labels of shape [\(rows)], got \(labels.shape)")
    }
    guard labelSmoothing >= 0, labelSmoothing <= 1 else {
      throw GraphError("cross_entropy", "label_smoothing must be from 0 to 1, got \(labelSmoothing)")
    }
    return applyLoss(CrossEntropy(smoothing: labelSmoothing), [logits, labels], count: rows)
  }
}

/// Reads logits and labels; makes the loss, its gradient by the logits, or after fusing both in one pass. Backward
/// needs the inputs.
struct CrossEntropy: Loss {
  let name = "cross_entropy"
  let smoothing: Double
  var makes = LossResults.loss

  func emit(_ step: Step, _ emitter: inout Emitter) {
    let logits = emitter.values[step.inputs[0]]
    let (losses, hits) = (emitter.temporary(columns: logits.rows), emitter.temporary(columns: logits.rows))
    emitter.add(
      Instruction(
        .crossEntropy, [step.inputs[0], step.inputs[1], losses, hits] + gradientOutput(step),
        sizes: [logits.rows, logits.columns, logits.stride],
        numbers: [Float(smoothing), Float(1 / Double(logits.rows))],
        split: Split(logits.rows, unit: 8, nanoseconds: logits.floats)))
    if makes != .gradient {
      emitter.add(Instruction(.addRows, [losses, step.outputs[0], hits], sizes: [logits.rows]))
    }
  }
}
