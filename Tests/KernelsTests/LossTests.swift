// Losses against PyTorch's numbers and against plain sums in double.

import Glibc
import Testing

@testable import Autodiff

@Suite struct LossTests {
  struct Result: Equatable {
    var losses: [UInt32]
    var hits: [Float]
    var gradient: [UInt32]

    func loss(_ row: Int) -> Double { Double(Float(bitPattern: losses[row])) }
  }

  /// Rows of logits through the kernel; the gradient without padding, which must be zero.
  static func crossEntropy(
    _ logits: [Float], classes: Int, _ labels: [Int32], smoothing: Float = 0, makesGradient: Bool = true,
    _ table: KernelTable = best
  ) -> Result {
    let rows = labels.count
    let stride = padded(classes)
    let (z, dz) = (zeros(rows * stride), zeros(rows * stride))
    z.pointer.update(repeating: .nan, count: rows * stride)
    dz.pointer.update(repeating: .nan, count: rows * stride)
    for (i, value) in logits.enumerated() { z.pointer[i / classes * stride + i % classes] = value }
    let (losses, hits) = (zeros(rows), zeros(rows))
    labels.withUnsafeBufferPointer { labels in
      guard let labels = labels.baseAddress else { return }
      table.crossEntropy(
        rows, classes, z.pointer, stride, labels, smoothing, 1 / Float(rows), losses.pointer, hits.pointer,
        makesGradient ? dz.pointer : nil)
    }
    if makesGradient {
      for row in 0..<rows { for j in classes..<stride { #expect(dz.pointer[row * stride + j] == 0) } }
    }
    return Result(
      losses: losses.bits(rows), hits: hits.values(rows),
      gradient: logits.indices.map { dz.pointer[$0 / classes * stride + $0 % classes].bitPattern })
  }

  static let logits: [Float] = [1, 2, 0.5, -1, 0, 0, 3, 1, -2, 0.3, 0.3, 2]
  static let labels: [Int32] = [1, 2, 0]

  static func isGolden(_ name: String, _ result: Result) -> Bool {
    guard let golden = GoldenNumbers.crossEntropy[name] else { return false }
    let value = (0..<3).reduce(0) { $0 + result.loss($1) } / 3
    return abs(value / golden.value - 1) < 1e-6
      && zip(result.gradient, golden.gradient.flatMap { $0 }).allSatisfy {
        abs(Double(Float(bitPattern: $0)) - $1) < 1e-7
      }
  }

  @Test func crossEntropyIsPyTorchs() {
    let plain = Self.crossEntropy(Self.logits, classes: 4, Self.labels)
    #expect(Self.isGolden("plain", plain))
    #expect(plain.hits == [1, 1, 0])
    let smooth = Self.crossEntropy(Self.logits, classes: 4, Self.labels, smoothing: 0.1)
    #expect(Self.isGolden("smooth0.1", smooth))
    #expect(
      !Self.isGolden("smooth0.1", Self.crossEntropy(Self.logits, classes: 4, Self.labels, smoothing: 0.1001)))
    #expect(
      !Self.isGolden("plain", Self.crossEntropy(Self.logits.map { $0 * 1.001 }, classes: 4, Self.labels)))
  }

