import Kernels

/// Functions of one number that are told apart by a number of their own; ReLU and tanh, which products know, are
/// operations of their own.
public enum ActivationFunction: Sendable, Equatable {
  /// x, or `slope` x below 0.
  case leakyRelu(slope: Double)
  /// x, or alpha (e^x - 1) below 0.
  case elu(alpha: Double)
  /// ELU with two constants that keep mean and variance. Klambauer et al. 2017.
  case selu
  /// x times the normal distribution's function.
  case gelu
  /// x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2.
  case geluTanh
  /// x sigmoid(x).
  case silu
  /// 1 / (1 + e^-x).
  case sigmoid
  /// log(1 + e^(beta x)) / beta.
  case softplus(beta: Double)
  /// x clamp(x + 3, 0, 6) / 6.
  case hardswish

  /// The kernels' number for it.
  var kind: Int32 {
    switch self {
    case .leakyRelu: activationLeakyRelu
    case .elu: activationElu
    case .selu: activationSelu
    case .gelu: activationGelu
    case .geluTanh: activationGeluTanh
    case .silu: activationSilu
    case .sigmoid: activationSigmoid
    case .softplus: activationSoftplus
    case .hardswish: activationHardswish
    }
  }

  var alpha: Double {
    switch self {
    case .leakyRelu(let slope): slope
    case .elu(let alpha): alpha
    case .softplus(let beta): beta
    default: 0
    }
  }

  /// Whether padding stays 0.
  var isZeroAtZero: Bool { kind != activationSigmoid && kind != activationSoftplus }
}

extension Graph {
  /// An activation of each element. Reference: PyTorch's functions of these names and their slopes at corners.
  public mutating func activation(_ function: ActivationFunction, _ x: Node) throws(GraphError) -> Node {
    try requireFloats(x, "\(function)")
    return apply(Activation(function: function), [x], shape: x.shape)
  }
}

/// y = f(x). Backward needs the input.
struct Activation: Operation {
  let function: ActivationFunction

  var name: String { "\(function)" }

  func differentiate(_ step: Step, _ dy: Int?, _ gradients: inout Differentiation) throws(GraphError) {
    guard let dy, gradients.isWanted(step.inputs[0]) else { return }
    gradients.contribute(to: step.inputs[0], ActivationGradient(function: function), [dy, step.inputs[0]])
  }

  func emit(_ step: Step, _ emitter: inout Emitter) {
    emitter.elementwise(
      .activation, [step.inputs[0], step.outputs[0]], nanosecondsPerVector: 10,
      numbers: [Float(function.alpha)], integers: [Int(function.kind)])
    let y = emitter.values[step.outputs[0]]
    if !function.isZeroAtZero, y.columns < y.stride {
      emitter.add(Instruction(.clearPadding, [step.outputs[0]], sizes: [y.rows, y.columns, y.stride]))
    }
  }
}

/// Reads dy, whose padding is 0, and x.
struct ActivationGradient: Operation {
  let function: ActivationFunction

  var name: String { "\(function) gradient" }

  func emit(_ step: Step, _ emitter: inout Emitter) {
    emitter.elementwise(
      .activationGradient, [step.inputs[0], step.inputs[1], step.outputs[0]], nanosecondsPerVector: 12,
      numbers: [Float(function.alpha)], integers: [Int(function.kind)])
  }
}

/// GELU that also makes its slope, whose parts are the same: the backward pass is a multiplication. Reads x; makes y and
/// the slope.
struct GeluWithSlope: Operation {
  let name = "gelu with slope"

  func emit(_ step: Step, _ emitter: inout Emitter) {
    emitter.elementwise(
      .geluWithSlope, [step.inputs[0], step.outputs[0], step.outputs[1]], nanosecondsPerVector: 10)
  }

  /// gelu and its gradient -> gelu with slope and a product, where nobody else reads x.
  static func fuse(_ program: inout Program) {
    for index in program.steps.indices {
      guard (program.steps[index].operation as? Activation)?.function == .gelu else { continue }
      let x = program.steps[index].inputs[0]
      let readers = program.readers(of: x).filter { $0 != index }
      guard readers.count == 1, program.steps[readers[0]].inputs.last == x,
        (program.steps[readers[0]].operation as? ActivationGradient)?.function == .gelu
      else { continue }
      let slope = program.addValue(like: x)
      program.steps[index] = Step(
        GeluWithSlope(), inputs: [x], outputs: program.steps[index].outputs + [slope])
      program.steps[readers[0]] = Step(
        SlopeProduct(), inputs: [program.steps[readers[0]].inputs[0], slope],
        outputs: program.steps[readers[0]].outputs)
    }
  }
}

/// Reads dy and a slope; makes their product.
struct SlopeProduct: Operation {
  let name = "slope product"

  func emit(_ step: Step, _ emitter: inout Emitter) {
    emitter.elementwise(.multiply, [step.inputs[0], step.inputs[1], step.outputs[0]])
  }
}
