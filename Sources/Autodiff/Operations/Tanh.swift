extension Graph {
  /// The hyperbolic tangent of each element.
  public mutating func tanh(_ x: Node) throws(GraphError) -> Node {
    try requireFloats(x, "tanh")
    return apply(Tanh(), [x], shape: x.shape)
  }
}

/// y = tanh x. Backward needs the output: dx = dy (1 - y^2).
struct Tanh: Operation {
  let name = "tanh"

  func differentiate(_ step: Step, _ dy: Int?, _ gradients: inout Differentiation) throws(GraphError) {
    guard let dy, gradients.isWanted(step.inputs[0]) else { return }
    gradients.contribute(to: step.inputs[0], TanhGradient(), [dy, step.outputs[0]])
  }

  func emit(_ step: Step, _ emitter: inout Emitter) {
    emitter.elementwise(.tanh, [step.inputs[0], step.outputs[0]], nanosecondsPerVector: 20)
  }
}

/// Reads dy and y.
struct TanhGradient: Operation {
  let name = "tanh gradient"

  func emit(_ step: Step, _ emitter: inout Emitter) {
    emitter.elementwise(.tanhGradient, [step.inputs[0], step.inputs[1], step.outputs[0]])
  }
}
