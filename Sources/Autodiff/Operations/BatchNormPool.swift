/// batch_norm, relu and max_pool2d in one: what is between is made for an image at a time and never stored. In the
/// backward pass it is made again. Outputs the pool's result and the statistics of the batch; composed, it is
/// `BatchNorm` and `MaxPool`, bit for bit.
struct BatchNormPool: Operation {
  let name = "batch_norm and max_pool2d"
  let norm: BatchNorm
  let shape: WindowShape

  func emit(_ step: Step, _ emitter: inout Emitter) {
    let (coefficients, offset) = norm.emitCoefficients(step, &emitter)
    let x = emitter.values[step.inputs[0]]
    let y = emitter.values[step.outputs[0]]
    emitter.add(
      Instruction(
        .batchPool, [step.inputs[0], coefficients, step.outputs[0]], sizes: [x.stride, offset],
        geometry: shape.geometry(x, outStride: y.stride),
        split: Split(x.rows / norm.pixels, unit: 1, nanoseconds: x.floats / 6),
        scratch: norm.pixels * x.stride))
  }

  /// batch_norm with ReLU, max_pool2d -> one step, and their gradients -> one step, where chunks are whole images and
  /// the windows leave no pixel out. Then a unit has fired where the pool's result is above 0.
  static func fuse(_ program: inout Program) {
    for index in program.steps.indices {
      guard let norm = program.steps[index].operation as? BatchNorm, norm.rectifies,
        norm.holdsImages(program.values[program.steps[index].inputs[0]])
      else { continue }
      let step = program.steps[index]
      let y = step.outputs[0]
      guard !program.visible.contains(y) else { continue }
      var (pools, probes, poolGradients, gradients): ([Int], [Int], [Int], [Int]) = ([], [], [], [])
      let readers = program.readers(of: y)
      for reader in readers {
        switch program.steps[reader].operation {
        case is MaxPool: pools.append(reader)
        case is FiredUnits: probes.append(reader)
        case is MaxPoolGradient: poolGradients.append(reader)
        case is BatchNormGradient: gradients.append(reader)
        default: break
        }
      }
      guard readers.count == pools.count + probes.count + poolGradients.count + gradients.count,
        pools.count == 1, poolGradients.count == gradients.count, gradients.count <= 1,
        let pool = program.steps[pools[0]].operation as? MaxPool, pool.shape.leavesNoPixelOut
      else { continue }
      let pooled = program.steps[pools[0]].outputs[0]
      if let first = poolGradients.first, let last = gradients.first {
        let dz = program.steps[first].outputs[0]
        guard program.onlyReader(of: dz) == last, program.steps[last].inputs.count == 5,
          program.steps[last].inputs[0] == dz
        else { continue }
        let (inputs, outputs) = (program.steps[last].inputs, program.steps[last].outputs)
        let (dy, x, saved, weight) = (program.steps[first].inputs[0], inputs[1], inputs[2], inputs[3])
        let coefficients = program.values.count
        program.values.append(
          Value(origin: .computed, rows: 3, columns: program.values[x].columns))
        program.steps[first] = Step(
          BatchNormPoolGradient(norm: norm, shape: pool.shape), inputs: [dy, x, saved, weight, pooled],
          outputs: outputs.prefix(2) + [coefficients])
        program.steps[last] =
          outputs.count > 2
          ? Step(
            BatchNormPoolInputGradient(norm: norm, shape: pool.shape),
            inputs: [dy, x, saved, pooled, coefficients], outputs: [outputs[2]])
          : Step(Nothing(), inputs: [], outputs: [])
      }
      for probe in probes {
        program.steps[probe].inputs = [pooled]
      }
      program.steps[index] = Step(
        BatchNormPool(norm: norm, shape: pool.shape), inputs: step.inputs,
        outputs: [pooled] + step.outputs.dropFirst())
      program.steps[pools[0]] = Step(Nothing(), inputs: [], outputs: [])
    }
  }
}

/// Reads the gradient of the pool's result, x, the statistics, the weight and the pool's result; makes the gradients of
/// weight and bias, and the coefficients of that of x.
struct BatchNormPoolGradient: Operation {
  let name = "batch_norm and max_pool2d gradient"
  let norm: BatchNorm
  let shape: WindowShape

  func emit(_ step: Step, _ emitter: inout Emitter) {
    let (dy, x, saved, weight, y) = (
      step.inputs[0], step.inputs[1], step.inputs[2], step.inputs[3], step.inputs[4]
    )
    let value = emitter.values[x]
    let chunk = norm.chunk(value)
    let chunks = (value.rows + chunk - 1) / chunk
    let sums = emitter.temporary(rows: chunks, columns: 2 * value.stride)
    emitter.batchPoolPass(.batchPoolGradientSums, [dy, x, saved, y, sums], norm, shape)
    emitter.add(
      Instruction(
        .batchGradientCombine, [sums, weight, saved] + step.outputs,
        sizes: [value.rows, chunks, value.stride]))
  }
}

/// Reads the gradient of the pool's result, x, the statistics, the pool's result and the coefficients; makes the gradient
/// of x.
struct BatchNormPoolInputGradient: Operation {
  let name = "batch_norm and max_pool2d input gradient"
  let norm: BatchNorm
  let shape: WindowShape

  func emit(_ step: Step, _ emitter: inout Emitter) {
    emitter.batchPoolPass(.batchPoolGradient, step.inputs + step.outputs, norm, shape)
  }
}

extension Emitter {
  /// A backward pass over x and the pool's result, the second and the fourth operand, in chunks of whole images.
  fileprivate mutating func batchPoolPass(
    _ opcode: Opcode, _ operands: [Int], _ norm: BatchNorm, _ shape: WindowShape
  ) {
    let (x, y) = (values[operands[1]], values[operands[3]])
    let chunk = norm.chunk(x)
    add(
      Instruction(
        opcode, operands, sizes: [x.stride, chunk], geometry: shape.geometry(x, outStride: y.stride),
        split: Split(x.rows, unit: chunk, nanoseconds: x.floats / 4), scratch: 2 * chunk * x.stride))
  }
}
