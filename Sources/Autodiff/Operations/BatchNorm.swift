extension Graph {
  /// Each channel with mean 0 and variance 1 over the batch, times a weight, plus a bias, both [channels]; evaluation
  /// plans, and training ones where neither weight nor bias trains, use the running statistics instead and leave them
  /// alone. x: [batch, channels] or [batch, channels, height, width];
  /// the running mean and variance are buffers [channels], `batches` is a counter.
  /// Reference: Ioffe, Szegedy 2015; PyTorch's BatchNorm2d.
  public mutating func batchNorm(
    _ x: Node, weight: Node, bias: Node, runningMean: Node, runningVariance: Node, batches: Node,
    epsilon: Double = 1e-5, momentum: Double? = 0.1
  ) throws(GraphError) -> Node {
    let name = "batch_norm"
    try requireFloats(x, name)
    guard x.shape.count == 2 || x.shape.count == 4 else {
      throw GraphError(
        name,
        "expected shape [batch, channels] or [batch, channels, height, width], got \(x.shape)")
    }
    let channels = x.shape[1]
    for (what, node) in [("weight", weight), ("bias", bias)] {
      guard case .parameter = values[node.value].origin, node.shape == [channels] else {
        throw GraphError(name, "expected a \(what) of shape [\(channels)], got \(node.shape)")
      }
    }
    for (what, node) in [("mean", runningMean), ("variance", runningVariance)] {
      guard case .buffer = values[node.value].origin, node.shape == [channels] else {
        throw GraphError(name, "expected a running \(what) of shape [\(channels)], got \(node.shape)")
      }
    }
    guard case .buffer = values[batches.value].origin, batches.shape.isEmpty else {
      throw GraphError(name, "expected a counter of batches, got shape \(batches.shape)")
    }
    guard epsilon >= 0, (0...1).contains(momentum ?? 0) else {
      throw GraphError(
        name, "eps must be at least 0 and momentum from 0 to 1, got \(epsilon) and \(momentum ?? 0)")
    }
    let x = try pixelRows(x, name)
    let isFrozen = !values[weight.value].needsGradient && !values[bias.value].needsGradient
    let operation = BatchNorm(
      epsilon: Float(epsilon), momentum: Float(momentum ?? -1), pixels: x.shape.dropFirst(2).reduce(1, *),
      isTraining: !isFrozen)
    let zeros = isFrozen ? [constant([Float](repeating: 0, count: channels), columns: channels)] : []
    let y = apply(
      operation, [x, weight, bias, runningMean, runningVariance, batches] + zeros, shape: x.shape)
    // Mean, inverse deviation, scale and shift of each channel, for the backward pass.
    let saved = add(Value(origin: .computed, rows: 4, columns: channels))
    steps[steps.count - 1].outputs.append(saved)
    return y
  }
}

/// y = x * scale + shift for each channel, then perhaps max(., 0). Outputs y and the statistics of the batch. Backward
/// needs the input, the weight and the statistics, and y where a ReLU was fused.
struct BatchNorm: Operation {
  let name = "batch_norm"
  let epsilon: Float
  /// Part of the newest statistics in the running ones; below 0 these are the mean of all batches since their counter
  /// was 0.
  var momentum: Float
  /// Of an image; 1 for what is none.
  let pixels: Int
  var isTraining = true
  var rectifies = false

  /// Rows whose sums are taken together: whole images where they are small enough to stay near the core. A constant of
  /// the plan, so that threads cannot change a result.
  func chunk(_ x: Value) -> Int {
    let usual = max(32, min(1024, 16_384 / x.stride))
    return holdsImages(x) ? max(1, usual / pixels) * pixels : usual
  }

  /// Whether chunks are whole images.
  func holdsImages(_ x: Value) -> Bool { pixels > 1 && pixels * x.stride <= 65_536 }

  func differentiate(_ step: Step, _ dy: Int?, _ gradients: inout Differentiation) throws(GraphError) {
    guard let dy else { return }
    let (x, weight, bias) = (step.inputs[0], step.inputs[1], step.inputs[2])
    guard isTraining else {
      return gradients.contribute(
        to: x, FrozenBatchNormGradient(forward: self), [dy, weight, step.inputs[4], step.inputs[6]])
    }
    guard gradients.program.values[x].rows > 1 else {
      throw GraphError(name, "expected more than 1 value per channel in training, got a batch of 1")
    }
    gradients.contribute(
      to: [weight, bias] + (gradients.isWanted(x) ? [x] : []), BatchNormGradient(forward: self),
      [dy, x, step.outputs[1], weight])
  }

  func emit(_ step: Step, _ emitter: inout Emitter) {
    let (coefficients, offset) = emitCoefficients(step, &emitter)
    let x = emitter.values[step.inputs[0]]
    emitter.rows(
      .batchNormalize, [step.inputs[0], coefficients, step.outputs[0]], x, chunk(x),
      [offset, rectifies ? 1 : 0])
  }

