extension Graph {
  /// x W^T + b with PyTorch's weight [out, in] and bias [out]: [batch, in] becomes [batch, out],
  /// [batch, time, in] becomes [batch, time, out].
  public mutating func linear(_ x: Node, weight: Node, bias: Node?) throws(GraphError) -> Node {
    try requireFloats(x, "linear")
    guard weight.shape.count == 2, case .parameter = values[weight.value].origin else {
      throw GraphError("linear", "expected a weight of shape [out, in], got \(weight.shape)")
    }
    let (out, features) = (weight.shape[0], weight.shape[1])
    guard x.shape.count <= 3, x.shape.last == features else {
      throw GraphError("linear", "expected an input of shape [\(batch), \(features)], got \(x.shape)")
    }
    if let bias {
      guard bias.shape == [out], case .parameter = values[bias.value].origin else {
        throw GraphError("linear", "expected a bias of shape [\(out)], got \(bias.shape)")
      }
    }
    return apply(Linear(), [x, weight] + (bias.map { [$0] } ?? []), shape: x.shape.dropLast() + [out])
  }
}

/// An activation that a product can apply to its result while it is near.
enum FusedActivation: Sendable {
  case none, relu, tanh

  /// The activation that an operation is.
  init?(_ operation: any Operation) {
    switch operation {
    case is Relu: self = .relu
    case is Tanh: self = .tanh
    default: return nil
    }
  }
}

/// y = activation(x W + b) with W as stored, [in, out]. Backward needs the input and the weight.
struct Linear: Operation {
  let name = "linear"
  var activation = FusedActivation.none

  func differentiate(_ step: Step, _ dy: Int?, _ gradients: inout Differentiation) throws(GraphError) {
    guard let dy else { return }
    let (x, weight) = (step.inputs[0], step.inputs[1])
    gradients.contribute(to: weight, LinearWeightGradient(), [x, dy])
    if step.inputs.count > 2 { gradients.contribute(to: step.inputs[2], ColumnSums(), [dy]) }
    // Nobody wants the gradient of the data.
    if gradients.isWanted(x) { gradients.contribute(to: x, LinearInputGradient(), [dy, weight]) }
  }

  func emit(_ step: Step, _ emitter: inout Emitter) {
    let (x, y) = (emitter.values[step.inputs[0]], emitter.values[step.outputs[0]])
    let weight = emitter.values[step.inputs[1]]
    let bias = step.inputs.count > 2 ? step.inputs[2] : nil
    let epilogue: ProductEpilogue =
      switch (bias, activation) {
      case (nil, _): .plain
      case (_, .none): .bias
      case (_, .relu): .biasRelu
      case (_, .tanh): .biasTanh
      }
    emitter.product(
      step.inputs[0], step.inputs[1], step.outputs[0], rows: x.rows, columns: y.columns, inner: x.columns,
      a: (x.stride, 1), b: (weight.stride, 1), epilogue, bias)
    // Without bias an activation is a pass of its own.
    if bias == nil, activation != .none {
      emitter.elementwise(activation == .relu ? .relu : .tanh, [step.outputs[0], step.outputs[0]])
    }
  }

  /// linear, relu | tanh -> one step, where nobody else reads what is between.
  static func fuse(_ program: inout Program) {
    for index in program.steps.indices {
      guard let linear = program.steps[index].operation as? Linear, linear.activation == .none,
        let reader = program.onlyReader(of: program.steps[index].outputs[0]),
        let activation = FusedActivation(program.steps[reader].operation)
      else { continue }
      program.steps[index].operation = Linear(activation: activation)
      program.steps[index].outputs = program.steps[reader].outputs
      program.steps[reader] = Step(Nothing(), inputs: [], outputs: [])
    }
  }
}

/// dW = x^T dy, [in, out]. Reads x and dy.
struct LinearWeightGradient: Operation {
  let name = "linear weight gradient"

  func emit(_ step: Step, _ emitter: inout Emitter) {
    let (x, dy) = (emitter.values[step.inputs[0]], emitter.values[step.inputs[1]])
    emitter.product(
      step.inputs[0], step.inputs[1], step.outputs[0], rows: x.columns, columns: dy.columns, inner: x.rows,
      a: (1, x.stride), b: (dy.stride, 1), .plain, nil)
  }
}

/// dx = dy W^T, multiplied with an activation's slope where one was fused. Reads dy, W, and then the activation's
/// output or that slope.
struct LinearInputGradient: Operation {
  let name = "linear input gradient"
  var epilogue = ProductEpilogue.plain

  func emit(_ step: Step, _ emitter: inout Emitter) {
    let (dy, weight) = (emitter.values[step.inputs[0]], emitter.values[step.inputs[1]])
    emitter.product(
      step.inputs[0], step.inputs[1], step.outputs[0], rows: dy.rows, columns: weight.rows, inner: dy.columns,
      a: (dy.stride, 1), b: (1, weight.stride), epilogue, step.inputs.count > 2 ? step.inputs[2] : nil)
  }

  /// linear input gradient, relu gradient | tanh gradient | slope product -> one step.
  static func fuse(_ program: inout Program) {
    for index in program.steps.indices {
      let step = program.steps[index]
      guard let product = step.operation as? LinearInputGradient, product.epilogue == .plain,
        let reader = program.onlyReader(of: step.outputs[0]),
        program.steps[reader].inputs[0] == step.outputs[0],
        let epilogue = epilogue(of: program.steps[reader].operation)
      else { continue }
      program.steps[index] = Step(
        LinearInputGradient(epilogue: epilogue), inputs: step.inputs + [program.steps[reader].inputs[1]],
        outputs: program.steps[reader].outputs)
      program.steps[reader] = Step(Nothing(), inputs: [], outputs: [])
    }
  }

  private static func epilogue(of operation: any Operation) -> ProductEpilogue? {
    switch operation {
    case is ReluGradient: .reluGradient
    case is TanhGradient: .tanhGradient
    case is SlopeProduct: .slope
    default: nil
    }
  }
}

/// db = the sum of dy over the batch.
struct ColumnSums: Operation {
  let name = "column sums"

  func emit(_ step: Step, _ emitter: inout Emitter) {
    let dy = emitter.values[step.inputs[0]]
    emitter.add(
      Instruction(
        .columnSums, [step.inputs[0], step.outputs[0]], sizes: [dy.rows, dy.stride, dy.stride],
        split: Split(dy.stride, unit: 64, nanoseconds: dy.floats / 16)))
  }
}
