import Kernels

extension Graph {
  /// The cross-correlation of images [batch, in, height, width] with a weight [out, in, height, width], plus a bias
  /// [out]. Reference: PyTorch's Conv2d.
  public mutating func convolution(
    _ x: Node, weight: Node, bias: Node?, stride: (height: Int, width: Int) = (1, 1),
    padding: (height: Int, width: Int) = (0, 0)
  ) throws(GraphError) -> Node {
    let name = "conv2d"
    try requireFloats(x, name)
    guard weight.shape.count == 4, case .parameter = values[weight.value].origin else {
      throw GraphError(name, "expected a weight of shape [out, in, height, width], got \(weight.shape)")
    }
    let window = ImageWindow(kernel: (weight.shape[2], weight.shape[3]), stride: stride, padding: padding)
    let shape = try WindowShape(x, window, name)
    guard weight.shape[1] == shape.channels else {
      throw GraphError(
        name, "expected images of shape [\(batch), \(weight.shape[1]), height, width], got \(x.shape)")
    }
    if let bias {
      guard bias.shape == [weight.shape[0]], case .parameter = values[bias.value].origin else {
        throw GraphError(name, "expected a bias of shape [\(weight.shape[0])], got \(bias.shape)")
      }
    }
    // Of a batch as it is fed a convolution reads the planes where they are; its gradient is never wanted.
    let x = values[x.value].origin == .input ? x : try pixelRows(x, name)
    return apply(
      Convolution(shape: shape), [x, weight] + (bias.map { [$0] } ?? []),
      shape: [x.shape[0], weight.shape[0], shape.outHeight, shape.outWidth],
      rows: x.shape[0] * shape.outPixels)
  }
}

/// y = activation(windows of x times W + b) with W as stored, [height * width * in, out]. Bands of an image are copied with
/// their border and multiplied where they are. Backward needs the input and the weight.
struct Convolution: Operation {
  let name = "conv2d"
  let shape: WindowShape
  var rectifies = false

  func differentiate(_ step: Step, _ dy: Int?, _ gradients: inout Differentiation) throws(GraphError) {
    guard let dy else { return }
    let (x, weight) = (step.inputs[0], step.inputs[1])
    gradients.contribute(
      to: Array(step.inputs.dropFirst()), ConvolutionWeightGradient(forward: self), [x, dy])
    if gradients.isWanted(x) {
      gradients.contribute(to: x, ConvolutionInputGradient(forward: self), [dy, weight])
    }
  }

  func emit(_ step: Step, _ emitter: inout Emitter) {
    let epilogue: ProductEpilogue = step.inputs.count < 3 ? .plain : rectifies ? .biasRelu : .bias
    emitter.convolution(
      shape, step.inputs[0], step.inputs[1], step.outputs[0], epilogue,
      step.inputs.count < 3 ? nil : step.inputs[2])
    // Without bias an activation is a pass of its own.
    if step.inputs.count < 3, rectifies { emitter.elementwise(.relu, [step.outputs[0], step.outputs[0]]) }
  }

  /// conv2d with bias, relu -> one step, where nobody else reads what is between.
  static func fuse(_ program: inout Program) {
    for index in program.steps.indices {
      guard var convolution = program.steps[index].operation as? Convolution, !convolution.rectifies,
        program.steps[index].inputs.count > 2,
        let reader = program.onlyReader(of: program.steps[index].outputs[0]),
        program.steps[reader].operation is Relu
      else { continue }
      convolution.rectifies = true
      program.steps[index].operation = convolution
      program.steps[index].outputs = program.steps[reader].outputs
      program.steps[reader] = Step(Nothing(), inputs: [], outputs: [])
    }
  }
}

/// dW = patches of x, transposed, times dy, and db = the sum of dy. Reads x and dy; or, where `pool` is, x and what
/// `BatchNormPoolInputGradient` makes dy of, which then is made for an image at a time and never stored. The images are cut
/// into a constant number of groups, whose sums are added in their order.
struct ConvolutionWeightGradient: Operation {
  let name = "conv2d weight gradient"
  let forward: Convolution
  var pool: WindowShape?

  func emit(_ step: Step, _ emitter: inout Emitter) {
    // What is normalized has the shape of its gradient.
    let (x, dy) = (emitter.values[step.inputs[0]], emitter.values[step.inputs[pool == nil ? 1 : 2]])
    let shape = forward.shape
    let images = dy.rows / shape.outPixels
    let weights = shape.inner * dy.stride
    let groups = min(images, weights > 1 << 16 ? 4 : 8)
    // The bias' sums follow the weights'.
    let partials = emitter.temporary(rows: groups, columns: weights + dy.stride)
    let geometry = shape.geometry(x, outStride: dy.stride)
    let poolGeometry = pool.map { $0.geometry(dy, outStride: emitter.values[step.inputs[4]].stride) } ?? []
    let room = padded(shape.scratch(geometry) + dy.stride)
    emitter.add(
      Instruction(
        pool == nil ? .convolutionWeightGradient : .convolutionPoolWeightGradient, step.inputs + [partials],
        sizes: [shape.bandRows, images, groups, room], geometry: geometry + poolGeometry,
        split: Split(groups, unit: 1, nanoseconds: shape.nanoseconds(dy)),
        // A gradient's image, and what is between it and the pool's.
        scratch: room + (pool == nil ? 0 : 3 * shape.outPixels * dy.stride)))
    for (index, (first, count)) in [(0, weights), (weights, dy.stride)].prefix(step.outputs.count)
      .enumerated()
    {
      emitter.add(
        Instruction(
          .sumPartials, [partials, step.outputs[index]], sizes: [groups, weights + dy.stride, first],
          split: Split(count, unit: 1024, nanoseconds: count * groups / 16)))
    }
  }

