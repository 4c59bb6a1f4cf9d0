extension Graph {
  /// Which units of an activation were above 0 for any example of the batch: 1 or 0 for each of its columns, which are
  /// channels for pictures. To be shown by a plan's `probes`.
  public mutating func firedUnits(_ x: Node) throws(GraphError) -> Node {
    try requireFloats(x, "fired units")
    return apply(FiredUnits(), [x], shape: [1, values[x.value].columns], rows: 1)
  }
}

/// Reads an activation; nothing is differentiated.
struct FiredUnits: Operation {
  let name = "fired units"

  func emit(_ step: Step, _ emitter: inout Emitter) {
    let x = emitter.values[step.inputs[0]]
    emitter.add(
      Instruction(
        .firedColumns, [step.inputs[0], step.outputs[0]], sizes: [x.rows, 0, x.stride],
        split: Split(x.stride, unit: 64, nanoseconds: x.floats / 16)))
  }
}
