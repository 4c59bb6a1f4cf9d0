// The plain form of operations on images, in double: [example, channel, height, width], loops as in a textbook.

import Testing

@testable import Autodiff

/// A chain of operations on a batch of images with a squared error at its end.
struct ImageReference {
  enum Layer {
    case convolution(out: Int, ImageWindow, bias: Bool)
    case relu
    case maxPool(ImageWindow)
    case averagePool(ImageWindow)
    case globalAverage
    case batchNorm
    case flatten
    case linear(Int)
  }

  /// A batch of numbers and its shape without the batch.
  struct Images {
    var numbers: [Double]
    var shape: [Int]

    var size: Int { shape.reduce(1, *) }
  }

  let batch: Int
  let shape: [Int]
  let layers: [Layer]

  var x: [Float] { values(batch * shape.reduce(1, *), 42) }

  /// The graph of the chain, its loss and its output.
  func graph() throws -> (graph: Graph, loss: Node, output: Node) {
    var graph = try Graph(batch: batch)
    var x = try graph.input(shape)
    for (index, layer) in layers.enumerated() {
      switch layer {
      case .convolution(let out, let window, let hasBias):
        let weight = try graph.parameter(
          "\(index).weight", [out, x.shape[1], window.kernel.height, window.kernel.width])
        let bias = hasBias ? try graph.parameter("\(index).bias", [out]) : nil
        x = try graph.convolution(
          x, weight: weight, bias: bias, stride: window.stride, padding: window.padding)
      case .relu: x = try graph.relu(x)
      case .maxPool(let window): x = try graph.maxPool(x, window)
      case .averagePool(let window): x = try graph.averagePool(x, window)
      case .globalAverage: x = try graph.globalAveragePool(x)
      case .batchNorm: x = try graph.batchNorm(x, "\(index)")
      case .flatten: x = try graph.flatten(x)
      case .linear(let out):
        let weight = try graph.parameter("\(index).weight", [out, x.shape[1]])
        x = try graph.linear(x, weight: weight, bias: try graph.parameter("\(index).bias", [out]))
      }
    }
    x = try graph.flatten(x)
    let loss = try graph.meanSquaredError(x, targets: try graph.targets([x.shape[1]]))
    return (graph, loss, x)
  }

  /// Output and loss as functions of the parameters, each in PyTorch's order.
  func run(_ parameters: [[Double]]) -> (output: [Double], loss: Double) {
    var images = Images(numbers: x.map(Double.init), shape: shape)
    var next = 0
    for layer in layers {
      switch layer {
      case .convolution(let out, let window, let hasBias):
        images = convolution(images, parameters[next], hasBias ? parameters[next + 1] : nil, out, window)
        next += hasBias ? 2 : 1
      case .relu: images.numbers = images.numbers.map { max($0, 0) }
      case .maxPool(let window): images = pool(images, window) { $0.max() ?? 0 }
      case .averagePool(let window):
        let area = Double(window.kernel.height * window.kernel.width)
        images = pool(images, window) { $0.reduce(0, +) / area }
      case .globalAverage:
        let window = ImageWindow(kernel: (images.shape[1], images.shape[2]))
        let area = Double(images.shape[1] * images.shape[2])
        images = pool(images, window) { $0.reduce(0, +) / area }
        images.shape = [images.shape[0]]
      case .batchNorm:
        images = batchNorm(images, parameters[next], parameters[next + 1])
        next += 2
      case .flatten: images.shape = [images.size]
      case .linear(let out):
        let whole = ImageWindow(kernel: (1, 1))
        var rows = images
        rows.shape = [images.size, 1, 1]
        images = convolution(rows, parameters[next], parameters[next + 1], out, whole)
        images.shape = [out]
        next += 2
      }
    }
    let targets = values(images.numbers.count, 41)
    let loss =
      zip(images.numbers, targets).reduce(0) { $0 + ($1.0 - Double($1.1)) * ($1.0 - Double($1.1)) }
      / Double(images.numbers.count)
    return (images.numbers, loss)
  }

  /// The derivatives by every parameter: central differences.
  func gradients(_ parameters: [[Double]]) -> [[Double]] {
    let h = 1e-6
    return parameters.indices.map { index in
      parameters[index].indices.map { place in
        var moved = parameters
        moved[index][place] += h
        let above = run(moved).loss
        moved[index][place] -= 2 * h
        return (above - run(moved).loss) / (2 * h)
      }
    }
  }

