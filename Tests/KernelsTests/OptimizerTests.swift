// Optimizers against PyTorch's trajectories, and what every update must leave alone.

import Glibc
import Testing

@testable import Autodiff

@Suite struct OptimizerTests {
  /// What one step needs: its number from 1, parameters, gradients, two slots.
  typealias Update = @Sendable (FlatPasses, Int, Arena, Arena, Arena, Arena) -> Void

  /// Twelve steps on the golden function. A Float's parameters differ from the golden ones by rounding, so the
  /// gradient is taken where the parameters are.
  static func trajectory(_ update: Update, _ table: KernelTable = best) -> [[Double]] {
    let passes = FlatPasses(pool: ThreadPool(threads: 1), kernels: table)
    let (p, g, m, v) = (arena(GoldenNumbers.start.map(Float.init)), zeros(4), zeros(4), zeros(4))
    return (1...12).map { step in
      for i in 0..<4 {
        let theta = Double(p.pointer[i])
        g.pointer[i] = Float(GoldenNumbers.a[i] * theta + cos(theta))
      }
      update(passes, step, p, g, m, v)
      return p.values(4).map(Double.init)
    }
  }

  /// Whether all twelve steps are as near as Float allows: 1e-6 of the largest step a parameter made or its size.
  static func follows(_ name: String, _ steps: [[Double]]) -> Bool {
    guard let golden = GoldenNumbers.trajectories[name] else { return false }
    return zip(steps, golden).allSatisfy { step, golden in
      zip(step, golden).allSatisfy { abs($0 - $1) <= 1e-6 * max(1, abs($1)) }
    }
  }

  static func sgd(_ c: SGDCoefficients) -> Update {
    { passes, step, p, g, m, _ in
      var c = c
      c.isFirstStep = step == 1
      passes.sgd(c, parameters: p, gradients: g, velocity: c.momentum == 0 ? nil : m, 0..<16)
    }
  }

  static func adam(rate: Double = 0.1, beta1: Double = 0.9, beta2: Double = 0.999, scale: Double = 1)
    -> Update
  {
    { passes, step, p, g, m, v in
      let c = AdamCoefficients(
        rate: rate, beta1: beta1, beta2: beta2, epsilon: 1e-8, weightDecay: 0, step: step,
        gradientScale: scale)
      passes.adam(c, parameters: p, gradients: g, m: m, v: v, 0..<16)
    }
  }

  /// Every trajectory with its coefficients, and with one coefficient changed by a thousandth.
  static let cases: [(name: String, update: Update, perturbed: Update)] = [
    ("sgd lr=0.05", sgd(.init(rate: 0.05)), sgd(.init(rate: 0.05005))),
    (
      "sgd lr=0.05 wd=0.1", sgd(.init(rate: 0.05, weightDecay: 0.1)),
      sgd(.init(rate: 0.05, weightDecay: 0.1001))
    ),
    (
      "sgd lr=0.02 momentum=0.9", sgd(.init(rate: 0.02, momentum: 0.9)),
      sgd(.init(rate: 0.02, momentum: 0.9009))
    ),
    (
      "sgd lr=0.02 momentum=0.9 dampening=0.3 wd=0.05",
      sgd(.init(rate: 0.02, momentum: 0.9, dampening: 0.3, weightDecay: 0.05)),
      sgd(.init(rate: 0.02, momentum: 0.9, dampening: 0.3003, weightDecay: 0.05))
    ),
    (
      "sgd lr=0.02 momentum=0.9 nesterov wd=0.05",
      sgd(.init(rate: 0.02, momentum: 0.9, weightDecay: 0.05, nesterov: true)),
      sgd(.init(rate: 0.02, momentum: 0.9, weightDecay: 0.05, gradientScale: 1.001, nesterov: true))
    ),
    ("adam lr=0.1", adam(), adam(beta2: 0.999 * 1.0005)),
  ]

  @Test func trajectoriesArePyTorchs() {
    for (name, update, perturbed) in Self.cases {
      #expect(Self.follows(name, Self.trajectory(update)), "\(name)")
      #expect(!Self.follows(name, Self.trajectory(perturbed)), "\(name), perturbed")
    }
  }

