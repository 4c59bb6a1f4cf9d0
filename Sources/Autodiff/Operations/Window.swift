// What convolutions and pools have in common: a window that moves over images.

/// A window over an image, and how it moves. Reference: PyTorch's Conv2d and MaxPool2d.
public struct ImageWindow: Sendable, Equatable {
  /// Height and width of the window.
  public var kernel: (height: Int, width: Int)
  /// Pixels from one place of the window to the next.
  public var stride: (height: Int, width: Int)
  /// Pixels around the image, on each side.
  public var padding: (height: Int, width: Int)

  /// A window of the given sizes.
  public init(
    kernel: (height: Int, width: Int), stride: (height: Int, width: Int) = (1, 1),
    padding: (height: Int, width: Int) = (0, 0)
  ) {
    self.kernel = kernel
    self.stride = stride
    self.padding = padding
  }

  /// Height and width of what a window over an image of `height` x `width` gives; nil where it does not fit once.
  public func output(height: Int, width: Int) -> (height: Int, width: Int)? {
    let rows = height + 2 * padding.height - kernel.height
    let columns = width + 2 * padding.width - kernel.width
    guard rows >= 0, columns >= 0 else { return nil }
    return (rows / stride.height + 1, columns / stride.width + 1)
  }

  /// Whether all sizes are the same.
  public static func == (a: ImageWindow, b: ImageWindow) -> Bool {
    a.kernel == b.kernel && a.stride == b.stride && a.padding == b.padding
  }
}

/// Images as a value holds them, and the window over them.
struct WindowShape: Sendable, Equatable {
  let window: ImageWindow
  let channels, height, width: Int
  let outHeight, outWidth: Int

  /// Numbers in a window of all channels.
  var inner: Int { window.kernel.height * window.kernel.width * channels }
  var outPixels: Int { outHeight * outWidth }

  /// The shape of a window over a node's images; throws where it is no image or the window does not fit.
  init(_ x: Node, _ window: ImageWindow, _ operation: String) throws(GraphError) {
    guard x.shape.count == 4 else {
      throw GraphError(
        operation, "expected images of shape [batch, channels, height, width], got \(x.shape)")
    }
    let (kernel, stride, padding) = (window.kernel, window.stride, window.padding)
    guard min(kernel.height, kernel.width, stride.height, stride.width) >= 1,
      min(padding.height, padding.width) >= 0
    else { throw GraphError(operation, "kernel and stride must be at least 1, padding at least 0") }
    guard let output = window.output(height: x.shape[2], width: x.shape[3]) else {
      throw GraphError(
        operation,
        "a kernel of \(kernel.height)x\(kernel.width) is larger than images of shape \(x.shape) with padding "
          + "\(padding.height), \(padding.width)")
    }
    self.window = window
    (channels, height, width) = (x.shape[1], x.shape[2], x.shape[3])
    (outHeight, outWidth) = output
  }

  /// A window over images of `channels` channels with an output of the given size.
  private init(
    _ window: ImageWindow, channels: Int, height: Int, width: Int, outHeight: Int, outWidth: Int
  ) {
    self.window = window
    (self.channels, self.height, self.width) = (channels, height, width)
    (self.outHeight, self.outWidth) = (outHeight, outWidth)
  }

  /// The convolution that makes the gradient of the input from that of an output whose pixels are `outStride` floats;
  /// nil where windows are more than a pixel apart or lie wholly in the border.
  func transposed(outStride: Int) -> WindowShape? {
    let border = (
      window.kernel.height - 1 - window.padding.height, window.kernel.width - 1 - window.padding.width
    )
    guard window.stride == (1, 1), border.0 >= 0, border.1 >= 0 else { return nil }
    return WindowShape(
      ImageWindow(kernel: window.kernel, padding: border), channels: outStride, height: outHeight,
      width: outWidth,
      outHeight: height, outWidth: width)
  }

  /// Whether each window is one pixel and each pixel one window.
  var isPointwise: Bool {
    window.kernel == (1, 1) && window.stride == (1, 1) && window.padding == (0, 0)
  }

  /// Whether each pixel lies in a window.
  var leavesNoPixelOut: Bool {
    let (kernel, stride, padding) = (window.kernel, window.stride, window.padding)
    return stride.height <= kernel.height && stride.width <= kernel.width
      && (outHeight - 1) * stride.height + kernel.height >= height + padding.height
      && (outWidth - 1) * stride.width + kernel.width >= width + padding.width
  }

  /// Rows of output pixels whose windows' image is together in a thread's scratch: some 128 KiB at most.
  var bandRows: Int {
    let line = ((outWidth - 1) * window.stride.width + window.kernel.width) * channels
    let most = max(1, min(outHeight, (32_768 / line - window.kernel.height) / window.stride.height + 1))
    let bands = (outHeight + most - 1) / most
    return (outHeight + bands - 1) / bands
  }

  /// Bands of an image.
  var bands: Int { (outHeight + bandRows - 1) / bandRows }

  /// The list that the kernels read, in the order of `Kernels.Window`.
  func geometry(_ x: Value, outStride: Int) -> [Int] {
    let isPlanar = x.columns == channels * height * width && height * width > 1
    let strides =
      isPlanar ? [x.stride, 1, height * width] : [height * width * padded(channels), padded(channels), 1]
    return [
      channels, height, width, window.kernel.height, window.kernel.width, window.stride.height,
      window.stride.width, window.padding.height, window.padding.width, outHeight, outWidth,
    ] + strides + [outStride]
  }
}

extension Graph {
  /// Images with a row of channels for each pixel, as all operations on images but the first convolution want them.
  /// A batch as it is fed has a row of planes for each example.
  mutating func pixelRows(_ x: Node, _ operation: String) throws(GraphError) -> Node {
    try requireFloats(x, operation)
    guard x.shape.count == 4, values[x.value].columns != x.shape[1] else { return x }
    return apply(
      ImageOrder(toPlanes: false, channels: x.shape[1]), [x], shape: x.shape,
      rows: x.shape[0] * x.shape[2] * x.shape[3])
  }
}

/// Images from planes to rows of channels, or back. The gradient is the opposite order of dy.
struct ImageOrder: Operation {
  let name = "image order"
  let toPlanes: Bool
  let channels: Int

  func differentiate(_ step: Step, _ dy: Int?, _ gradients: inout Differentiation) throws(GraphError) {
    guard let dy, gradients.isWanted(step.inputs[0]) else { return }
    gradients.contribute(to: step.inputs[0], ImageOrder(toPlanes: !toPlanes, channels: channels), [dy])
  }

  func emit(_ step: Step, _ emitter: inout Emitter) {
    let (x, y) = (emitter.values[step.inputs[0]], emitter.values[step.outputs[0]])
    let (rows, planes) = toPlanes ? (x, y) : (y, x)
    let pixels = planes.columns / channels
    emitter.add(
      Instruction(
        toPlanes ? .toPlanes : .toChannels, [step.inputs[0], step.outputs[0]],
        sizes: [pixels, channels, rows.stride, planes.stride],
        split: Split(planes.rows, unit: 1, nanoseconds: planes.rows * planes.columns / 3)))
  }
}
