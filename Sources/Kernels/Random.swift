// Random bits by counter: Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011), eight blocks at a time.

/// Words made at a time: eight blocks of four.
public let randomGroup = 32

/// words[i] for the elements `first`..<`first` + `count`, both multiples of 32.
///
/// Element e is word (e % 32) / 8 of the block with number e / 32 * 8 + e % 8, so that eight blocks next to each
/// other make four vectors of eight words. The block's counter is (number, stream, step), its key the seed.
public func randomWords(
  _ count: Int, _ first: Int, _ seed: UInt64, _ stream: UInt32, _ step: UInt64,
  _ words: UnsafeMutablePointer<UInt32>
) {
  // 32-bit numbers in 64-bit lanes: the products need the room, and nothing is ever converted.
  typealias Wide = SIMD8<UInt64>
  let low = Wide(repeating: 0xFFFF_FFFF)
  var group = 0
  while group < count {
    var c0 = Wide(0, 1, 2, 3, 4, 5, 6, 7) &+ UInt64(truncatingIfNeeded: (first &+ group) / 4)
    var c1 = Wide(repeating: UInt64(stream))
    var c2 = Wide(repeating: step & 0xFFFF_FFFF)
    var c3 = Wide(repeating: step >> 32)
    var (k0, k1) = (seed & 0xFFFF_FFFF, seed >> 32)
    var round = 0
    while round < 10 {
      // Masked, so that the compiler sees that products of 32 bits will do.
      let (a, b) = ((c0 & low) &* 0xD251_1F53, (c2 & low) &* 0xCD9E_8D57)
      c0 = (b &>> 32) ^ c1 ^ k0
      c1 = b & low
      c2 = (a &>> 32) ^ c3 ^ k1
      c3 = a & low
      k0 = (k0 &+ 0x9E37_79B9) & 0xFFFF_FFFF
      k1 = (k1 &+ 0xBB67_AE85) & 0xFFFF_FFFF
      round += 1
    }
    var lane = 0
    while lane < 8 {
      words[group + lane] = UInt32(truncatingIfNeeded: c0[lane])
      words[group + 8 + lane] = UInt32(truncatingIfNeeded: c1[lane])
      words[group + 16 + lane] = UInt32(truncatingIfNeeded: c2[lane])
      words[group + 24 + lane] = UInt32(truncatingIfNeeded: c3[lane])
      lane += 1
    }
    group += randomGroup
  }
}

/// Dropout: y = x * scale where the element's random number is at least p, else 0. The same call on dy gives dx.
///
/// `count` is a multiple of 16 and `first`, the number of the first element, one of 32; `threshold` is p in
/// units of 2^-24, which the top 24 bits of the element's word are compared with. `words` is scratch of
/// `dropoutScratchWords`.
public func dropout(
  _ count: Int, _ first: Int, _ seed: UInt64, _ stream: UInt32, _ step: UInt64, _ threshold: UInt32,
  _ scale: Float, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>,
  _ words: UnsafeMutablePointer<UInt32>
) {
  var start = 0
  while start < count {
    let part = min(dropoutScratchWords, count - start)
    randomWords((part + 31) & ~31, first + start, seed, stream, step, words)
    var i = 0
    while i < part {
      let word = UnsafeRawPointer(words + i).loadUnaligned(as: SIMD16<UInt32>.self)
      let value = (x + start).vector(i) * scale
      (y + start).store(value.replacing(with: 0, where: isDropped(word, threshold)), i)
      i += laneCount
    }
    start += part
  }
}

/// Where the top 24 bits of a random word are below `threshold`. Both are vectors: comparing with a plain number takes
/// the library's loop over the lanes.
@inline(__always) func isDropped(_ words: SIMD16<UInt32>, _ threshold: UInt32) -> SIMDMask<SIMD16<Int32>> {
  (words &>> 8) .< SIMD16<UInt32>(repeating: threshold)
}

/// Words of scratch that dropout needs.
public let dropoutScratchWords = 1024