  @Test func allLevelsGiveTheSameBits() {
    for (name, update, _) in Self.cases {
      let first = Self.trajectory(update, levels[0])
      for table in levels.dropFirst() { #expect(Self.trajectory(update, table) == first, "\(name)") }
    }
  }

  @Test func paddingStaysZero() {
    for (name, update, _) in Self.cases {
      let passes = FlatPasses(pool: ThreadPool(threads: 1), kernels: best)
      let (p, g, m, v) = (arena([1, 2]), arena([3, 4]), zeros(2), zeros(2))
      for step in 1...3 { update(passes, step, p, g, m, v) }
      #expect(p.values(16)[2...].allSatisfy { $0 == 0 }, "\(name)")
      #expect(p.pointer[0] != 1)
    }
    let passes = FlatPasses(pool: ThreadPool(threads: 1), kernels: best)
    let (p, g, m, v) = (arena([1, 2]), arena([3, 0]), zeros(2), zeros(2))
    let c = AdamCoefficients(rate: 0.1, beta1: 0.9, beta2: 0.999, epsilon: 0, weightDecay: 0, step: 1)
    passes.adam(c, parameters: p, gradients: g, m: m, v: v, 0..<16)
    #expect(p.pointer[1] == 2 && p.values(16)[2...].allSatisfy { $0 == 0 })
  }

  @Test func gradientScaleIsAScaledGradient() {
    let plain = Self.trajectory({ passes, step, p, g, m, v in
      passes.scale(g, 0..<16, by: 0.25)
      Self.adam()(passes, step, p, g, m, v)
    })
    #expect(Self.trajectory(Self.adam(scale: 0.25)) == plain)
  }

  @Test func passesOverAnyNumberOfThreadsGiveTheSameBits() {
    let count = 400_000
    var expected: (Double, [UInt32])?
    for threads in [1, 2, 3, 7] {
      let passes = FlatPasses(pool: ThreadPool(threads: threads), kernels: best)
      let (p, g) = (arena(numbers(count, 1)), arena(numbers(count, 2)))
      let (m, v) = (zeros(count), zeros(count))
      for step in 1...2 { Self.adam()(passes, step, p, g, m, v) }
      let c = AdamCoefficients(rate: 0.1, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.1, step: 3)
      passes.adam(c, parameters: p, gradients: g, m: m, v: v, 0..<count)
      passes.sgd(
        .init(rate: 0.1, momentum: 0.9, isFirstStep: true), parameters: p, gradients: g, velocity: m,
        0..<count)
      passes.clamp(p, 0..<count, to: 0.5)
      passes.scale(p, 0..<count, by: 0.9)
      let result = (passes.norm(p, 0..<count), p.bits(count))
      if let expected { #expect(result == expected, "\(threads) threads") } else { expected = result }
    }
  }

  @Test func normAndFiniteness() {
    let passes = FlatPasses(pool: ThreadPool(threads: 2), kernels: best)
    for count in [16, 48, 4096, 4112, 100_000] {
      let x = numbers(count, 9)
      let exact = x.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      let values = arena(x)
      #expect(abs(passes.norm(values, 0..<count) / exact - 1) < 1e-6)
      #expect(passes.isFinite(values, 0..<count))
      for bad in [Float.nan, .infinity, -.infinity] {
        values.pointer[count - 3] = bad
        #expect(!passes.isFinite(values, 0..<count))
        #expect(!passes.norm(values, 0..<count).isFinite)
      }
    }
  }

  @Test func clampKeepsNotANumber() {
    let passes = FlatPasses(pool: ThreadPool(threads: 1), kernels: best)
    let x = arena([-2, -0.5, 0.5, 2, .nan, .infinity, -.infinity])
    passes.clamp(x, 0..<16, to: 1)
    let y = x.values(7)
    #expect(y[0] == -1 && y[1] == -0.5 && y[2] == 0.5 && y[3] == 1 && y[4].isNaN && y[5] == 1 && y[6] == -1)
  }
}
