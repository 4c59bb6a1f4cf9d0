// The random numbers of a run outside of its graph, by purpose: a number is a function of the seed, what it is
// for, and two counters, never of what was drawn before.

/// What random numbers are for; each purpose has a stream of its own.
enum RandomPurpose: UInt32 {
  case dataset = 0x8000_0000
  case testSplit, validationSplit, order, initialization, dropout
}

/// Random numbers of one purpose, each found by its place (step, element).
struct RandomStream: Sendable {
  let seed: UInt64
  let purpose: RandomPurpose

  init(seed: UInt64, _ purpose: RandomPurpose) {
    self.seed = seed
    self.purpose = purpose
  }

  /// Uniform in 0..<1, a multiple of 2^-53.
  func uniform(_ step: Int, _ element: Int) -> Double {
    let words = block(step, element)
    return Double((UInt64(words.0) << 32 | UInt64(words.1)) >> 11) * 0x1p-53
  }

  /// Mean 0 and standard deviation 1 (Box, Muller 1958).
  func normal(_ step: Int, _ element: Int) -> Double {
    let words = block(step, element)
    let radius = (Double(words.0) + 0.5) * 0x1p-32
    let turn = Double(words.1) * 0x1p-31
    return (-2 * PortableMath.logarithm(radius)).squareRoot() * PortableMath.cosinePi(turn)
  }

  /// 0..<count in random order (Fisher, Yates).
  func permutation(step: Int, count: Int) -> [Int32] {
    var order = Array(0..<Int32(count))
    for last in stride(from: count - 1, to: 0, by: -1) {
      let word = UInt64(block(step, last).0)
      order.swapAt(last, Int((word * UInt64(last + 1)) >> 32))
    }
    return order
  }

  /// Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011): key = seed, counter = (element, step, purpose).
  private func block(_ step: Int, _ element: Int) -> (UInt32, UInt32, UInt32, UInt32) {
    let (element, step) = (UInt64(bitPattern: Int64(element)), UInt64(bitPattern: Int64(step)))
    return Self.philox(
      (
        UInt32(truncatingIfNeeded: element), UInt32(truncatingIfNeeded: element >> 32),
        UInt32(truncatingIfNeeded: step), purpose.rawValue ^ UInt32(truncatingIfNeeded: step >> 32)
      ),
      key: (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)))
  }

  static func philox(_ counter: (UInt32, UInt32, UInt32, UInt32), key: (UInt32, UInt32))
    -> (UInt32, UInt32, UInt32, UInt32)
  {
    var (c, k) = (counter, key)
    for _ in 0..<10 {
      let a = 0xD251_1F53 * UInt64(c.0)
      let b = 0xCD9E_8D57 * UInt64(c.2)
      c = (
        UInt32(b >> 32) ^ c.1 ^ k.0, UInt32(truncatingIfNeeded: b), UInt32(a >> 32) ^ c.3 ^ k.1,
        UInt32(truncatingIfNeeded: a)
      )
      k = (k.0 &+ 0x9E37_79B9, k.1 &+ 0xBB67_AE85)
    }
    return c
  }
}