  /// The gradient of batch norm, ReLU and pool, and that of the weight of the convolution before, where nobody else
  /// reads what is between, as in a network's first layers -> one step.
  static func fuse(_ program: inout Program) {
    for index in program.steps.indices {
      guard let gradient = program.steps[index].operation as? BatchNormPoolInputGradient,
        let reader = program.onlyReader(of: program.steps[index].outputs[0]),
        var weights = program.steps[reader].operation as? ConvolutionWeightGradient
      else { continue }
      weights.pool = gradient.shape
      program.steps[reader] = Step(
        weights, inputs: [program.steps[reader].inputs[0]] + program.steps[index].inputs,
        outputs: program.steps[reader].outputs)
      program.steps[index] = Step(Nothing(), inputs: [], outputs: [])
    }
  }
}

/// dx = dy W^T. Where windows are one pixel apart that is a convolution of dy with the weights turned round; else each
/// number is added to the pixel it came from. Reads dy and W.
struct ConvolutionInputGradient: Operation {
  let name = "conv2d input gradient"
  let forward: Convolution

  func emit(_ step: Step, _ emitter: inout Emitter) {
    let (dy, dx) = (emitter.values[step.inputs[0]], emitter.values[step.outputs[0]])
    let shape = forward.shape
    if shape.isPointwise {
      emitter.product(
        step.inputs[0], step.inputs[1], step.outputs[0], rows: dy.rows, columns: shape.channels,
        inner: dy.columns, a: (dy.stride, 1), b: (1, dy.stride), .plain, nil)
    } else if let transposed = shape.transposed(outStride: dy.stride) {
      let taps = shape.window.kernel.height * shape.window.kernel.width
      let weights = emitter.temporary(rows: taps * dy.stride, columns: shape.channels)
      emitter.add(
        Instruction(
          .flipWeights, [step.inputs[1], weights], sizes: [taps, shape.channels, dy.stride],
          split: Split(taps, unit: 1, nanoseconds: taps * dy.stride * dx.stride / 8)))
      emitter.convolution(transposed, step.inputs[0], weights, step.outputs[0], .plain, nil)
    } else {
      let chunk = max(4, min(20, 65_536 / shape.inner / 12)) * 12
      let geometry = shape.geometry(dx, outStride: dy.stride)
      emitter.add(
        Instruction(
          .convolutionInputGradient, [step.inputs[0], step.inputs[1], step.outputs[0]],
          sizes: [dy.columns, chunk], geometry: geometry,
          split: Split(dy.rows / shape.outPixels, unit: 1, nanoseconds: shape.nanoseconds(dy)),
          scratch: geometry.withUnsafeBufferPointer { list in
            list.baseAddress.map { Command.bandScratch($0) + chunk * padded(shape.inner) + 16 } ?? 0
          }))
    }
  }
}

extension WindowShape {
  /// Floats of scratch of a convolution: a product's own, and a band.
  fileprivate func scratch(_ geometry: [Int]) -> Int {
    geometry.withUnsafeBufferPointer { list in
      list.baseAddress.map { Command.bandScratch($0) + borderedFloats(bandRows, $0) + 16 } ?? 0
    }
  }

  fileprivate func nanoseconds(_ y: Value) -> Int { y.rows * y.columns * inner / 50 }
}

extension Emitter {
  /// y = windows of x times the weight.
  fileprivate mutating func convolution(
    _ shape: WindowShape, _ x: Int, _ weight: Int, _ y: Int, _ epilogue: ProductEpilogue, _ bias: Int?
  ) {
    let (image, result) = (values[x], values[y])
    if shape.isPointwise, image.columns == shape.channels {
      return product(
        x, weight, y, rows: result.rows, columns: result.columns, inner: shape.channels, a: (image.stride, 1),
        b: (values[weight].stride, 1), epilogue, bias)
    }
    let geometry = shape.geometry(image, outStride: result.stride)
    add(
      Instruction(
        .convolution, [x, weight, y] + (bias.map { [$0] } ?? []),
        sizes: [shape.bandRows, shape.bands, epilogue.rawValue], geometry: geometry,
        split: Split(
          result.rows / shape.outPixels * shape.bands, unit: 1, nanoseconds: shape.nanoseconds(result)),
        scratch: shape.scratch(geometry)))
  }
}
