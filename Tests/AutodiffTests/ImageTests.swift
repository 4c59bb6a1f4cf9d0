// Operations on images against their plain form in double and its finite differences. The loss is a squared error,
// so that what comes from above is never the same for all elements.

import Testing

@testable import Autodiff

@Suite struct ImageTests {
  typealias Layer = ImageReference.Layer

  static func window(_ kernel: (Int, Int), _ stride: (Int, Int) = (1, 1), _ padding: (Int, Int) = (0, 0))
    -> ImageWindow
  {
    ImageWindow(kernel: kernel, stride: stride, padding: padding)
  }

  /// A network that runs in one step: its output, loss and gradients.
  static func run(
    _ reference: ImageReference, threads: Int = 1, _ level: KernelTable.Level? = nil, fuses: Bool = true
  ) throws -> Bench {
    let (graph, loss, output) = try reference.graph()
    let plan = try Plan(graph, loss: loss, output: output, mode: .training, fuses: fuses)
    let bench = try Bench(plan, threads: threads, level)
    try bench.fillParameters(scale: 0.7)
    bench.executor.setInput(reference.x, columns: reference.shape.reduce(1, *))
    let columns = output.shape[1]
    bench.executor.setTargets(values(reference.batch * columns, 41), columns: columns)
    bench.executor.run(seed: 1, step: 0)
    return bench
  }

  /// The largest error of output, loss and gradients, each relative to its largest number.
  static func error(_ reference: ImageReference, fuses: Bool = true) throws -> Double {
    let bench = try run(reference, fuses: fuses)
    let layout = bench.plan.layout
    let parameters = layout.entries.indices.map { layout.read($0, from: bench.parameters).map(Double.init) }
    let exact = reference.run(parameters)
    let columns = exact.output.count / reference.batch
    var worst = relativeError(bench.executor.loss, exact.loss)
    func compare(_ mine: [Float], _ exact: [Double]) {
      // Of a gradient that is zero, as a bias' before a batch norm, only rounding is left.
      let size = max(exact.map { abs($0) }.max() ?? 0, 0.1)
      for (a, b) in zip(mine, exact) { worst = worse(worst, abs(Double(a) - b) / size) }
    }
    compare(bench.executor.outputRows(columns: columns), exact.output)
    for (index, gradient) in reference.gradients(parameters).enumerated() {
      compare(bench.gradient(index), gradient)
    }
    for entry in layout.entries {
      for place in 0..<entry.floats where place % entry.stride >= entry.columns {
        #expect(bench.gradients.pointer[entry.offset + place] == 0)
      }
    }
    return worst
  }

  /// Two convolutions, so that the first one's gradient comes through the second.
  @Test(
    "L1 convolutions of any stride and padding",
    arguments: [
      (2, [1, 7, 5], 3, window((3, 3), (1, 1), (1, 1)), window((3, 3))),
      (1, [3, 8, 9], 17, window((3, 2), (2, 1), (2, 0)), window((1, 1))),
      (3, [2, 5, 5], 4, window((1, 1), (2, 2)), window((2, 2), (1, 1), (2, 2))),
      (2, [1, 6, 6], 15, window((5, 5), (1, 1), (4, 4)), window((4, 3), (3, 2), (1, 1))),
      (1, [17, 3, 3], 2, window((3, 3), (1, 1), (1, 1)), window((3, 3), (2, 2), (3, 3))),
      (5, [1, 1, 9], 16, window((1, 4), (1, 2), (0, 3)), window((1, 2))),
      // With its border a row of windows is as wide as the image.
      (2, [1, 8, 9], 16, window((3, 3), (3, 3), (0, 1)), window((1, 3), (1, 3), (0, 1))),
    ])
  func convolutions(
    batch: Int, shape: [Int], channels: Int, first: ImageWindow, second: ImageWindow
  ) throws {
    for hasBias in [true, false] {
      let reference = ImageReference(
        batch: batch, shape: shape,
        layers: [
          .convolution(out: channels, first, bias: hasBias), .relu,
          .convolution(out: 3, second, bias: hasBias),
        ])
      #expect(try Self.error(reference) < 2e-5)
      #expect(try Self.error(reference, fuses: false) < 2e-5)
    }
  }

