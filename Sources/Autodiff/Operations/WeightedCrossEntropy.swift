extension Graph {
  /// Cross entropy with a weight for each class: the sum over the batch of the weighted losses divided by the sum of the
  /// labels' weights; a label of -100 counts for nothing. logits and labels as in `crossEntropy`. Reference: PyTorch's
  /// cross_entropy with `weight`.
  public mutating func weightedCrossEntropy(
    _ logits: Node, labels: Node, weights: [Double], labelSmoothing: Double = 0
  ) throws(GraphError) -> Node {
    let name = "cross_entropy"
    try requireFloats(logits, name)
    let (rows, classes) = (logits.shape.dropLast().reduce(1, *), logits.shape.last ?? 0)
    guard logits.shape.count <= 3, values[labels.value].origin == .labels, labels.shape == [rows] else {
      throw GraphError(
        name, "expected labels of shape [\(rows)] for logits \(logits.shape), got \(labels.shape)")
    }
    guard weights.count == classes, weights.allSatisfy({ $0 >= 0 && $0.isFinite }) else {
      throw GraphError(name, "expected \(classes) weights >= 0, got \(weights)")
    }
    let constant = constant(weights.map { Float($0) }, columns: classes)
    return applyLoss(
      WeightedCrossEntropy(smoothing: labelSmoothing), [logits, labels, constant], count: 0)
  }
}

/// Reads logits, labels and weights. Backward needs the inputs. What the loss is the mean over is not known before it
/// is run: the results hold it.
struct WeightedCrossEntropy: Loss {
  let name = "weighted_cross_entropy"
  let smoothing: Double
  var makes = LossResults.loss

  init(smoothing: Double) { self.smoothing = smoothing }

  func emit(_ step: Step, _ emitter: inout Emitter) {
    let (logits, labels, weights) = (step.inputs[0], step.inputs[1], step.inputs[2])
    let z = emitter.values[logits]
    let (losses, hits) = (emitter.temporary(columns: z.rows), emitter.temporary(columns: z.rows))
    let total = emitter.temporary(columns: 16)
    emitter.add(
      Instruction(
        .labelWeights, [labels, weights, total] + (makes == .gradient ? [] : [step.outputs[0]]),
        sizes: [z.rows, z.columns]))
    emitter.add(
      Instruction(
        .weightedCrossEntropy, [logits, labels, weights, total, losses, hits] + gradientOutput(step),
        sizes: [z.columns, z.stride], numbers: [Float(smoothing)],
        split: Split(z.rows, unit: 8, nanoseconds: z.floats * 2)))
    if makes != .gradient {
      emitter.add(Instruction(.addRows, [losses, step.outputs[0], hits], sizes: [z.rows]))
    }
  }
}
