extension Graph {
  /// Sets each element to 0 with probability `p` and scales the others by 1 / (1 - p); in evaluation plans it is
  /// nothing at all. `stream` numbers the layer, so that two layers drop different elements.
  /// Reference: Srivastava et al. 2014; PyTorch's Dropout.
  public mutating func dropout(_ x: Node, p: Double, stream: UInt32) throws(GraphError) -> Node {
    try requireFloats(x, "dropout")
    guard p >= 0, p <= 1 else { throw GraphError("dropout", "p must be from 0 to 1, got \(p)") }
    return apply(Dropout(p: p, stream: stream), [x], shape: x.shape)
  }
}

/// The mask is a function of seed, stream, step and the element's place in memory: dropping the gradient is the same
/// instruction on dy, and nothing is kept.
struct Dropout: Operation {
  let name = "dropout"
  let p: Double
  let stream: UInt32

  func differentiate(_ step: Step, _ dy: Int?, _ gradients: inout Differentiation) throws(GraphError) {
    guard let dy, gradients.isWanted(step.inputs[0]) else { return }
    gradients.contribute(to: step.inputs[0], self, [dy])
  }

  func emit(_ step: Step, _ emitter: inout Emitter) {
    emitter.elementwise(
      .dropout, [step.inputs[0], step.outputs[0]], nanosecondsPerVector: 20,
      numbers: [p < 1 ? Float(1 / (1 - p)) : 0], integers: [Int(stream), Self.threshold(p)])
  }

  /// p in units of 2^-24: a uniform number of 24 bits below it drops the element.
  static func threshold(_ p: Double) -> Int { Int((p * 0x1p24).rounded()) }
}
