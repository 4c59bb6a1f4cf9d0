// Helpers of the tests: numbers without a random generator, small networks, naive forms.

import Testing

@testable import Autodiff

/// A number in -1..<1, a multiple of 1/500, the same as `value` in `make_golden.py`.
func value(_ index: Int, _ salt: Int) -> Float {
  let number = (index * 7919 + salt * 104_729 + index * index % 977 * 31) % 1000
  return Float(number - 500) / 500
}

func values(_ count: Int, _ salt: Int, scale: Float = 1) -> [Float] {
  (0..<count).map { value($0, salt) * scale }
}

extension Executor {
  /// Puts rows without padding where the plan wants them.
  func setInput(_ values: [Float], columns: Int) { Self.set(values, columns, input, inputStride) }
  func setTargets(_ values: [Float], columns: Int) { Self.set(values, columns, targets, targetStride) }
  func setLabels(_ values: [Int32]) { for (i, value) in values.enumerated() { labels[i] = value } }

  private static func set(_ values: [Float], _ columns: Int, _ to: UnsafeMutablePointer<Float>, _ stride: Int)
  {
    for (i, value) in values.enumerated() { to[i / columns * stride + i % columns] = value }
  }

  /// The output without padding.
  func outputRows(columns: Int, rows: Int? = nil) -> [Float] {
    (0..<(rows ?? plan.batch) * columns).map { output[$0 / columns * outputStride + $0 % columns] }
  }
}

/// What a plan runs on.
struct Bench {
  let plan: Plan
  let executor: Executor
  let parameters: Arena
  let gradients: Arena
  let buffers: Arena
  let passes: FlatPasses
  let updates: ParameterPasses

  init(_ plan: Plan, threads: Int = 1, _ level: KernelTable.Level? = nil) throws {
    self.plan = plan
    let kernels = try level.map { level in try KernelTable.make(level) } ?? KernelTable.select(nil)
    let pool = ThreadPool(threads: threads)
    parameters = Arena(floats: plan.layout.floats)
    gradients = Arena(floats: plan.layout.floats)
    buffers = Arena(floats: plan.buffers.floats)
    executor = try Executor(
      plan, parameters: parameters, gradients: gradients, buffers: buffers, pool: pool, kernels: kernels)
    passes = FlatPasses(pool: pool, kernels: kernels)
    updates = ParameterPasses(plan.layout, pool: pool, kernels: kernels)
  }

  /// Fills each parameter with numbers that depend on its place.
  func fillParameters(scale: Float) throws {
    for (index, entry) in plan.layout.entries.enumerated() {
      try plan.layout.write(values(entry.count, index + 11, scale: scale), to: index, in: parameters)
    }
  }

  /// Step `t` (from 1) of Adam with its usual betas; the slots are m and v.
  func adam(_ t: Int, rate: Double, _ slots: [Arena]) {
    let (c1, c2) = (1 - ExactMath.pow(0.9, t), 1 - ExactMath.pow(0.999, t))
    updates.setCoefficients(
      ParameterPasses.Coefficients(
        1, 0, 1, Float(rate / c1), 0, Float(1 - 0.9), 0.999, Float(1 - 0.999), Float(1 / c2), 1e-8, 0, 0, 0,
        0,
        0, 0), of: 0)
    updates.update(
      .moments, parameters: parameters, gradients: gradients, slots: slots, measuring: t % 2 == 0)
  }

  /// A step of gradient descent with momentum as PyTorch's SGD takes it; `added` is 1 - dampening.
  func sgd(
    isFirst: Bool, rate: Float, momentum: Float, added: Float, decay: Float, scale: Float, nesterov: Bool,
    _ slots: [Arena]
  ) {
    updates.setCoefficients(
      ParameterPasses.Coefficients(
        scale, decay, 1, rate, isFirst ? 0 : momentum, isFirst ? 1 : added, nesterov ? 1 : 0,
        nesterov ? momentum : 1, 0, 0, 0, 0, 0, 0, 0, 0), of: 0)
    updates.update(.momentum, parameters: parameters, gradients: gradients, slots: slots, measuring: false)
  }

  func gradient(_ index: Int) -> [Float] { plan.layout.read(index, from: gradients) }
}

/// Layers of a small network: sizes, and what follows each linear layer but the last.
func network(
  batch: Int, sizes: [Int], activation: String = "relu", dropout: Double = 0, smoothing: Double = 0,
  mode: PlanMode = .training, fuses: Bool = true, regression: Bool = false
) throws -> Plan {
  var graph = try Graph(batch: batch)
  var x = try graph.input([sizes[0]])
  for layer in 1..<sizes.count {
    let weight = try graph.parameter("\(layer).weight", [sizes[layer], sizes[layer - 1]])
    let bias = try graph.parameter("\(layer).bias", [sizes[layer]])
    x = try graph.linear(x, weight: weight, bias: bias)
    guard layer < sizes.count - 1 else { break }
    if activation == "relu" { x = try graph.relu(x) }
    if activation == "tanh" { x = try graph.tanh(x) }
    if dropout > 0 { x = try graph.dropout(x, p: dropout, stream: UInt32(layer)) }
  }
  let loss =
    regression
    ? try graph.meanSquaredError(x, targets: try graph.targets([sizes[sizes.count - 1]]))
    : try graph.crossEntropy(x, labels: try graph.labels(), labelSmoothing: smoothing)
  return try Plan(graph, loss: loss, output: x, mode: mode, fuses: fuses)
}

/// |a - b| relative to the larger of |b| and `floor`.
func relativeError(_ a: Double, _ b: Double, floor: Double = 1e-30) -> Double {
  abs(a - b) / max(abs(b), floor)
}

/// The larger of two errors; one that is not a number counts as infinite, where `max` would pass over it.
func worse(_ a: Double, _ b: Double) -> Double { b <= a ? a : b.isNaN ? .infinity : b }
