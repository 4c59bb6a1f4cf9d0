extension Graph {
  /// All numbers of an example in one row: [batch, n]. The time steps of a sequence come together without padding,
  /// those of images in the order [channel, height, width].
  public mutating func flatten(_ x: Node) throws(GraphError) -> Node {
    try requireFloats(x, "flatten")
    let shape = [x.shape[0], x.shape.dropFirst().reduce(1, *)]
    if values[x.value].columns == shape[1] { return Node(value: x.value, shape: shape) }
    if x.shape.count == 4 {
      return apply(ImageOrder(toPlanes: true, channels: x.shape[1]), [x], shape: shape)
    }
    return apply(FlattenSequence(steps: x.shape[1], width: x.shape[2]), [x], shape: shape)
  }
}

/// [batch * steps, width] becomes [batch, steps * width], or the other way round. Backward needs nothing.
struct FlattenSequence: Operation {
  let name = "flatten"
  let steps: Int
  let width: Int
  var isInverse = false

  func differentiate(_ step: Step, _ dy: Int?, _ gradients: inout Differentiation) throws(GraphError) {
    guard let dy, gradients.isWanted(step.inputs[0]) else { return }
    gradients.contribute(
      to: step.inputs[0], FlattenSequence(steps: steps, width: width, isInverse: true), [dy])
  }

  func emit(_ step: Step, _ emitter: inout Emitter) {
    let flat = emitter.values[isInverse ? step.inputs[0] : step.outputs[0]]
    let apart = (row: steps * padded(width), part: padded(width))
    let together = (row: flat.stride, part: width)
    let (from, to) = isInverse ? (together, apart) : (apart, together)
    emitter.add(
      Instruction(
        .repack, [step.inputs[0], step.outputs[0]],
        sizes: [steps, width, from.row, from.part, to.row, to.part],
        split: Split(flat.rows, unit: 1, nanoseconds: flat.floats / 8)))
  }
}
