// Polynomials against the C library in double, over every kind of argument.

import Glibc
import Testing

@testable import Autodiff

@Suite struct FunctionTests {
  typealias Kernel = (Int, UnsafePointer<Float>, UnsafeMutablePointer<Float>) -> Void

  static func apply(_ kernel: Kernel, _ x: [Float]) -> [Float] {
    let (from, to) = (arena(x), zeros(x.count))
    kernel(padded(x.count), from.pointer, to.pointer)
    return to.values(x.count)
  }

  /// The largest relative error over `count` arguments from `low` to `high`.
  static func error(
    _ kernel: Kernel, _ reference: (Double) -> Double, _ low: Double, _ high: Double, floor: Double = 1e-38,
    _ count: Int = 200_000
  ) -> Double {
    let x = (0..<count).map { Float(low + (high - low) * Double($0) / Double(count - 1)) }
    return zip(x, apply(kernel, x)).reduce(0) { worst, pair in
      let exact = reference(Double(pair.0))
      return worse(worst, abs(Double(pair.1) - exact) / max(abs(exact), floor))
    }
  }

  @Test func exponential() {
    #expect(Self.error(best.exp, exp, -87.3, 88.3) < 1.3e-7)
    #expect(Self.error(best.exp, exp, -1, 1) < 1.3e-7)
    let special = Self.apply(best.exp, [0, -200, 200, -.infinity, .infinity, .nan])
    #expect(special[0] == 1 && special[1] == 0 && special[2] == .infinity && special[3] == 0)
    #expect(special[4] == .infinity && special[5].isNaN)
  }

  @Test func logarithm() {
    #expect(Self.error(best.log, log, 0.5, 2, floor: 1) < 6e-8)
    #expect(Self.error(best.log, log, 2, 1e6) < 1.2e-7)
    #expect(Self.error(best.log, log, 1e-30, 0.5) < 1.2e-7)
    #expect(Self.error(best.log, log, 1.2e-38, 1e-36) < 1.2e-7)
    #expect(Self.error(best.log, log, 1e30, 3e38) < 1.2e-7)
    let special = Self.apply(best.log, [1, .infinity, .nan])
    #expect(special[0] == 0 && special[1] == .infinity && special[2].isNaN)
  }

  @Test func hyperbolicTangent() {
    #expect(Self.error(best.tanh, tanh, -12, 12) < 2.5e-7)
    #expect(Self.error(best.tanh, tanh, -0.7, 0.7) < 2.5e-7)
    #expect(Self.error(best.tanh, tanh, 1e-30, 1e-3) < 2.5e-7)
    let special = Self.apply(best.tanh, [0, 100, -100, .infinity, -.infinity, .nan])
    #expect(special[0] == 0 && special[1] == 1 && special[2] == -1 && special[3] == 1 && special[4] == -1)
    #expect(special[5].isNaN)
    #expect(Self.apply(best.tanh, [-0.0])[0].sign == .minus)
  }

  @Test func allLevelsGiveTheSameBits() {
    let x =
      (0..<4096).map { Float($0 - 2048) / 17 } + [
        .nan, .infinity, -.infinity, 0, -0.0, Float(bitPattern: 71_362), 1e38,
      ]
    for kernel in [\KernelTable.exp, \.tanh, \.relu] {
      let first = Self.apply(levels[0][keyPath: kernel], x).map(\.bitPattern)
      for table in levels.dropFirst() {
        #expect(Self.apply(table[keyPath: kernel], x).map(\.bitPattern) == first)
      }
    }
    let positive = x.map { abs($0) + 1e-30 }
    for table in levels.dropFirst() {
      #expect(
        Self.apply(table.log, positive).map(\.bitPattern)
          == Self.apply(levels[0].log, positive).map(\.bitPattern))
    }
  }

  @Test func reluKeepsNotANumber() {
    let y = Self.apply(best.relu, [-1, 0, 2, .nan, -.infinity, .infinity])
    #expect(y[0] == 0 && y[1] == 0 && y[2] == 2 && y[3].isNaN && y[4] == 0 && y[5] == .infinity)
  }
}