  @Test func crossEntropyInAnyShape() {
    for classes in [1, 2, 15, 16, 17, 33, 100] {
      let rows = 13
      let logits = numbers(rows * classes, 5, scale: 20)
      let labels = (0..<rows).map { Int32($0 * 5 % classes) }
      let result = Self.crossEntropy(logits, classes: classes, labels, smoothing: 0.2)
      for row in 0..<rows {
        let z = logits[row * classes..<(row + 1) * classes].map(Double.init)
        let largest = z.max() ?? 0
        let logSum = largest + log(z.reduce(0) { $0 + exp($1 - largest) })
        let mean = z.reduce(0) { $0 + logSum - $1 } / Double(classes)
        let loss = 0.8 * (logSum - z[Int(labels[row])]) + 0.2 * mean
        #expect(abs(result.loss(row) - loss) < 2e-6 * max(1, loss))
        #expect(result.hits[row] == (z.firstIndex(of: largest) == Int(labels[row]) ? 1 : 0))
        for j in 0..<classes {
          let q = 0.2 / Double(classes) + (j == Int(labels[row]) ? 0.8 : 0)
          let exact = (exp(z[j] - logSum) - q) / Double(rows)
          #expect(
            abs(Double(Float(bitPattern: result.gradient[row * classes + j])) - exact) < 3e-7 / Double(rows))
        }
      }
    }
  }

  @Test func formsAndLevelsGiveTheSameBits() {
    let logits = numbers(7 * 33, 6, scale: 10)
    let labels: [Int32] = [0, 32, 5, 16, 15, 17, 1]
    let first = Self.crossEntropy(logits, classes: 33, labels, smoothing: 0.1, levels[0])
    for table in levels {
      #expect(Self.crossEntropy(logits, classes: 33, labels, smoothing: 0.1, table) == first)
      let forward = Self.crossEntropy(
        logits, classes: 33, labels, smoothing: 0.1, makesGradient: false, table)
      #expect(forward.losses == first.losses && forward.hits == first.hits)
    }
  }

  @Test func extremeLogits() {
    // Equal largest logits: the first one counts. Far apart ones: no overflow.
    let ties = Self.crossEntropy([2, 2, 1, 2, 2, 1], classes: 3, [0, 1])
    #expect(ties.hits == [1, 0])
    let far = Self.crossEntropy([1000, -1000, 0, -1000, 1000, 0], classes: 3, [0, 0])
    #expect(far.loss(0) == 0 && far.loss(1) == 2000)
    let bad = Self.crossEntropy([.nan, 1, 2, 3, 1, 2], classes: 3, [1, 7])
    #expect(bad.loss(0).isNaN && bad.loss(1).isNaN && bad.hits == [0, 0])
    #expect(bad.gradient.allSatisfy { Float(bitPattern: $0).isNaN })
  }

  @Test func squaredErrorInAnyShape() {
    for columns in [1, 15, 16, 17, 40] {
      let (rows, stride) = (13, padded(columns))
      let (x, t, dx, losses) = (
        arena(numbers(rows * stride, 1)), arena(numbers(rows * stride, 2)), zeros(rows * stride), zeros(rows)
      )
      dx.pointer.update(repeating: .nan, count: rows * stride)
      for table in levels {
        table.squaredError(
          rows, columns, x.pointer, stride, t.pointer, stride, 0.25, losses.pointer, dx.pointer)
        for row in 0..<rows {
          var sum = 0.0
          for j in 0..<stride {
            let place = row * stride + j
            let distance = j < columns ? Double(x.pointer[place]) - Double(t.pointer[place]) : 0
            sum += distance * distance
            #expect(abs(Double(dx.pointer[place]) - distance * 0.25) < 1e-7)
          }
          #expect(abs(Double(losses.pointer[row]) - sum) < 1e-6 * sum)
        }
        #expect(losses.bits(rows) == Self.squares(levels[0], x, t, rows, columns))
      }
    }
  }

  private static func squares(_ table: KernelTable, _ x: Arena, _ t: Arena, _ rows: Int, _ columns: Int)
    -> [UInt32]
  {
    let losses = zeros(rows)
    table.squaredError(
      rows, columns, x.pointer, padded(columns), t.pointer, padded(columns), 0.25, losses.pointer, nil)
    return losses.bits(rows)
  }

  @Test func columnSumsInAnyShape() {
    for (rows, columns) in [(1, 16), (13, 48), (33, 144), (200, 64)] {
      let x = arena(numbers(rows * columns, 3))
      let sums = zeros(columns)
      best.columnSums(rows, columns, x.pointer, columns, sums.pointer)
      for j in 0..<columns {
        let exact = (0..<rows).reduce(0.0) { $0 + Double(x.pointer[$1 * columns + j]) }
        #expect(abs(Double(sums.pointer[j]) - exact) < 1e-6 * Double(rows))
      }
      for table in levels {
        let other = zeros(columns)
        table.columnSums(rows, columns, x.pointer, columns, other.pointer)
        #expect(other.bits(columns) == sums.bits(columns))
      }
    }
  }
}
