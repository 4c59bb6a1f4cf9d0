// Whole networks against PyTorch: the first twenty losses. And the same bits however they are run.

import Testing

@testable import Autodiff

@Suite struct NetworkTests {
  /// Trains as `losses` in make_golden.py does. `update` gets the bench, the step from 0, and two zero arenas.
  static func losses(
    _ sizes: [Int], _ activation: String, batch: Int, threads: Int = 1, smoothing: Double = 0,
    dropout: Double = 0, fuses: Bool = true, level: KernelTable.Level? = nil,
    update: (Bench, Int, Arena, Arena) -> Void
  ) throws -> [Double] {
    let plan = try network(
      batch: batch, sizes: sizes, activation: activation, dropout: dropout, smoothing: smoothing, fuses: fuses
    )
    let bench = try Bench(plan, threads: threads, level)
    try bench.fillParameters(scale: 0.125)
    let (m, v) = (Arena(floats: plan.layout.floats), Arena(floats: plan.layout.floats))
    return (0..<20).map { step in
      bench.executor.setInput(values(batch * sizes[0], 1000 + step), columns: sizes[0])
      bench.executor.setLabels((0..<batch).map { Int32(($0 * 7 + step * 3) % sizes[sizes.count - 1]) })
      bench.executor.run(seed: 1, step: UInt64(step))
      update(bench, step, m, v)
      return bench.executor.loss
    }
  }

  static func adam(rate: Double = 1e-3) -> (Bench, Int, Arena, Arena) -> Void {
    { bench, step, m, v in bench.adam(step + 1, rate: rate, [m, v]) }
  }

  static func sgd(
    rate: Float, momentum: Float, dampening: Float = 0, decay: Float = 0, nesterov: Bool = false,
    clip: Double? = nil
  ) -> (Bench, Int, Arena, Arena) -> Void {
    { bench, step, m, _ in
      let norm = bench.updates.squares(bench.gradients).reduce(0, +).squareRoot()
      bench.sgd(
        isFirst: step == 0, rate: rate, momentum: momentum, added: 1 - dampening, decay: decay,
        scale: Float(clip.map { min(1, $0 / (norm + 1e-6)) } ?? 1), nesterov: nesterov, [m])
    }
  }

  static func digits(
    rate: Double = 1e-3, threads: Int = 1, fuses: Bool = true, dropout: Double = 0,
    level: KernelTable.Level? = nil
  ) throws -> [Double] {
    try losses(
      [64, 128, 64, 10], "relu", batch: 32, threads: threads, dropout: dropout, fuses: fuses, level: level,
      update: adam(rate: rate))
  }

  static func nesterov(
    rate: Double = 0.1, weightDecay: Double = 1e-3, fuses: Bool = true, level: KernelTable.Level? = nil
  ) throws -> [Double] {
    try losses(
      [20, 33, 17, 5], "tanh", batch: 13, fuses: fuses, level: level,
      update: sgd(rate: Float(rate), momentum: 0.9, decay: Float(weightDecay), nesterov: true))
  }

  static func clipped(smoothing: Double = 0.1, clip: Double = 0.05) throws -> [Double] {
    try losses(
      [31, 15, 3], "relu", batch: 7, smoothing: smoothing,
      update: sgd(rate: 0.2, momentum: 0.5, dampening: 0.3, clip: clip))
  }

  static func follows(_ losses: [Double], _ golden: [Double]) -> Bool {
    losses.count == golden.count && zip(losses, golden).allSatisfy { relativeError($0, $1) < 1e-5 }
  }

  @Test func lossesArePyTorchs() throws {
    #expect(Self.follows(try Self.digits(), GoldenNetworks.digitsAdam))
    #expect(Self.follows(try Self.nesterov(), GoldenNetworks.tanhNesterov))
    #expect(Self.follows(try Self.clipped(), GoldenNetworks.smoothClipped))
  }

