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
}
