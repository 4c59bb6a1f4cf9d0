extension Graph {
  /// a + b, element by element; both of one shape.
  public mutating func add(_ a: Node, _ b: Node) throws(GraphError) -> Node {
    try requireFloats(a, "add")
    try requireFloats(b, "add")
    guard a.shape == b.shape else {
      throw GraphError("add", "expected two values of one shape, got \(a.shape) and \(b.shape)")
    }
    // Images as they are fed lie otherwise than those that were computed.
    return apply(Addition(), [try pixelRows(a, "add"), try pixelRows(b, "add")], shape: a.shape)
  }
}

/// c = a + b. Backward needs nothing: dc is both gradients. Also joins the parts of a gradient.
struct Addition: Operation {
  let name = "add"

  func differentiate(_ step: Step, _ dy: Int?, _ gradients: inout Differentiation) throws(GraphError) {
    guard let dy else { return }
    for input in step.inputs where gradients.isWanted(input) { gradients.pass(dy, to: input) }
  }

  func emit(_ step: Step, _ emitter: inout Emitter) {
    emitter.elementwise(.add, [step.inputs[0], step.inputs[1], step.outputs[0]])
  }
}
