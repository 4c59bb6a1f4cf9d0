extension Graph {
  /// The rows of a table [vocabulary, width] at the places that the input's numbers name: [batch, time] becomes
  /// [batch, time, width]. What names no row becomes not-a-number. Reference: PyTorch's embedding.
  public mutating func embedding(_ tokens: Node, table: Node) throws(GraphError) -> Node {
    guard values[tokens.value].origin == .input, tokens.shape.count == 2 else {
      throw GraphError(
        "embedding", "expected tokens, the input of shape [\(batch), time], got \(tokens.shape)")
    }
    guard case .parameter(let index) = values[table.value].origin, layout.entries[index].isTable else {
      throw GraphError("embedding", "expected a table [vocabulary, width], got \(table.shape)")
    }
    let rows = tokens.shape[0] * tokens.shape[1]
    return apply(
      Embedding(steps: tokens.shape[1]), [tokens, table], shape: tokens.shape + [table.shape[1]], rows: rows)
  }

  /// Adds row t of a table [time, width] to time step t of every example; the table is a parameter or a constant.
  mutating func positions(_ x: Node, table: Node) throws(GraphError) -> Node {
    try requireFloats(x, "positional")
    guard x.shape.count == 3, table.shape == Array(x.shape.dropFirst()) else {
      throw GraphError(
        "positional", "expected [\(batch), time, width] and a table of its example, got \(x.shape)")
    }
    return apply(Positions(steps: x.shape[1]), [x, table], shape: x.shape)
  }

  /// Adds a learned row for each time step; `table` is a parameter declared as a table [time, width].
  public mutating func learnedPositions(_ x: Node, table: Node) throws(GraphError) -> Node {
    guard case .parameter(let index) = values[table.value].origin, layout.entries[index].isTable else {
      throw GraphError("positional", "expected a table [time, width], got \(table.shape)")
    }
    return try positions(x, table: table)
  }

  /// Adds sin(t / 10000^(j / width)) at each even j, the cosine of the same at each odd j + 1.
  /// Reference: Vaswani et al. 2017, section 3.5.
  public mutating func sinusoidalPositions(_ x: Node) throws(GraphError) -> Node {
    try requireFloats(x, "positional")
    guard x.shape.count == 3 else {
      throw GraphError("positional", "expected shape [\(batch), time, width], got \(x.shape)")
    }
    return try positions(
      x, table: constant(Self.sinusoids(steps: x.shape[1], width: x.shape[2]), columns: x.shape[2]))
  }

  static func sinusoids(steps: Int, width: Int) -> [Float] {
    let rates = (0..<(width + 1) / 2).map { pair in
      ExactMath.exp(-ExactMath.log(10_000) * Double(2 * pair) / Double(width))
    }
    return (0..<steps).flatMap { step in
      (0..<width).map { column in
        let angle = Double(step) * rates[column / 2]
        return Float(column % 2 == 0 ? ExactMath.sin(angle) : ExactMath.cos(angle))
      }
    }
  }
}

/// Reads tokens and the table. Backward needs the tokens.
struct Embedding: Operation {
  let name = "embedding"
  let steps: Int

  func differentiate(_ step: Step, _ dy: Int?, _ gradients: inout Differentiation) throws(GraphError) {
    guard let dy, gradients.isWanted(step.inputs[1]) else { return }
    gradients.contribute(to: step.inputs[1], EmbeddingGradient(steps: steps), [step.inputs[0], dy])
  }

  func emit(_ step: Step, _ emitter: inout Emitter) {
    let (tokens, table) = (emitter.values[step.inputs[0]], emitter.values[step.inputs[1]])
    let y = emitter.values[step.outputs[0]]
    emitter.add(
      Instruction(
        .embed, step.inputs + step.outputs, sizes: [steps, tokens.stride, table.rows, y.stride],
        split: Split(y.rows, unit: 16, nanoseconds: y.floats / 16)))
  }
}

/// Reads tokens and dy; makes the whole table's gradient.
struct EmbeddingGradient: Operation {
  let name = "embedding gradient"
  let steps: Int

  func emit(_ step: Step, _ emitter: inout Emitter) {
    let (tokens, dy) = (emitter.values[step.inputs[0]], emitter.values[step.inputs[1]])
    let table = emitter.values[step.outputs[0]]
    emitter.add(
      Instruction(
        .embedGradient, step.inputs + step.outputs,
        sizes: [dy.rows, steps, tokens.stride, table.rows, dy.stride],
        split: Split(dy.stride, unit: 64, nanoseconds: (dy.floats + table.floats) / 16)))
  }
}

/// Reads x and a table of as many rows as there are time steps. Backward needs nothing.
struct Positions: Operation {
  let name = "positional"
  let steps: Int

  func differentiate(_ step: Step, _ dy: Int?, _ gradients: inout Differentiation) throws(GraphError) {
    guard let dy else { return }
    if gradients.isWanted(step.inputs[0]) { gradients.pass(dy, to: step.inputs[0]) }
    if gradients.isWanted(step.inputs[1]) {
      gradients.contribute(to: step.inputs[1], PositionsGradient(steps: steps), [dy])
    }
  }

  func emit(_ step: Step, _ emitter: inout Emitter) {
    let x = emitter.values[step.inputs[0]]
    emitter.add(
      Instruction(
        .addPositions, step.inputs + step.outputs, sizes: [steps, x.stride],
        split: Split(x.rows, unit: 16, nanoseconds: x.floats / 8)))
  }
}

/// Reads dy.
struct PositionsGradient: Operation {
  let name = "positional gradient"
  let steps: Int

  func emit(_ step: Step, _ emitter: inout Emitter) {
    let dy = emitter.values[step.inputs[0]]
    emitter.add(
      Instruction(
        .positionsGradient, step.inputs + step.outputs, sizes: [dy.rows / steps, steps, dy.stride],
        split: Split(steps, unit: 4, nanoseconds: dy.floats / 16)))
  }
}