  /// Where scale and shift of each channel come to be: a value, and the floats before them.
  func emitCoefficients(_ step: Step, _ emitter: inout Emitter) -> (value: Int, offset: Int) {
    let x = emitter.values[step.inputs[0]]
    let chunk = chunk(x)
    let (weight, bias) = (step.inputs[1], step.inputs[2])
    let (mean, variance, batches) = (step.inputs[3], step.inputs[4], step.inputs[5])
    guard isTraining else {
      let coefficients = emitter.temporary(rows: 2, columns: x.columns)
      emitter.add(
        Instruction(
          .batchCoefficients, [weight, bias, mean, variance, coefficients], sizes: [x.stride],
          numbers: [epsilon]))
      return (coefficients, 0)
    }
    let moments = emitter.temporary(rows: (x.rows + chunk - 1) / chunk, columns: 2 * x.stride)
    emitter.rows(.batchMoments, [step.inputs[0], moments], x, chunk)
    emitter.add(
      Instruction(
        .batchStatistics, [moments, weight, bias, step.outputs[1], mean, variance, batches],
        sizes: [x.rows, chunk, x.stride], numbers: [epsilon, momentum]))
    return (step.outputs[1], 2 * x.stride)
  }

  /// Evaluation: the running statistics instead of the batch's.
  static func useRunningStatistics(_ program: inout Program) {
    for index in program.steps.indices {
      guard var operation = program.steps[index].operation as? BatchNorm else { continue }
      operation.isTraining = false
      program.steps[index].operation = operation
    }
  }

  /// Running statistics become the means over all batches that are run from a counter of 0 on, as PyTorch's update_bn
  /// makes them.
  static func accumulateStatistics(_ program: inout Program) {
    for index in program.steps.indices {
      guard var operation = program.steps[index].operation as? BatchNorm else { continue }
      operation.momentum = -1
      program.steps[index].operation = operation
    }
  }

  /// batch_norm, relu -> one step, and their gradients -> one step.
  static func fuse(_ program: inout Program) {
    for index in program.steps.indices {
      guard var norm = program.steps[index].operation as? BatchNorm, !norm.rectifies,
        let reader = program.onlyReader(of: program.steps[index].outputs[0]),
        program.steps[reader].operation is Relu
      else { continue }
      norm.rectifies = true
      program.steps[index].operation = norm
      program.steps[index].outputs[0] = program.steps[reader].outputs[0]
      program.steps[reader] = Step(Nothing(), inputs: [], outputs: [])
    }
    for index in program.steps.indices {
      guard program.steps[index].operation is ReluGradient,
        let reader = program.onlyReader(of: program.steps[index].outputs[0]),
        program.steps[reader].operation is BatchNormGradient, program.steps[reader].inputs.count == 4
      else { continue }
      let (dy, y) = (program.steps[index].inputs[0], program.steps[index].inputs[1])
      program.steps[reader].inputs[0] = dy
      program.steps[reader].inputs.append(y)
      program.steps[index] = Step(Nothing(), inputs: [], outputs: [])
    }
  }
}

/// Reads dy, x, the statistics, the weight, and y where a ReLU's gradient was fused; makes the gradients of weight and
/// bias, and that of x where it is wanted.
struct BatchNormGradient: Operation {
  let name = "batch_norm gradient"
  let forward: BatchNorm

  func emit(_ step: Step, _ emitter: inout Emitter) {
    let x = emitter.values[step.inputs[1]]
    let chunk = forward.chunk(x)
    let chunks = (x.rows + chunk - 1) / chunk
    let (dy, saved, weight) = (step.inputs[0], step.inputs[2], step.inputs[3])
    let y = Array(step.inputs.dropFirst(4))
    let sums = emitter.temporary(rows: chunks, columns: 2 * x.stride)
    let coefficients = emitter.temporary(rows: 3, columns: x.columns)
    emitter.rows(.batchGradientSums, [dy, step.inputs[1], saved, sums] + y, x, chunk)
    emitter.add(
      Instruction(
        .batchGradientCombine, [sums, weight, saved, step.outputs[0], step.outputs[1], coefficients],
        sizes: [x.rows, chunks, x.stride]))
    if step.outputs.count > 2 {
      emitter.rows(
        .batchGradient, [dy, step.inputs[1], saved, coefficients, step.outputs[2]] + y, x, chunk)
    }
  }
}

/// Reads dy, the weight, the running variance and zeros: with statistics that do not depend on the batch dx is dy times
/// the scale of its channel.
struct FrozenBatchNormGradient: Operation {
  let name = "frozen batch_norm gradient"
  let forward: BatchNorm

  func emit(_ step: Step, _ emitter: inout Emitter) {
    let (dy, weight, variance, zeros) = (step.inputs[0], step.inputs[1], step.inputs[2], step.inputs[3])
    let x = emitter.values[dy]
    let coefficients = emitter.temporary(rows: 2, columns: x.columns)
    emitter.add(
      Instruction(
        .batchCoefficients, [weight, zeros, zeros, variance, coefficients], sizes: [x.stride],
        numbers: [forward.epsilon]))
    emitter.rows(
      .batchNormalize, [dy, coefficients, step.outputs[0]], x, forward.chunk(x), [0, 0])
  }
}

extension Emitter {
  /// A pass over rows in chunks of a constant size.
  mutating func rows(
    _ opcode: Opcode, _ operands: [Int], _ x: Value, _ chunk: Int, _ sizes: [Int] = []
  ) {
    add(
      Instruction(
        opcode, operands, sizes: [x.stride, chunk] + sizes,
        split: Split(x.rows, unit: chunk, nanoseconds: x.floats / 8)))
  }
}
