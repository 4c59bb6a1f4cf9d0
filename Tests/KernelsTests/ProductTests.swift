// Matrix products against sums in double.

import Kernels
import Testing

@testable import Autodiff

/// How A and B are stored.
enum Storage: CaseIterable {
  /// A by rows, B by rows: the forward product.
  case forward
  /// A by columns: a weight's gradient.
  case weightGradient
  /// B by columns: an input's gradient.
  case inputGradient
}

/// A product of given sizes with everything it needs.
struct ProductCase {
  let (m, n, k): (Int, Int, Int)
  let storage: Storage
  let a, b, operand: Arena
  let (aRow, aInner, bInner, bColumn): (Int, Int, Int, Int)
  var stride: Int { padded(n) }

  init(_ m: Int, _ n: Int, _ k: Int, _ storage: Storage) {
    (self.m, self.n, self.k, self.storage) = (m, n, k, storage)
    let stride = padded(n)
    (aRow, aInner) = storage == .weightGradient ? (1, padded(m)) : (padded(k), 1)
    (bInner, bColumn) = storage == .inputGradient ? (1, padded(k)) : (stride, 1)
    a = zeros(padded(m) * padded(k))
    b = zeros(padded(n) * padded(k))
    operand = zeros(m * stride)
    let (av, bv, ov) = (numbers(m * k, 1), numbers(n * k, 2), numbers(m * n, 3))
    for i in 0..<m { for p in 0..<k { a.pointer[i * aRow + p * aInner] = av[i * k + p] } }
    for p in 0..<k { for j in 0..<n { b.pointer[p * bInner + j * bColumn] = bv[p * n + j] } }
    for i in 0..<m { for j in 0..<n { operand.pointer[i * stride + j] = ov[i * n + j] } }
  }

  func run(_ table: KernelTable, _ epilogue: ProductEpilogue) -> Arena {
    let c = zeros(m * stride)
    c.pointer.update(repeating: epilogue == .accumulate ? 0.5 : .nan, count: m * stride)
    let scratch = Arena(floats: productScratchFloats)
    scratch.pointer.update(repeating: .nan, count: scratch.floats)
    table.product(
      m, n, k, a.pointer, aRow, aInner, b.pointer, bInner, bColumn, c.pointer, stride,
      Int32(epilogue.rawValue),
      operand.pointer, scratch.pointer)
    return c
  }

  /// The largest error of a result, in units of what rounding k products can do.
  func error(_ c: Arena, _ epilogue: ProductEpilogue) -> Double {
    var worst = 0.0
    for i in 0..<m {
      for j in 0..<n {
        var (sum, size) = (epilogue == .accumulate ? 0.5 : 0.0, 1e-30)
        for p in 0..<k {
          let term = Double(a.pointer[i * aRow + p * aInner]) * Double(b.pointer[p * bInner + j * bColumn])
          sum += term
          size += abs(term)
        }
        let bias = Double(operand.pointer[j])
        let other = Double(operand.pointer[i * stride + j])
        switch epilogue {
        case .plain, .accumulate: break
        case .bias: sum += bias
        case .biasRelu: sum = max(0, sum + bias)
        case .biasTanh: sum = ExactTanh.of(sum + bias)
        case .reluGradient: sum = other > 0 ? sum : 0
        case .tanhGradient: sum *= 1 - other * other
        case .slope: sum *= other
        }
        let bound = (Double(k) + 8) * 0x1p-24 * (size + abs(bias) + 1)
        worst = worse(worst, abs(Double(c.pointer[i * stride + j]) - sum) / bound)
      }
    }
    return worst
  }
}

/// tanh in double.
enum ExactTanh {
  static func of(_ x: Double) -> Double {
    let power = ExactMath.exp(2 * abs(x))
    let size = abs(x) < 1e-3 ? abs(x) - abs(x * x * x) / 3 : 1 - 2 / (power + 1)
    return x < 0 ? -size : size
  }
}

