// Normal numbers by the thousand, where a few digits are enough.

/// Quantiles of the normal distribution at the middles of 65536 equal shares.
private let normalQuantiles: [Float] = {
  // The distribution function by Simpson's rule in steps of 1/1024, and between its points by a straight line.
  let count = 65536
  func density(_ x: Double) -> Double { ExactMath.exp(-x * x / 2) * 0.3989422804014327 }
  var upper: [Float] = []
  var (x, sum) = (0.0, 0.5)
  let step = 1.0 / 1024
  for index in count / 2..<count {
    let wanted = (Double(index) + 0.5) / Double(count)
    while true {
      let next = sum + step / 6 * (density(x) + 4 * density(x + step / 2) + density(x + step))
      if next >= wanted {
        upper.append(Float(x + step * (wanted - sum) / (next - sum)))
        break
      }
      (x, sum) = (x + step, next)
    }
  }
  return upper.reversed().map { -$0 } + upper
}()

extension Philox {
  /// Adds normal numbers of mean 0 and the given deviation, eight to a block of random words from block `first` on; none
  /// is beyond 4.3 deviations.
  public func addNormals(
    to values: UnsafeMutablePointer<Float>, count: Int, deviation: Float, from first: UInt64 = 0
  ) {
    normalQuantiles.withUnsafeBufferPointer { quantiles in
      var place = 0
      var number = first
      while place < count {
        let words = block(number)
        number += 1
        var bits = SIMD4(words.0, words.1, words.2, words.3)
        for _ in 0..<2 {
          for lane in 0..<4 where place < count {
            values[place] += deviation * quantiles[Int(bits[lane] & 0xFFFF)]
            place += 1
          }
          bits = bits &>> 16
        }
      }
    }
  }
}

extension ParameterLayout {
  /// Adds normal numbers of mean 0 and the given deviation to a parameter where it lies; padding stays 0.
  public func addNormals(_ random: Philox, deviation: Float, to index: Int, in arena: Arena) {
    let entry = entries[index]
    let blocks = (entry.columns + 7) / 8
    for row in 0..<entry.rows {
      random.addNormals(
        to: arena.pointer + entry.offset + row * entry.stride, count: entry.columns, deviation: deviation,
        from: UInt64(row * blocks))
    }
  }
}
