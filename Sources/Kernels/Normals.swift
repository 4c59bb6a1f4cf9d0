// Normal numbers by counter: the method of Box and Muller (1958) over the words of `randomWords`.

/// Numbers that a group of random words makes, two of each word.
public let normalGroup = 2 * randomGroup

/// Two independent normal numbers of each word. Its upper 20 bits are the radius, so none is beyond 5.4 deviations; two
/// are the quarter of the circle, and ten the place in it.
///
/// With j / 1024 + 1/2048 - 1/2 = t the place in a quarter, sine and cosine of t pi/2 by Taylor's series; error of a
/// number below 1e-6.
@inline(__always) func normalPair(_ words: SIMD16<UInt32>) -> (Vector, Vector) {
  let one: UInt32 = 0x3F80_0000
  // (k + 1/2) / 2^20 from the upper bits: always above 0, where the logarithm is finite.
  let share = unsafeBitCast((words &>> 9) & 0x7F_FFF8 | (one | 4), to: Vector.self) - 1
  let radius = (logarithm(share) * -2).squareRoot()
  let t = unsafeBitCast((words &<< 11) & 0x7F_E000 | (one | 0x1000), to: Vector.self) - 1.5
  let square = t * t
  var s = Vector(repeating: 1.604_411_8e-4)
  s = Vector(repeating: -4.681_754e-3).addingProduct(s, square)
  s = Vector(repeating: 0.079_692_63).addingProduct(s, square)
  s = Vector(repeating: -0.645_964_1).addingProduct(s, square)
  s = Vector(repeating: 1.570_796_3).addingProduct(s, square) * t
  var c = Vector(repeating: 9.192_603e-4)
  c = Vector(repeating: -0.020_863_48).addingProduct(c, square)
  c = Vector(repeating: 0.253_669_5).addingProduct(c, square)
  c = Vector(repeating: -1.233_700_5).addingProduct(c, square)
  c = Vector(repeating: 1).addingProduct(c, square)
  // The second bit takes the cosine to the other side, the first changes the two: the four quarters.
  let sign = (words &<< 30) & 0x8000_0000
  let turned = unsafeBitCast(c * radius, to: SIMD16<UInt32>.self) ^ sign
  let other = unsafeBitCast(s * radius, to: SIMD16<UInt32>.self)
  let change = (turned ^ other) & (0 &- (words & 1))
  return (unsafeBitCast(turned ^ change, to: Vector.self), unsafeBitCast(other ^ change, to: Vector.self))
}

/// Adds normal numbers of mean 0 and the given deviation to `columns` numbers of each of `rows` rows, `stride` floats
/// apart; whatever lies between is not touched.
///
/// Number n of row r, counted from `first`, is one of the pair of word n / 32 * 16 + n % 16 of the row, whose words
/// begin with a group of its own. `words` is scratch of `dropoutScratchWords`.
public func addNormals(
  _ rows: Int, _ columns: Int, _ stride: Int, _ first: Int, _ seed: UInt64, _ stream: UInt32, _ step: UInt64,
  _ deviation: Float, _ values: UnsafeMutablePointer<Float>, _ words: UnsafeMutablePointer<UInt32>
) {
  let wordsPerRow = (columns &+ normalGroup &- 1) / normalGroup &* randomGroup
  var row = 0
  while row < rows {
    let line = values + row &* stride
    var done = 0
    while done < wordsPerRow {
      let part = min(dropoutScratchWords, wordsPerRow &- done)
      randomWords(part, (first &+ row) &* wordsPerRow &+ done, seed, stream, step, words)
      var i = 0
      while i < part {
        let pair = normalPair(UnsafeRawPointer(words + i).loadUnaligned(as: SIMD16<UInt32>.self))
        let column = 2 &* (done &+ i)
        addNoise(pair.0, deviation, line, column, columns)
        addNoise(pair.1, deviation, line, column &+ laneCount, columns)
        i += laneCount
      }
      done += part
    }
    row += 1
  }
}

/// line[column + lane] += deviation * noise[lane], as far as there are columns.
@inline(__always) private func addNoise(
  _ noise: Vector, _ deviation: Float, _ line: UnsafeMutablePointer<Float>, _ column: Int, _ columns: Int
) {
  if column &+ laneCount <= columns {
    line.store(line.vector(column).addingProduct(noise, Vector(repeating: deviation)), column)
  } else {
    var lane = 0
    while column &+ lane < columns {
      line[column + lane] = line[column + lane].addingProduct(noise[lane], deviation)
      lane += 1
    }
  }
}