@Suite struct ProductTests {
  /// Crosses every border of tiles, panels and blocks.
  static let sizes = [
    (1, 1, 1), (1, 15, 17), (13, 10, 31), (15, 17, 33), (31, 33, 15), (33, 31, 1), (12, 32, 16),
    (24, 48, 200),
    (5, 64, 193), (60, 64, 64), (50, 70, 390), (483, 40, 17), (14, 33, 20), (26, 20, 70), (38, 64, 5),
    (28, 16, 9), (32, 10, 64), (1, 130, 784), (64, 16, 512),
  ]

  @Test(arguments: Storage.allCases) func matchesSumsInDouble(_ storage: Storage) {
    for (m, n, k) in Self.sizes {
      let test = ProductCase(m, n, k, storage)
      for epilogue in [
        ProductEpilogue.plain, .bias, .biasRelu, .biasTanh, .reluGradient, .tanhGradient, .accumulate, .slope,
      ] {
        let error = test.error(test.run(best, epilogue), epilogue)
        #expect(error <= 1, "\(m)x\(n)x\(k) \(storage) \(epilogue)")
      }
    }
  }

  @Test func anErrorInOneTermIsSeen() {
    let test = ProductCase(15, 17, 33, .forward)
    let c = test.run(best, .plain)
    test.a.pointer[3 * test.aRow + 5] += 1e-3
    #expect(test.error(c, .plain) > 1)
  }

  @Test(arguments: Storage.allCases) func allLevelsGiveTheSameBits(_ storage: Storage) {
    for (m, n, k) in Self.sizes {
      let test = ProductCase(m, n, k, storage)
      for epilogue in [
        ProductEpilogue.plain, .biasRelu, .biasTanh, .reluGradient, .tanhGradient, .accumulate, .slope,
      ] {
        let first = test.run(levels[0], epilogue).bits(m * test.stride)
        for table in levels.dropFirst() {
          #expect(test.run(table, epilogue).bits(m * test.stride) == first, "\(m)x\(n)x\(k) \(table.level)")
        }
      }
    }
  }

  @Test(arguments: Storage.allCases) func paddingBecomesZero(_ storage: Storage) {
    let test = ProductCase(9, 18, 20, storage)
    let c = test.run(best, .plain)
    for i in 0..<9 { for j in 18..<32 { #expect(c.pointer[i * 32 + j] == 0) } }
  }

  @Test func rowsFarApartAreCopied() {
    // 1024 floats from row to row and more than 64 columns: the copy of A.
    for (m, n, k) in [(13, 80, 1024), (30, 96, 2048)] {
      let test = ProductCase(m, n, k, .forward)
      #expect(test.error(test.run(best, .bias), .bias) <= 1)
    }
  }

  @Test func longColumnsAreCopied() {
    // More than 480 floats from step to step and more than one block of steps: the copy of A's columns.
    for (m, n, k) in [(530, 50, 200), (497, 34, 390)] {
      let test = ProductCase(m, n, k, .weightGradient)
      for epilogue in [ProductEpilogue.plain, .accumulate] {
        let first = test.run(levels[0], epilogue)
        #expect(test.error(first, epilogue) <= 1, "\(m)x\(n)x\(k) \(epilogue)")
        for table in levels.dropFirst() {
          #expect(test.run(table, epilogue).bits(m * test.stride) == first.bits(m * test.stride))
        }
      }
    }
  }

  @Test(arguments: Storage.allCases) func largeResultsAreAskedForAhead(_ storage: Storage) {
    // More than half a megabyte of C, in one block of steps and in two.
    for (m, n, k) in [(1031, 130, 20), (1030, 132, 195)] {
      let test = ProductCase(m, n, k, storage)
      for epilogue in [ProductEpilogue.bias, .slope] {
        #expect(test.error(test.run(best, epilogue), epilogue) <= 1, "\(m)x\(n)x\(k) \(epilogue)")
      }
    }
  }
}