  @Test func aHundredthMoreIsSeen() throws {
    #expect(!Self.follows(try Self.digits(rate: 1.01e-3), GoldenNetworks.digitsAdam))
    #expect(!Self.follows(try Self.nesterov(rate: 0.101), GoldenNetworks.tanhNesterov))
    #expect(!Self.follows(try Self.clipped(smoothing: 0.101), GoldenNetworks.smoothClipped))
    #expect(!Self.follows(try Self.clipped(clip: 0.0505), GoldenNetworks.smoothClipped))
  }

  @Test func allLevelsGiveTheSameBits() throws {
    let (digits, nesterov) = try (Self.digits(dropout: 0.2), Self.nesterov())
    for level in KernelTable.available {
      #expect(try Self.digits(dropout: 0.2, level: level) == digits)
      #expect(try Self.nesterov(level: level) == nesterov)
    }
  }

  @Test func fusedAndComposedGiveTheSameBits() throws {
    #expect(try Self.digits(fuses: false, dropout: 0.3) == Self.digits(dropout: 0.3))
    #expect(try Self.nesterov(fuses: false) == Self.nesterov())
    let (fused, composed) = try (
      network(batch: 32, sizes: [64, 128, 10]), network(batch: 32, sizes: [64, 128, 10], fuses: false)
    )
    #expect(fused.instructionCount < composed.instructionCount)
  }

  @Test func anyNumberOfThreadsGivesTheSameBits() throws {
    // Large enough that products, activations, dropout and the loss are shared.
    func run(_ threads: Int) throws -> [UInt32] {
      let plan = try network(batch: 300, sizes: [300, 600, 200, 1000], activation: "tanh", dropout: 0.5)
      #expect(plan.instructions.count { $0.split.units > 1 } >= 10)
      let bench = try Bench(plan, threads: threads)
      try bench.fillParameters(scale: 0.1)
      bench.executor.setInput(values(300 * 300, 5), columns: 300)
      bench.executor.setLabels((0..<300).map { Int32($0 * 31 % 1000) })
      for step in 0..<3 { bench.executor.run(seed: 9, step: UInt64(step)) }
      let gradients = (0..<plan.layout.floats).map { bench.gradients.pointer[$0].bitPattern }
      return gradients + bench.executor.outputRows(columns: 1000).map(\.bitPattern)
    }
    let one = try run(1)
    for threads in [2, 3, 5] { #expect(try run(threads) == one, "\(threads) threads") }
  }

  @Test func plansOfOtherBatchesShareParameters() throws {
    // A short batch and an evaluation see the training's parameters and agree with it row by row.
    let full = try network(batch: 13, sizes: [17, 31, 5], dropout: 0)
    let bench = try Bench(full)
    try bench.fillParameters(scale: 0.3)
    let x = values(13 * 17, 3)
    let labels = (0..<13).map { Int32($0 % 5) }
    bench.executor.setInput(x, columns: 17)
    bench.executor.setLabels(labels)
    bench.executor.run(seed: 1, step: 0)

    let pool = ThreadPool(threads: 1)
    var (sum, correct) = (0.0, 0)
    for (start, count) in [(0, 8), (8, 5)] {
      let plan = try network(batch: count, sizes: [17, 31, 5], dropout: 0.5, mode: .evaluation)
      #expect(plan.layout == full.layout)
      let executor = try Executor(
        plan, parameters: bench.parameters, gradients: nil, pool: pool, kernels: KernelTable.select(nil))
      let rows = (start..<start + count).map(Int32.init)
      executor.fetch(rows, features: x, labels: labels, targets: nil)
      executor.run(seed: 2, step: 7)
      sum += executor.lossSum
      correct += executor.correct
      #expect(
        executor.outputRows(columns: 5)
          == Array(bench.executor.outputRows(columns: 5)[start * 5..<(start + count) * 5]))
    }
    #expect(relativeError(sum, bench.executor.lossSum) < 1e-12)
    #expect(correct == bench.executor.correct)
    #expect(sum / 13 == bench.executor.loss || relativeError(sum / 13, bench.executor.loss) < 1e-12)
  }
}
