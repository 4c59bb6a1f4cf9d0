extension Graph {
  /// The largest number of each window of each channel; what lies outside of the image does not take part.
  /// Reference: PyTorch's MaxPool2d.
  public mutating func maxPool(_ x: Node, _ window: ImageWindow) throws(GraphError) -> Node {
    try pool(x, window, "max_pool2d") { MaxPool(shape: $0) }
  }

  /// The mean of each window of each channel; what lies outside of the image counts as zero.
  /// Reference: PyTorch's AvgPool2d.
  public mutating func averagePool(_ x: Node, _ window: ImageWindow) throws(GraphError) -> Node {
    try pool(x, window, "avg_pool2d") { AveragePool(shape: $0) }
  }

  /// The mean of each channel: [batch, channels, height, width] becomes [batch, channels]. The mean over time:
  /// [batch, time, width] becomes [batch, width].
  public mutating func globalAveragePool(_ x: Node) throws(GraphError) -> Node {
    // Time steps lie in memory as the pixels of one row do, features as channels.
    if x.shape.count == 3, values[x.value].columns == x.shape[2] {
      return try globalAveragePool(Node(value: x.value, shape: [x.shape[0], x.shape[2], 1, x.shape[1]]))
    }
    guard x.shape.count == 4 else {
      throw GraphError(
        "global_avg_pool", "expected images of shape [batch, channels, height, width], got \(x.shape)")
    }
    let mean = try pool(x, ImageWindow(kernel: (x.shape[2], x.shape[3])), "global_avg_pool") {
      AveragePool(shape: $0)
    }
    return Node(value: mean.value, shape: [x.shape[0], x.shape[1]])
  }

  private mutating func pool(
    _ x: Node, _ window: ImageWindow, _ name: String, _ make: (WindowShape) -> any Operation
  ) throws(GraphError) -> Node {
    try requireFloats(x, name)
    let shape = try WindowShape(x, window, name)
    guard 2 * window.padding.height <= window.kernel.height, 2 * window.padding.width <= window.kernel.width
    else { throw GraphError(name, "padding must be at most half of the kernel") }
    let x = try pixelRows(x, name)
    return apply(
      make(shape), [x], shape: [x.shape[0], x.shape[1], shape.outHeight, shape.outWidth],
      rows: x.shape[0] * shape.outPixels)
  }
}

/// Backward needs input and output: dx = dy at the first largest number of each window.
struct MaxPool: Operation {
  let name = "max_pool2d"
  let shape: WindowShape

  func differentiate(_ step: Step, _ dy: Int?, _ gradients: inout Differentiation) throws(GraphError) {
    guard let dy, gradients.isWanted(step.inputs[0]) else { return }
    gradients.contribute(
      to: step.inputs[0], MaxPoolGradient(shape: shape), [dy, step.inputs[0], step.outputs[0]])
  }

  func emit(_ step: Step, _ emitter: inout Emitter) {
    emitter.pool(.maxPool, shape, [step.inputs[0], step.outputs[0]], x: step.inputs[0], y: step.outputs[0])
  }
}

/// Reads dy, x and y.
struct MaxPoolGradient: Operation {
  let name = "max_pool2d gradient"
  let shape: WindowShape

  func emit(_ step: Step, _ emitter: inout Emitter) {
    emitter.pool(
      .maxPoolGradient, shape, step.inputs + step.outputs, x: step.outputs[0], y: step.inputs[0])
  }
}

/// Backward needs nothing: dx = dy / area at every pixel of each window.
struct AveragePool: Operation {
  let name = "avg_pool2d"
  let shape: WindowShape

  func differentiate(_ step: Step, _ dy: Int?, _ gradients: inout Differentiation) throws(GraphError) {
    guard let dy, gradients.isWanted(step.inputs[0]) else { return }
    gradients.contribute(to: step.inputs[0], AveragePoolGradient(shape: shape), [dy])
  }

  func emit(_ step: Step, _ emitter: inout Emitter) {
    emitter.pool(
      .averagePool, shape, [step.inputs[0], step.outputs[0]], x: step.inputs[0], y: step.outputs[0])
  }
}

/// Reads dy.
struct AveragePoolGradient: Operation {
  let name = "avg_pool2d gradient"
  let shape: WindowShape

  func emit(_ step: Step, _ emitter: inout Emitter) {
    emitter.pool(
      .averagePoolGradient, shape, [step.inputs[0], step.outputs[0]], x: step.outputs[0], y: step.inputs[0])
  }
}

extension Emitter {
  /// A pool or its gradient; `x` and `y` are values laid out as its input and output.
  mutating func pool(_ opcode: Opcode, _ shape: WindowShape, _ operands: [Int], x: Int, y: Int) {
    let images = values[y].rows / shape.outPixels
    let area = shape.window.kernel.height * shape.window.kernel.width
    add(
      Instruction(
        opcode, operands, numbers: [Float(1 / Double(area))],
        geometry: shape.geometry(values[x], outStride: values[y].stride),
        split: Split(images, unit: 1, nanoseconds: values[y].floats / 16 * area)))
  }
}
