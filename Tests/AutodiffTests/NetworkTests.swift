// Whole networks against PyTorch: the first twenty losses.

import Testing

@testable import Autodiff

@Suite struct NetworkTests {
  /// Trains as `losses` in make_golden.py does.
  static func losses(
    _ sizes: [Int], _ activation: String, batch: Int, threads: Int = 1, _ level: KernelTable.Level? = nil,
    smoothing: Double = 0, fuses: Bool = true, update: (Bench, Int) -> Void
  ) throws -> [Double] {
    let plan = try network(
      batch: batch, sizes: sizes, activation: activation, smoothing: smoothing, fuses: fuses)
    let bench = try Bench(plan, threads: threads, level)
    try bench.fillParameters(scale: 0.125)
    return (0..<20).map { step in
      bench.executor.setInput(values(batch * sizes[0], 1000 + step), columns: sizes[0])
      bench.executor.setLabels((0..<batch).map { Int32(($0 * 7 + step * 3) % sizes[sizes.count - 1]) })
      bench.executor.run(seed: 1, step: UInt64(step))
      update(bench, step)
      return bench.executor.loss
    }
  }

  static func digitsAdam(rate: Double = 1e-3, threads: Int = 1, _ level: KernelTable.Level? = nil) throws
    -> [Double]
  {
    var moments: (m: Arena, v: Arena)?
    return try losses([64, 128, 64, 10], "relu", batch: 32, threads: threads, level) { bench, step in
      let state =
        moments ?? (Arena(floats: bench.plan.layout.floats), Arena(floats: bench.plan.layout.floats))
      moments = state
      bench.passes.adam(
        AdamCoefficients(
          rate: rate, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, step: step + 1),
        parameters: bench.parameters, gradients: bench.gradients, m: state.m, v: state.v,
        0..<bench.plan.layout.floats)
    }
  }

  @Test func digitsWithAdamFollowPyTorch() throws {
    for (mine, golden) in zip(try Self.digitsAdam(), GoldenNetworks.digitsAdam) {
      #expect(relativeError(mine, golden) < 1e-5)
    }
    #expect(
      try !zip(Self.digitsAdam(rate: 1.001e-3), GoldenNetworks.digitsAdam).allSatisfy {
        relativeError($0, $1) < 1e-5
      })
  }
}
