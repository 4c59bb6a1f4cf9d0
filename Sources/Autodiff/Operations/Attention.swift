import Kernels

extension Graph {
  /// softmax(q k^T / sqrt(width / heads)) v of each head, the heads' results next to each other.
  /// qkv: [batch, time, 3 width], as one linear layer makes queries, keys and values; the result is
  /// [batch, time, width]. With `isCausal` a time step looks at no later one. `p` of the weights are dropped in
  /// training, from a stream as `dropout`'s. Reference: PyTorch's MultiheadAttention; Vaswani et al. 2017.
  public mutating func attention(_ qkv: Node, heads: Int, isCausal: Bool, p: Double = 0, stream: UInt32 = 0)
    throws(GraphError) -> Node
  {
    try requireFloats(qkv, "attention")
    guard qkv.shape.count == 3, heads >= 1, qkv.shape[2] % (3 * heads) == 0 else {
      throw GraphError(
        "attention",
        "expected queries, keys and values [\(batch), time, 3 width] with a width that is a multiple of the "
          + "\(heads) heads, got \(qkv.shape)")
    }
    guard p >= 0, p < 1 else {
      throw GraphError("attention", "dropout must be from 0 to 1, 1 excluded, got \(p)")
    }
    let (time, width) = (qkv.shape[1], qkv.shape[2] / 3)
    let operation = Attention(
      steps: time, heads: heads, width: width / heads, isCausal: isCausal, p: p, stream: stream)
    let y = apply(operation, [qkv], shape: [qkv.shape[0], time, width], rows: qkv.shape[0] * time)
    // The logarithms of the softmaxes' sums are kept, and nothing of size [time, time].
    let sums = add(Value(origin: .computed, rows: qkv.shape[0] * heads, columns: time))
    steps[steps.count - 1].outputs.append(sums)
    return y
  }
}

/// Reads queries, keys and values; makes the output and the logarithms of the softmaxes' sums. Backward needs all three.
struct Attention: Operation {
  let name = "attention"
  let steps: Int
  let heads: Int
  let width: Int
  let isCausal: Bool
  var p: Double
  let stream: UInt32

  func differentiate(_ step: Step, _ dy: Int?, _ gradients: inout Differentiation) throws(GraphError) {
    guard let dy, gradients.isWanted(step.inputs[0]) else { return }
    gradients.contribute(
      to: step.inputs[0], AttentionGradient(forward: self), [dy, step.inputs[0]] + step.outputs)
  }

  func emit(_ step: Step, _ emitter: inout Emitter) {
    emitter.add(instruction(.attention, step, emitter.values[step.outputs[1]].rows, products: 2))
  }

  func instruction(_ opcode: Opcode, _ step: Step, _ units: Int, products: Int) -> Instruction {
    Instruction(
      opcode, step.inputs + step.outputs,
      sizes: [steps, heads, width, isCausal ? 1 : 0, Int(stream), Dropout.threshold(p)],
      numbers: [Float(1 / (1 - p))],
      split: Split(units, unit: 1, nanoseconds: units * products * steps * steps * (width / 50 + 1)),
      scratch: productScratchFloats + attentionScratchFloats(steps, width))
  }

  /// An evaluation drops nothing.
  static func removeDropout(_ program: inout Program) {
    for index in program.steps.indices {
      guard var attention = program.steps[index].operation as? Attention else { continue }
      attention.p = 0
      program.steps[index].operation = attention
    }
  }
}

/// Reads dy, queries with keys and values, the output and the logarithms of the sums.
struct AttentionGradient: Operation {
  let name = "attention gradient"
  let forward: Attention

  func emit(_ step: Step, _ emitter: inout Emitter) {
    emitter.add(
      forward.instruction(.attentionGradient, step, emitter.values[step.inputs[3]].rows, products: 5))
  }
}
