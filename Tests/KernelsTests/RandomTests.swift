// Philox: known answers, the kernel against the scalar form, dropout's rate and mask.

import Testing

@testable import Autodiff

@Suite struct RandomTests {
  /// Known answers of the authors' library Random123, `kat_vectors`.
  @Test func knownAnswers() {
    #expect(
      Philox.block((0, 0, 0, 0), key: (0, 0)) == (0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8))
    let ones: UInt32 = 0xffff_ffff
    #expect(
      Philox.block((ones, ones, ones, ones), key: (ones, ones))
        == (0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd))
    #expect(
      Philox.block((0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344), key: (0xa409_3822, 0x299f_31d0))
        == (0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1))
  }

  static func dropout(
    _ table: KernelTable, _ x: [Float], first: Int = 0, p: Double, seed: UInt64 = 0x1234_5678_9abc_def0,
    stream: UInt32 = 3, step: UInt64 = 0x5_0000_0007
  ) -> [Float] {
    let (from, to, words) = (arena(x), zeros(x.count), Arena(floats: 1024))
    table.dropout(
      padded(x.count), first, seed, stream, step, UInt32(Dropout.threshold(p)), Float(1 / (1 - p)),
      from.pointer,
      to.pointer, UnsafeMutableRawPointer(words.pointer).assumingMemoryBound(to: UInt32.self))
    return to.values(x.count)
  }

  @Test func dropoutIsTheScalarFormBitForBit() {
    let x = numbers(5008, 4)
    let random = Philox(seed: 0x1234_5678_9abc_def0, stream: 3, step: 0x5_0000_0007)
    for table in levels {
      for first in [0, 1024, 32 * 1_000_003] {
        let y = Self.dropout(table, x, first: first, p: 0.3)
        for i in x.indices {
          let isKept = random.uniform(UInt64(first + i)) >= 0.3
          #expect(y[i].bitPattern == (isKept ? x[i] * Float(1 / 0.7) : 0).bitPattern)
        }
      }
    }
  }

  @Test func dropoutKeepsTheRightShare() {
    let x = [Float](repeating: 1, count: 100_000)
    for p in [0.0, 0.1, 0.5, 0.9] {
      let kept = Self.dropout(best, x, p: p).count { $0 != 0 }
      #expect(abs(Double(kept) / 100_000 - (1 - p)) < 0.006)
    }
  }

  @Test func everyKeyCounts() {
    let x = [Float](repeating: 1, count: 256)
    let base = Self.dropout(best, x, p: 0.5)
    #expect(base != Self.dropout(best, x, p: 0.5, seed: 1))
    #expect(base != Self.dropout(best, x, p: 0.5, stream: 4))
    #expect(base != Self.dropout(best, x, p: 0.5, step: 7))
    #expect(base == Self.dropout(best, x, p: 0.5))
  }

  static func normals(
    _ table: KernelTable, rows: Int, columns: Int, stride: Int, first: Int = 0, deviation: Float = 1,
    onto value: Float = 0
  ) -> [Float] {
    let (to, words) = (arena([Float](repeating: value, count: rows * stride)), Arena(floats: 1024))
    table.addNormals(
      rows, columns, stride, first, 0x1234_5678_9abc_def0, 3, 0x5_0000_0007, deviation, to.pointer,
      UnsafeMutableRawPointer(words.pointer).assumingMemoryBound(to: UInt32.self))
    return to.values(rows * stride)
  }

  /// Box and Muller's formula in double, of the words by their definition.
  @Test func normalsAreThoseOfTheirWords() {
    let random = Philox(seed: 0x1234_5678_9abc_def0, stream: 3, step: 0x5_0000_0007)
    func wanted(row: Int, column: Int, columns: Int) -> Double {
      let place = (columns + 63) / 64 * 32 * row + column / 32 * 16 + column % 16
      let word = random.word(UInt64(place))
      let radius = (-2 * ExactMath.log((Double(word >> 12) + 0.5) / 1_048_576)).squareRoot()
      let quarter = (Double(word >> 2 & 1023) + 0.5) / 1024 - 0.5
      let (c, s) = (ExactMath.cosPi(quarter / 2), ExactMath.sinPi(quarter / 2))
      let turned = word & 2 == 0 ? c : -c
      let pair = word & 1 == 0 ? (turned, s) : (s, turned)
      return radius * (column % 32 < 16 ? pair.0 : pair.1)
    }
    for (columns, stride) in [(3, 16), (16, 16), (31, 33), (64, 64), (2100, 2112)] {
      for table in levels {
        let values = Self.normals(table, rows: 3, columns: columns, stride: stride, first: 5)
        for row in 0..<3 {
          for column in 0..<stride {
            let number = column < columns ? wanted(row: 5 + row, column: column, columns: columns) : 0
            #expect(abs(Double(values[row * stride + column]) - number) < 2e-6)
          }
        }
      }
    }
  }

  @Test func normalsAreTheSameOnEveryLevel() {
    let value: Float = 0.3
    let expected = Self.normals(best, rows: 7, columns: 1203, stride: 1216, deviation: 0.1, onto: value)
    for table in levels {
      let values = Self.normals(table, rows: 7, columns: 1203, stride: 1216, deviation: 0.1, onto: value)
      #expect(values.map(\.bitPattern) == expected.map(\.bitPattern))
    }
    #expect(expected[1203..<1216].allSatisfy { $0 == value }, "what is between the rows is not touched")
  }

  /// The shares of a million numbers between deviations, and numbers next to each other that know nothing of each other.
  @Test func normalsAreNormal() {
    let values = Self.normals(best, rows: 16, columns: 65_536, stride: 65_536).map(Double.init)
    let count = Double(values.count)
    for (bound, share) in [(0.5, 0.308_538), (1, 0.158_655), (2, 0.022_750), (3, 0.001_349_9), (4, 3.167e-5)]
    {
      let allowed = 5 * (share / count).squareRoot()
      #expect(abs(Double(values.count { $0 > bound }) / count - share) < allowed)
      #expect(abs(Double(values.count { $0 < -bound }) / count - share) < allowed)
    }
    #expect(values.allSatisfy { abs($0) < 5.4 })
    for distance in [1, 16, 32, 65_536] {
      let products = (distance..<values.count).reduce(0) { $0 + values[$1] * values[$1 - distance] }
      #expect(abs(products / count) < 0.005)
      let squares = (distance..<values.count).reduce(0) { sum, place in
        sum + (values[place] * values[place] - 1) * (values[place - distance] * values[place - distance] - 1)
      }
      #expect(abs(squares / count) < 0.01)
    }
  }
}
