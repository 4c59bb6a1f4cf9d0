extension Graph {
  /// The mean over all elements of |prediction - target|. Reference: PyTorch's l1_loss.
  public mutating func meanAbsoluteError(_ prediction: Node, targets: Node) throws(GraphError) -> Node {
    try robust(RobustError(name: "mae", delta: 0), prediction, targets)
  }

  /// The mean over all elements of d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2), with
  /// d = prediction - target. References: Huber 1964; PyTorch's huber_loss.
  public mutating func huberError(_ prediction: Node, targets: Node, delta: Double) throws(GraphError) -> Node
  {
    guard delta > 0 else { throw GraphError("huber", "delta must be > 0, got \(delta)") }
    return try robust(RobustError(name: "huber", delta: delta), prediction, targets)
  }

  private mutating func robust(_ loss: RobustError, _ prediction: Node, _ targets: Node) throws(GraphError)
    -> Node
  {
    try requireFloats(prediction, loss.name)
    guard values[targets.value].origin == .targets, targets.shape == prediction.shape else {
      throw GraphError(loss.name, "expected targets of shape \(prediction.shape), got \(targets.shape)")
    }
    return applyLoss(loss, [prediction, targets], count: prediction.shape.reduce(1, *))
  }
}

/// Reads predictions and targets. Backward needs the inputs.
struct RobustError: Loss {
  let name: String
  /// 0 for the absolute error.
  let delta: Double
  var makes = LossResults.loss

  init(name: String, delta: Double) {
    self.name = name
    self.delta = delta
  }

  func emit(_ step: Step, _ emitter: inout Emitter) {
    let x = emitter.values[step.inputs[0]]
    let losses = emitter.temporary(columns: x.rows)
    emitter.add(
      Instruction(
        .robustError, [step.inputs[0], step.inputs[1], losses] + gradientOutput(step),
        sizes: [x.columns, x.stride], numbers: [Float(delta), Float(1 / Double(x.rows * x.columns))],
        split: Split(x.rows, unit: 8, nanoseconds: x.floats / 8)))
    if makes != .gradient {
      emitter.add(Instruction(.addRows, [losses, step.outputs[0]], sizes: [x.rows]))
    }
  }
}
