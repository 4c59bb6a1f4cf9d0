extension Graph {
  /// The mean over all elements of (prediction - target)^2. Reference: PyTorch's mse_loss.
  public mutating func meanSquaredError(_ prediction: Node, targets: Node) throws(GraphError) -> Node {
    try requireFloats(prediction, "mse")
    guard values[targets.value].origin == .targets, targets.shape == prediction.shape else {
      throw GraphError("mse", "expected targets of shape \(prediction.shape), got \(targets.shape)")
    }
    return applyLoss(
      MeanSquaredError(), [prediction, targets], count: prediction.shape.reduce(1, *))
  }
}

/// Reads predictions and targets. Backward needs the inputs: dx = 2 (x - t) / elements.
struct MeanSquaredError: Loss {
  let name = "mse"
  var makes = LossResults.loss

  func emit(_ step: Step, _ emitter: inout Emitter) {
    let x = emitter.values[step.inputs[0]]
    let losses = emitter.temporary(columns: x.rows)
    emitter.add(
      Instruction(
        .squaredError, [step.inputs[0], step.inputs[1], losses] + gradientOutput(step),
        sizes: [x.rows, x.columns, x.stride], numbers: [Float(2 / Double(x.rows * x.columns))],
        split: Split(x.rows, unit: 8, nanoseconds: x.floats / 8)))
    if makes != .gradient {
      emitter.add(Instruction(.addRows, [losses, step.outputs[0]], sizes: [x.rows]))
    }
  }
}