  /// Numbers of a window, outside of the image nil.
  private func visit(
    _ images: Images, _ window: ImageWindow, _ body: (_ example: Int, _ y: Int, _ x: Int) -> Void
  ) -> (height: Int, width: Int) {
    let output = window.output(height: images.shape[1], width: images.shape[2]) ?? (0, 0)
    for example in 0..<batch {
      for y in 0..<output.height { for x in 0..<output.width { body(example, y, x) } }
    }
    return output
  }

  /// The number at a place of a window, nil outside of the image.
  private func at(
    _ images: Images, _ window: ImageWindow, _ example: Int, _ channel: Int, _ y: Int, _ x: Int, _ r: Int,
    _ s: Int
  ) -> Double? {
    let row = y * window.stride.height - window.padding.height + r
    let column = x * window.stride.width - window.padding.width + s
    let (height, width) = (images.shape[1], images.shape[2])
    guard row >= 0, row < height, column >= 0, column < width else { return nil }
    return images.numbers[((example * images.shape[0] + channel) * height + row) * width + column]
  }

  private func convolution(
    _ images: Images, _ weight: [Double], _ bias: [Double]?, _ out: Int, _ window: ImageWindow
  ) -> Images {
    let size = window.output(height: images.shape[1], width: images.shape[2]) ?? (0, 0)
    var result = Images(numbers: [], shape: [out, size.height, size.width])
    result.numbers = [Double](repeating: 0, count: batch * result.size)
    let (kernel, channels) = (window.kernel, images.shape[0])
    _ = visit(images, window) { example, y, x in
      for o in 0..<out {
        var sum = bias?[o] ?? 0
        for c in 0..<channels {
          for r in 0..<kernel.height {
            for s in 0..<kernel.width {
              sum +=
                (at(images, window, example, c, y, x, r, s) ?? 0)
                * weight[((o * channels + c) * kernel.height + r) * kernel.width + s]
            }
          }
        }
        result.numbers[((example * out + o) * size.height + y) * size.width + x] = sum
      }
    }
    return result
  }

  private func pool(_ images: Images, _ window: ImageWindow, _ reduce: ([Double]) -> Double) -> Images {
    let size = window.output(height: images.shape[1], width: images.shape[2]) ?? (0, 0)
    let channels = images.shape[0]
    var result = Images(numbers: [], shape: [channels, size.height, size.width])
    result.numbers = [Double](repeating: 0, count: batch * result.size)
    _ = visit(images, window) { example, y, x in
      for c in 0..<channels {
        var seen: [Double] = []
        for r in 0..<window.kernel.height {
          for s in 0..<window.kernel.width {
            if let value = at(images, window, example, c, y, x, r, s) { seen.append(value) }
          }
        }
        result.numbers[((example * channels + c) * size.height + y) * size.width + x] = reduce(seen)
      }
    }
    return result
  }

  private func batchNorm(_ images: Images, _ weight: [Double], _ bias: [Double]) -> Images {
    var result = images
    let pixels = images.shape.dropFirst().reduce(1, *)
    for c in 0..<images.shape[0] {
      let places = (0..<batch).flatMap { example in
        (0..<pixels).map { (example * images.shape[0] + c) * pixels + $0 }
      }
      let mean = places.reduce(0) { $0 + images.numbers[$1] } / Double(places.count)
      let variance =
        places.reduce(0) { $0 + (images.numbers[$1] - mean) * (images.numbers[$1] - mean) }
        / Double(places.count)
      for place in places {
        result.numbers[place] =
          (images.numbers[place] - mean) / (variance + 1e-5).squareRoot() * weight[c] + bias[c]
      }
    }
    return result
  }
}

extension Graph {
  /// A batch norm with all its tensors, named as in PyTorch.
  mutating func batchNorm(_ x: Node, _ name: String) throws -> Node {
    let channels = x.shape[1]
    return try batchNorm(
      x, weight: try parameter("\(name).weight", [channels]), bias: try parameter("\(name).bias", [channels]),
      runningMean: try buffer("\(name).running_mean", [channels]),
      runningVariance: try buffer("\(name).running_var", [channels]),
      batches: try buffer("\(name).num_batches_tracked", []))
  }
}
