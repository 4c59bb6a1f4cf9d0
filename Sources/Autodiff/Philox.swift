// Random numbers that are functions of what they are for, never of what was drawn before.

/// The random numbers of one purpose (`stream`) at one step of a run, found by their place.
///
/// Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011): key = seed; counter = (block, stream, step). The words are those
/// that the dropout kernel uses, bit for bit. `word`, `uniform`, and on the other hand `uniformDouble`, `normal` and
/// `sequence` read the same blocks: give each use its own stream.
public struct Philox: Sendable {
  let seed: UInt64
  let stream: UInt32
  let step: UInt64

  /// The numbers of a purpose at a step.
  public init(seed: UInt64, stream: UInt32, step: UInt64) {
    self.seed = seed
    self.stream = stream
    self.step = step
  }

  /// 32 random bits. Eight blocks of four words go together, so that the kernels can make them side by side:
  /// element e is word (e mod 32) / 8 of block e / 32 * 8 + e mod 8. Elements are below 2^34.
  public func word(_ element: UInt64) -> UInt32 {
    let words = block(element / 32 * 8 + element % 8)
    switch element % 32 / 8 {
    case 0: return words.0
    case 1: return words.1
    case 2: return words.2
    default: return words.3
    }
  }

  /// Uniform in 0..<1, a multiple of 2^-24.
  public func uniform(_ element: UInt64) -> Float {
    Float(word(element) >> 8) * 0x1p-24
  }

  /// Uniform in 0..<1, a multiple of 2^-53. Elements are below 2^32.
  public func uniformDouble(_ element: UInt64) -> Double {
    let words = block(element)
    return Double((UInt64(words.0) << 32 | UInt64(words.1)) >> 11) * 0x1p-53
  }

  /// Mean 0 and standard deviation 1 (Box, Muller 1958). Elements are below 2^32.
  public func normal(_ element: UInt64) -> Double {
    let words = block(element)
    // In (0, 1], whose logarithm is finite; and a turn in 0..<2 halves.
    let radius = Double((UInt64(words.0) << 32 | UInt64(words.1)) >> 11 + 1) * 0x1p-53
    let turn = Double((UInt64(words.2) << 32 | UInt64(words.3)) >> 11) * 0x1p-52
    return (-2 * ExactMath.log(radius)).squareRoot() * ExactMath.cosPi(turn)
  }

  /// 0..<`count` in random order, every order as likely (Fisher, Yates).
  public func permutation(_ count: Int) -> [Int32] {
    var order = [Int32](0..<Int32(max(0, count)))
    var random = sequence()
    for last in stride(from: order.count - 1, to: 0, by: -1) {
      order.swapAt(last, Int(random.bounded(UInt64(last + 1))))
    }
    return order
  }

  /// All bits of this purpose and step, one after the other.
  public func sequence() -> PhiloxSequence { PhiloxSequence(self) }

  /// The four words of a block.
  func block(_ number: UInt64) -> (UInt32, UInt32, UInt32, UInt32) {
    Self.block(
      (
        UInt32(truncatingIfNeeded: number), stream, UInt32(truncatingIfNeeded: step),
        UInt32(truncatingIfNeeded: step >> 32)
      ), key: (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)))
  }

  /// Ten rounds of the cipher.
  static func block(_ counter: (UInt32, UInt32, UInt32, UInt32), key: (UInt32, UInt32))
    -> (UInt32, UInt32, UInt32, UInt32)
  {
    var (c, k) = (counter, key)
    for _ in 0..<10 {
      let a = (0xD251_1F53 as UInt32).multipliedFullWidth(by: c.0)
      let b = (0xCD9E_8D57 as UInt32).multipliedFullWidth(by: c.2)
      c = (b.high ^ c.1 ^ k.0, b.low, a.high ^ c.3 ^ k.1, a.low)
      k = (k.0 &+ 0x9E37_79B9, k.1 &+ 0xBB67_AE85)
    }
    return c
  }
}

/// Random bits in sequence, 64 at a time.
public struct PhiloxSequence: RandomNumberGenerator, Sendable {
  private let philox: Philox
  private var position: UInt64 = 0

  init(_ philox: Philox) { self.philox = philox }

  /// The next 64 bits.
  public mutating func next() -> UInt64 {
    let words = philox.block(position / 2)
    defer { position += 1 }
    return position % 2 == 0
      ? UInt64(words.0) << 32 | UInt64(words.1) : UInt64(words.2) << 32 | UInt64(words.3)
  }

  /// A number in 0..<`bound`, each as likely (Lemire 2019); 0 when `bound` is 0.
  public mutating func bounded(_ bound: UInt64) -> UInt64 {
    guard bound > 1 else { return 0 }
    var product = next().multipliedFullWidth(by: bound)
    if product.low < bound {
      let unfair = (0 &- bound) % bound
      while product.low < unfair { product = next().multipliedFullWidth(by: bound) }
    }
    return product.high
  }
}
