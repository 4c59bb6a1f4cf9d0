extension Graph {
  /// Each example, or each time step of a sequence, to mean 0 and variance 1, then times `weight` plus `bias`, both of
  /// the width of what is normalized. Reference: PyTorch's layer_norm; Ba, Kiros, Hinton 2016.
  public mutating func layerNorm(_ x: Node, weight: Node, bias: Node, epsilon: Double) throws(GraphError)
    -> Node
  {
    try normalize("layer_norm", x, [weight, bias], RowNormalization(isCentered: true, epsilon: epsilon))
  }

  /// Each example, or each time step of a sequence, to root mean square 1, then times `weight`.
  /// Reference: PyTorch's rms_norm; Zhang, Sennrich 2019.
  public mutating func rmsNorm(_ x: Node, weight: Node, epsilon: Double) throws(GraphError) -> Node {
    try normalize("rms_norm", x, [weight], RowNormalization(isCentered: false, epsilon: epsilon))
  }

  private mutating func normalize(
    _ name: String, _ x: Node, _ parameters: [Node], _ operation: RowNormalization
  ) throws(GraphError) -> Node {
    try requireFloats(x, name)
    guard x.shape.count <= 3 else {
      throw GraphError(name, "expected shape [batch, width] or [batch, time, width], got \(x.shape)")
    }
    for parameter in parameters {
      guard case .parameter = values[parameter.value].origin, parameter.shape == [x.shape.last ?? 0] else {
        throw GraphError(name, "expected parameters of shape \(x.shape.suffix(1)), got \(parameter.shape)")
      }
    }
    let y = apply(operation, [x] + parameters, shape: x.shape)
    // Mean and scale of each row are kept.
    let statistics = add(Value(origin: .computed, rows: 1, columns: 2 * values[x.value].rows))
    steps[steps.count - 1].outputs.append(statistics)
    return y
  }
}

/// Reads x, weight and, when centered, bias; makes y and each row's mean and scale. Backward needs x, weight and those.
struct RowNormalization: Operation {
  let name = "row normalization"
  let isCentered: Bool
  let epsilon: Double

  func differentiate(_ step: Step, _ dy: Int?, _ gradients: inout Differentiation) throws(GraphError) {
    guard let dy else { return }
    let (x, weight, statistics) = (step.inputs[0], step.inputs[1], step.outputs[1])
    gradients.contribute(
      to: Array(step.inputs.dropFirst()), RowNormalizationParameterGradients(), [dy, x, statistics])
    if gradients.isWanted(x) {
      gradients.contribute(
        to: x, RowNormalizationGradient(isCentered: isCentered), [dy, x, weight, statistics])
    }
  }

  func emit(_ step: Step, _ emitter: inout Emitter) {
    let x = emitter.values[step.inputs[0]]
    let bias = isCentered ? step.inputs[2] : step.inputs[1]
    emitter.add(
      Instruction(
        .normalizeRows, [step.inputs[0], step.inputs[1], bias] + step.outputs,
        sizes: [x.columns, x.stride, isCentered ? 1 : 0], numbers: [Float(epsilon)],
        split: Split(x.rows, unit: 16, nanoseconds: x.floats / 5)))
  }
}

/// Reads dy, x, weight, statistics, and where one is fused another part of x's gradient.
struct RowNormalizationGradient: Operation {
  let name = "row normalization gradient"
  let isCentered: Bool

  func emit(_ step: Step, _ emitter: inout Emitter) {
    let x = emitter.values[step.inputs[1]]
    emitter.add(
      Instruction(
        .normalizeRowsGradient, Array(step.inputs.prefix(4)) + step.outputs + step.inputs.dropFirst(4),
        sizes: [x.columns, x.stride, isCentered ? 1 : 0],
        split: Split(x.rows, unit: 16, nanoseconds: x.floats / 4)))
  }

  /// row normalization gradient, add -> one step: a residual connection's two gradients.
  static func fuse(_ program: inout Program) {
    for index in program.steps.indices {
      let step = program.steps[index]
      guard let gradient = step.operation as? RowNormalizationGradient, step.inputs.count == 4,
        let reader = program.onlyReader(of: step.outputs[0]), program.steps[reader].operation is Addition
      else { continue }
      let parts = program.steps[reader].inputs
      guard let other = parts.first(where: { $0 != step.outputs[0] }),
        program.steps[..<index].contains(where: { $0.outputs.contains(other) })
      else { continue }
      program.steps[index] = Step(
        gradient, inputs: step.inputs + [other], outputs: program.steps[reader].outputs)
      program.steps[reader] = Step(Nothing(), inputs: [], outputs: [])
    }
  }
}

/// Reads dy, x and statistics; makes the weight's gradient and, when there is a bias, the bias's.
struct RowNormalizationParameterGradients: Operation {
  let name = "row normalization parameter gradients"

  func emit(_ step: Step, _ emitter: inout Emitter) {
    let x = emitter.values[step.inputs[1]]
    emitter.add(
      Instruction(
        .normalizeRowsParameterGradients, step.inputs + step.outputs, sizes: [x.rows, x.stride],
        split: Split(x.stride, unit: 32, nanoseconds: x.floats / 8)))
  }
}
