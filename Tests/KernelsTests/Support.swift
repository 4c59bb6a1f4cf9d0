// Helpers of the tests.

import Testing

@testable import Autodiff

/// The levels this processor has; what it lacks is said once and tested elsewhere.
let levels: [KernelTable] = {
  for level in KernelTable.Level.allCases where !KernelTable.available.contains(level) {
    print("this processor has no \(level.rawValue) kernels: not tested here")
  }
  return KernelTable.available.compactMap { try? KernelTable.make($0) }
}()

/// The level that is used when nobody asks for another.
var best: KernelTable { levels[levels.count - 1] }

/// An arena that begins with these numbers.
func arena(_ values: [Float]) -> Arena {
  let arena = Arena(floats: padded(values.count) + 1024)
  for (i, value) in values.enumerated() { arena.pointer[i] = value }
  return arena
}

func zeros(_ count: Int) -> Arena { arena([Float](repeating: 0, count: count)) }

extension Arena {
  func values(_ count: Int) -> [Float] { (0..<count).map { pointer[$0] } }
  func bits(_ count: Int) -> [UInt32] { (0..<count).map { pointer[$0].bitPattern } }
}

/// Numbers in -1..<1 that follow no simple pattern.
func numbers(_ count: Int, _ salt: UInt32, scale: Float = 1) -> [Float] {
  let random = Philox(seed: 7, stream: salt, step: 0)
  return (0..<count).map { (random.uniform(UInt64($0)) * 2 - 1) * scale }
}

/// The larger of two errors; one that is not a number counts as infinite, where `max` would pass over it.
func worse(_ a: Double, _ b: Double) -> Double { b <= a ? a : b.isNaN ? .infinity : b }