  @Test(
    "L1 pools and flatten",
    arguments: [
      (window((2, 2), (2, 2)), [3, 8, 6]), (window((3, 3), (2, 2), (1, 1)), [2, 7, 7]),
      (window((3, 2), (1, 2)), [17, 6, 5]), (window((2, 3), (3, 1), (1, 1)), [1, 9, 4]),
      (window((2, 2), (2, 2)), [2, 7, 5]),
    ])
  func pools(_ window: ImageWindow, _ shape: [Int]) throws {
    for pool in [Layer.maxPool(window), .averagePool(window)] {
      let convolution = Layer.convolution(out: 5, Self.window((3, 3), (1, 1), (1, 1)), bias: true)
      let reference = ImageReference(
        batch: 3, shape: shape, layers: [convolution, pool, .flatten, .linear(4)])
      #expect(try Self.error(reference) < 2e-5)
      // A pool may also be what the data meet first.
      #expect(try Self.error(ImageReference(batch: 2, shape: shape, layers: [pool, convolution])) < 2e-5)
    }
  }

  @Test("L3 batch norm in training", arguments: [(4, 3), (2, 17), (31, 1)])
  func batchNorms(_ batch: Int, _ channels: Int) throws {
    let convolution = Layer.convolution(out: channels, Self.window((3, 3), (1, 1), (1, 1)), bias: true)
    let second = Layer.convolution(out: 2, Self.window((2, 2), (2, 2)), bias: false)
    for layers in [
      [convolution, .batchNorm, .relu, .maxPool(Self.window((2, 2), (2, 2))), .flatten, .linear(3)],
      [convolution, .batchNorm, second, .batchNorm],
      [.batchNorm, convolution, .relu, .batchNorm, .globalAverage],
      [.flatten, .batchNorm, .linear(5), .batchNorm, .relu, .linear(2)],
    ] as [[Layer]] {
      let reference = ImageReference(batch: batch, shape: [2, 5, 7], layers: layers)
      #expect(try Self.error(reference) < 1e-4)
      #expect(try Self.error(reference, fuses: false) < 1e-4)
    }
  }

  /// Large enough that chunks, groups of images and threads all have several parts.
  static let large = ImageReference(
    batch: 19, shape: [3, 17, 15],
    layers: [
      .convolution(out: 20, window((3, 3), (1, 1), (1, 1)), bias: true), .batchNorm, .relu,
      .maxPool(window((2, 2), (2, 2))), .convolution(out: 33, window((3, 3), (2, 2), (1, 1)), bias: true),
      .relu,
      .averagePool(window((2, 2))), .convolution(out: 16, window((1, 1)), bias: false), .batchNorm, .flatten,
      .linear(31),
    ])

  @Test func largeOutputsAreRight() throws {
    let bench = try Self.run(Self.large)
    let layout = bench.plan.layout
    let exact = Self.large.run(
      layout.entries.indices.map { layout.read($0, from: bench.parameters).map(Double.init) })
    let size = exact.output.map { abs($0) }.max() ?? 1
    for (a, b) in zip(bench.executor.outputRows(columns: 31), exact.output) {
      #expect(abs(Double(a) - b) < 2e-5 * size)
    }
  }

