extension Graph {
  /// max(x, 0) of each element.
  public mutating func relu(_ x: Node) throws(GraphError) -> Node {
    try requireFloats(x, "relu")
    return apply(Relu(), [x], shape: x.shape)
  }
}

/// y = max(x, 0). Backward needs the output: dx = dy where y > 0, so the slope at 0 is 0, as in PyTorch.
struct Relu: Operation {
  let name = "relu"

  func differentiate(_ step: Step, _ dy: Int?, _ gradients: inout Differentiation) throws(GraphError) {
    guard let dy, gradients.isWanted(step.inputs[0]) else { return }
    gradients.contribute(to: step.inputs[0], ReluGradient(), [dy, step.outputs[0]])
  }

  func emit(_ step: Step, _ emitter: inout Emitter) {
    emitter.elementwise(.relu, [step.inputs[0], step.outputs[0]])
  }
}

/// Reads dy and y.
struct ReluGradient: Operation {
  let name = "relu gradient"

  func emit(_ step: Step, _ emitter: inout Emitter) {
    emitter.elementwise(.reluGradient, [step.inputs[0], step.inputs[1], step.outputs[0]])
  }
}
