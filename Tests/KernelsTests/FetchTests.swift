// What brings examples from a data set into a batch.

import Testing

@testable import Autodiff

@Suite struct FetchTests {
  /// Enough rows that two threads share them, of five.
  static let rows = (0..<67).map { Int32($0 * $0 % 5) }

  /// Rows of a set of five in the order asked for, at `stride`, with what stands between them left alone.
  static func gathered(_ columns: Int, _ stride: Int, _ at: (Int, Int) -> Float) -> [Float] {
    var batch = [Float](repeating: -7, count: rows.count * stride)
    for (i, row) in rows.enumerated() { for j in 0..<columns { batch[i * stride + j] = at(Int(row), j) } }
    return batch
  }

  @Test(arguments: [1, 15, 17, 33, 2000]) func rowsAreGathered(_ columns: Int) {
    let bytes = (0..<5 * columns).map { UInt8(truncatingIfNeeded: $0 * 37 + $0 / 7) }
    let floats = numbers(5 * columns, 3)
    let stride = padded(columns) + 16
    for table in levels {
      let passes = FlatPasses(pool: ThreadPool(threads: 2), kernels: table)
      let (a, b) = (Arena(floats: Self.rows.count * stride), Arena(floats: Self.rows.count * stride))
      for arena in [a, b] { arena.pointer.update(repeating: -7, count: arena.floats) }
      Self.rows.withUnsafeBufferPointer { rows in
        bytes.withUnsafeBufferPointer {
          passes.gather(rows, of: $0, columns: columns, to: a.pointer, stride: stride)
        }
        floats.withUnsafeBufferPointer {
          passes.gather(rows, of: $0, columns: columns, to: b.pointer, stride: stride)
        }
      }
      #expect(a.values(a.floats) == Self.gathered(columns, stride) { Float(bytes[$0 * columns + $1]) / 255 })
      #expect(b.values(b.floats) == Self.gathered(columns, stride) { floats[$0 * columns + $1] })
    }
  }

  @Test(arguments: [1, 15, 17, 40]) func rowsAreStandardized(_ columns: Int) {
    let (mean, scale) = (numbers(columns, 1), numbers(columns, 2))
    let stride = padded(columns) + 16
    var raw = numbers(3 * stride, 5)
    raw[stride] = .nan
    for table in levels {
      let passes = FlatPasses(pool: ThreadPool(threads: 2), kernels: table)
      let x = arena(raw)
      mean.withUnsafeBufferPointer { mean in
        scale.withUnsafeBufferPointer {
          passes.standardize(x.pointer, rows: 3, stride: stride, mean: mean, scale: $0)
        }
      }
      for (place, value) in raw.enumerated() {
        let column = place % stride
        let expected = column < columns ? (value - mean[column]) * scale[column] : value
        #expect(x.pointer[place] == (expected.isNaN ? 0 : expected))
      }
    }
  }
}