  @Test func threadsAndLevelsGiveTheSameBits() throws {
    func bits(_ threads: Int, _ level: KernelTable.Level?, fuses: Bool) throws -> [UInt32] {
      let bench = try Self.run(Self.large, threads: threads, level, fuses: fuses)
      return
        (bench.plan.layout.entries.indices.flatMap(bench.gradient)
        + bench.executor.outputRows(columns: 31)
        + (0..<bench.plan.buffers.floats).map { bench.buffers.pointer[$0] }).map(\.bitPattern)
    }
    let expected = try bits(1, nil, fuses: true)
    for level in KernelTable.available {
      for threads in [1, 2, 3] { #expect(try bits(threads, level, fuses: true) == expected) }
    }
    #expect(try bits(2, nil, fuses: false) == expected)
  }

  /// Batch norm, ReLU and pool in one: the windows leave no pixel out, the second's overlap.
  static let pooled = ImageReference(
    batch: 7, shape: [2, 12, 10],
    layers: [
      .convolution(out: 17, window((3, 3), (1, 1), (1, 1)), bias: true), .batchNorm, .relu,
      .maxPool(window((2, 2), (2, 2))), .convolution(out: 9, window((3, 3), (1, 1), (1, 1)), bias: true),
      .batchNorm, .relu, .maxPool(window((3, 3), (1, 1), (1, 1))), .flatten, .linear(5),
    ])

  @Test func normalizationAndPoolInOneGiveTheSameBits() throws {
    func bits(_ threads: Int, fuses: Bool) throws -> [UInt32] {
      let bench = try Self.run(Self.pooled, threads: threads, fuses: fuses)
      #expect(
        bench.plan.instructions.contains { $0.opcode == .convolutionPoolWeightGradient } == fuses
          && bench.plan.instructions.contains { $0.opcode == .batchPoolGradient } == fuses
          && bench.plan.instructions.contains { $0.opcode == .maxPool } != fuses)
      return
        (bench.plan.layout.entries.indices.flatMap(bench.gradient) + bench.executor.outputRows(columns: 5)
        + (0..<bench.plan.buffers.floats).map { bench.buffers.pointer[$0] }).map(\.bitPattern)
    }
    let expected = try bits(1, fuses: false)
    for threads in [1, 2, 3] { #expect(try bits(threads, fuses: true) == expected) }
    #expect(try Self.error(ImageReference(batch: 3, shape: [2, 6, 4], layers: Self.pooled.layers)) < 1e-4)
  }

  @Test("L3 running statistics follow PyTorch's rule") func runningStatisticsFollowPyTorchsRule() throws {
    let (batch, features) = (7, 3)
    func plan(_ mode: PlanMode) throws -> Plan {
      var graph = try Graph(batch: batch)
      let x = try graph.batchNorm(try graph.input([features]), "0")
      let loss = try graph.meanSquaredError(x, targets: try graph.targets([features]))
      return try Plan(graph, loss: loss, output: x, mode: mode, fuses: true)
    }
    let bench = try Bench(try plan(.training))
    let layout = bench.plan.buffers
    try layout.write([1, 1, 1], to: 1, in: bench.buffers)
    try bench.fillParameters(scale: 1)
    var (mean, variance) = ([Double](repeating: 0, count: features), [Double](repeating: 1, count: features))
    for step in 0..<3 {
      let x = values(batch * features, 60 + step)
      bench.executor.setInput(x, columns: features)
      bench.executor.run(seed: 1, step: UInt64(step))
      for j in 0..<features {
        let column = (0..<batch).map { Double(x[$0 * features + j]) }
        let m = column.reduce(0, +) / Double(batch)
        let unbiased = column.reduce(0) { $0 + ($1 - m) * ($1 - m) } / Double(batch - 1)
        mean[j] = 0.9 * mean[j] + 0.1 * m
        variance[j] = 0.9 * variance[j] + 0.1 * unbiased
      }
    }
    for (mine, exact) in [
      (layout.read(0, from: bench.buffers), mean), (layout.read(1, from: bench.buffers), variance),
    ] {
      for (a, b) in zip(mine, exact) { #expect(abs(Double(a) - b) < 1e-6) }
    }
    #expect(layout.readCounter(2, from: bench.buffers) == 3)

    let executor = try Executor(
      try plan(.evaluation), parameters: bench.parameters, gradients: nil, buffers: bench.buffers,
      pool: ThreadPool(threads: 1), kernels: try KernelTable.select(nil))
    let x = values(batch * features, 70)
    executor.setInput(x, columns: features)
    executor.run(seed: 1, step: 0)
    let (weight, bias) = (
      bench.plan.layout.read(0, from: bench.parameters), bench.plan.layout.read(1, from: bench.parameters)
    )
    for (place, y) in executor.outputRows(columns: features).enumerated() {
      let j = place % features
      let exact =
        (Double(x[place]) - mean[j]) / (variance[j] + 1e-5).squareRoot() * Double(weight[j]) + Double(bias[j])
      #expect(abs(Double(y) - exact) < 1e-5)
    }
    #expect(layout.readCounter(2, from: bench.buffers) == 3)
  }

  @Test func whatDoesNotFitIsRefusedWithItsShapes() throws {
    var graph = try Graph(batch: 4)
    let x = try graph.input([3, 5, 5])
    let weight = try graph.parameter("weight", [2, 4, 3, 3])
    #expect(
      throws: GraphError("conv2d", "expected images of shape [4, 4, height, width], got [4, 3, 5, 5]")
    ) { try graph.convolution(x, weight: weight, bias: nil) }
    #expect(throws: GraphError.self) { try graph.maxPool(x, Self.window((6, 6))) }
    #expect(throws: GraphError.self) { try graph.averagePool(x, Self.window((2, 2), (1, 1), (2, 2))) }
    #expect(throws: GraphError.self) { try graph.globalAveragePool(try graph.flatten(x)) }
    var single = try Graph(batch: 1)
    let y = try single.batchNorm(try single.input([3]), "0")
    let loss = try single.meanSquaredError(y, targets: try single.targets([3]))
    #expect(throws: GraphError.self) { try Plan.make(single, loss: loss, output: y, mode: .training) }
  }
}
