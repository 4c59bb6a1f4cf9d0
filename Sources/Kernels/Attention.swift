// Attention: softmax(q k^T / sqrt(d)) v of each head of each example, in tiles of query rows. The matrix of weights of a
// head exists a tile at a time only; the backward pass makes it again from the logarithms of its sums.
// Reference: Vaswani et al. 2017, "Attention is all you need"; the recomputation as in Dao et al. 2022.

/// Query rows in a tile: two tiles of the widest product. It changes no result.
private let queryRows = 24

/// The sizes of an attention. qkv: [examples * steps, 3 * heads * width], queries, keys and values next to each other,
/// rows `stride` floats apart; the output: [examples * steps, heads * width], rows `outStride` apart.
private struct AttentionShape {
  let (steps, heads, width): (Int, Int, Int)
  let isCausal: Bool

  var stride: Int { (3 * heads * width + 15) & ~15 }
  var outStride: Int { (heads * width + 15) & ~15 }
  /// Floats of a row of weights.
  var keys: Int { (steps + 15) & ~15 }
  /// Floats of a row of a head, as products write them.
  var columns: Int { (width + 15) & ~15 }
  /// Whether products may write a head's columns in their place without touching the next head's.
  var isAligned: Bool { width & 15 == 0 }
  /// Keys that a tile with this end looks at.
  @inline(__always) func seen(_ end: Int) -> Int { isCausal ? end : steps }
  /// Random words of a row.
  var words: Int { (steps + 31) & ~31 }
}

/// The random zeros of a head's weights: element j of row i of unit u is number (u * steps + i) * words + j.
private struct AttentionDropout {
  let seed: UInt64
  let stream: UInt32
  let step: UInt64
  let threshold: UInt32
  let scale: Float

  /// Multiplies each of `count` weights of row `row` with 0 or `scale`.
  @inline(__always) func apply(
    _ shape: AttentionShape, _ unit: Int, _ row: Int, _ count: Int, _ x: UnsafeMutablePointer<Float>,
    _ words: UnsafeMutablePointer<UInt32>
  ) {
    let first = (unit * shape.steps + row) * shape.words
    randomWords((count + 31) & ~31, first, seed, stream, step, words)
    var j = 0
    while j < count {
      let word = UnsafeRawPointer(words + j).loadUnaligned(as: SIMD16<UInt32>.self)
      x.store((x.vector(j) * scale).replacing(with: 0, where: isDropped(word, threshold)), j)
      j += laneCount
    }
  }
}

/// Floats of scratch that an attention over `steps` of `width` needs besides a product's.
public func attentionScratchFloats(_ steps: Int, _ width: Int) -> Int {
  let (keys, columns) = ((steps + 15) & ~15, (width + 15) & ~15)
  return 2 * columns * keys + 2 * queryRows * keys + (2 * steps + queryRows) * columns + steps + 64
}

/// Units `first`..<`first` + `count` of the output; unit u is head u % heads of example u / heads.
/// sums: [examples * heads, steps], the logarithms of the sums of exponentials, rows padded to 16.
public func attention(
  _ first: Int, _ count: Int, _ steps: Int, _ heads: Int, _ width: Int, _ isCausal: Bool, _ isWide: Bool,
  _ seed: UInt64, _ stream: UInt32, _ step: UInt64, _ threshold: UInt32, _ keepScale: Float,
  _ qkv: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ sums: UnsafeMutablePointer<Float>,
  _ scratch: UnsafeMutablePointer<Float>
) {
  let shape = AttentionShape(steps: steps, heads: heads, width: width, isCausal: isCausal)
  let dropout = AttentionDropout(
    seed: seed, stream: stream, step: step, threshold: threshold, scale: keepScale)
  let scale = 1 / Float(width).squareRoot()
  let keysTransposed = scratch + productScratchFloats
  let weights = keysTransposed + shape.columns * shape.keys
  let result = weights + queryRows * shape.keys
  let words = UnsafeMutableRawPointer(result + queryRows * shape.columns).assumingMemoryBound(to: UInt32.self)
  for unit in first..<first + count {
    let (example, head) = (unit / heads, unit % heads)
    let q = qkv + example * steps * shape.stride + head * width
    let (k, v) = (q + heads * width, q + 2 * heads * width)
    let out = y + example * steps * shape.outStride + head * width
    packTransposed(k, shape.stride, width, steps, keysTransposed, shape.keys)
    var start = 0
    while start < steps {
      let rows = min(queryRows, steps - start)
      let seen = shape.seen(start + rows)
      multiply(
        isWide, rows, seen, width, q + start * shape.stride, shape.stride, 1, keysTransposed, shape.keys,
        weights,
        shape.keys, productPlain, scratch)
      for row in 0..<rows {
        let limit = isCausal ? start + row + 1 : steps
        let logSum = softmax(weights + row * shape.keys, limit, (seen + 15) & ~15, scale)
        sums[unit * shape.keys + start + row] = logSum
        if threshold > 0 {
          dropout.apply(shape, unit, start + row, (seen + 15) & ~15, weights + row * shape.keys, words)
        }
      }
      let target = shape.isAligned ? out + start * shape.outStride : result
      multiply(
        isWide, rows, width, seen, weights, shape.keys, 1, v, shape.stride, target,
        shape.isAligned ? shape.outStride : shape.columns, productPlain, scratch)
      if !shape.isAligned {
        copyRows(result, shape.columns, rows, width, out + start * shape.outStride, shape.outStride)
      }
      start += queryRows
    }
    if head == heads - 1 {
      clearPadding(steps, heads * width, shape.outStride, y + example * steps * shape.outStride)
    }
  }
}

/// dqkv of the same units, from dy, laid out as y, and what the forward pass read and made.
public func attentionGradient(
  _ first: Int, _ count: Int, _ steps: Int, _ heads: Int, _ width: Int, _ isCausal: Bool, _ isWide: Bool,
  _ seed: UInt64, _ stream: UInt32, _ step: UInt64, _ threshold: UInt32, _ keepScale: Float,
  _ dy: UnsafePointer<Float>, _ qkv: UnsafePointer<Float>, _ y: UnsafePointer<Float>,
  _ sums: UnsafePointer<Float>, _ dqkv: UnsafeMutablePointer<Float>, _ scratch: UnsafeMutablePointer<Float>
) {
  let shape = AttentionShape(steps: steps, heads: heads, width: width, isCausal: isCausal)
  let dropout = AttentionDropout(
    seed: seed, stream: stream, step: step, threshold: threshold, scale: keepScale)
  let scale = 1 / Float(width).squareRoot()
  let keysTransposed = scratch + productScratchFloats
  let valuesTransposed = keysTransposed + shape.columns * shape.keys
  let weights = valuesTransposed + shape.columns * shape.keys
  let slopes = weights + queryRows * shape.keys
  // Where heads are not aligned, their gradients are made here and copied.
  let (keyPlace, valuePlace) = (
    slopes + queryRows * shape.keys, slopes + queryRows * shape.keys + steps * shape.columns
  )
  let queryPlace = valuePlace + steps * shape.columns
  let words = UnsafeMutableRawPointer(queryPlace + queryRows * shape.columns)
    .assumingMemoryBound(to: UInt32.self)
  let rowStride = shape.isAligned ? shape.stride : shape.columns
  for unit in first..<first + count {
    let (example, head) = (unit / heads, unit % heads)
    let place = example * steps * shape.stride + head * width
    let (q, k, v) = (qkv + place, qkv + place + heads * width, qkv + place + 2 * heads * width)
    let (dqOut, dkOut, dvOut) = (dqkv + place, dqkv + place + heads * width, dqkv + place + 2 * heads * width)
    let outPlace = example * steps * shape.outStride + head * width
    let (dk, dv) = shape.isAligned ? (dkOut, dvOut) : (keyPlace, valuePlace)
    packTransposed(k, shape.stride, width, steps, keysTransposed, shape.keys)
    packTransposed(v, shape.stride, width, steps, valuesTransposed, shape.keys)
    for row in 0..<steps {
      (dk + row * rowStride).update(repeating: 0, count: shape.columns)
      (dv + row * rowStride).update(repeating: 0, count: shape.columns)
    }
    var start = 0
    while start < steps {
      let rows = min(queryRows, steps - start)
      let seen = shape.seen(start + rows)
      let seenPadded = (seen + 15) & ~15
      let (qTile, dyTile) = (q + start * shape.stride, dy + outPlace + start * shape.outStride)
      multiply(
        isWide, rows, seen, width, qTile, shape.stride, 1, keysTransposed, shape.keys, weights, shape.keys,
        productPlain, scratch)
      multiply(
        isWide, rows, seen, width, dyTile, shape.outStride, 1, valuesTransposed, shape.keys, slopes,
        shape.keys,
        productPlain, scratch)
      for row in 0..<rows {
        let limit = isCausal ? start + row + 1 : steps
        let (p, ds) = (weights + row * shape.keys, slopes + row * shape.keys)
        let total = rowProduct(
          width, dyTile + row * shape.outStride, y + outPlace + (start + row) * shape.outStride)
        weightsAgain(p, limit, seenPadded, scale, sums[unit * shape.keys + start + row])
        if threshold > 0 {
          dropout.apply(shape, unit, start + row, seenPadded, ds, words)
          slopesOfScores(p, ds, seenPadded, total, scale)
          dropout.apply(shape, unit, start + row, seenPadded, p, words)
        } else {
          slopesOfScores(p, ds, seenPadded, total, scale)
        }
      }
      let dq = shape.isAligned ? dqOut + start * shape.stride : queryPlace
      multiply(
        isWide, rows, width, seen, slopes, shape.keys, 1, k, shape.stride, dq, rowStride, productPlain,
        scratch)
      if !shape.isAligned {
        copyRows(queryPlace, shape.columns, rows, width, dqOut + start * shape.stride, shape.stride)
      }
      multiply(
        isWide, seen, width, rows, slopes, 1, shape.keys, qTile, shape.stride, dk, rowStride,
        productAccumulate,
        scratch)
      multiply(
        isWide, seen, width, rows, weights, 1, shape.keys, dyTile, shape.outStride, dv, rowStride,
        productAccumulate, scratch)
      start += queryRows
    }
    if !shape.isAligned {
      copyRows(keyPlace, shape.columns, steps, width, dkOut, shape.stride)
      copyRows(valuePlace, shape.columns, steps, width, dvOut, shape.stride)
    }
    if head == heads - 1 {
      clearPadding(steps, 3 * heads * width, shape.stride, dqkv + example * steps * shape.stride)
    }
  }
}

/// C [m, n] = A [m, k] B [k, n] with B's rows in one piece.
@inline(__always) private func multiply(
  _ isWide: Bool, _ m: Int, _ n: Int, _ k: Int, _ a: UnsafePointer<Float>, _ aRow: Int, _ aInner: Int,
  _ b: UnsafePointer<Float>, _ bInner: Int, _ c: UnsafeMutablePointer<Float>, _ cRow: Int, _ epilogue: Int32,
  _ scratch: UnsafeMutablePointer<Float>
) {
  if isWide {
    productWide(m, n, k, a, aRow, aInner, b, bInner, 1, c, cRow, epilogue, nil, scratch)
  } else {
    productNarrow(m, n, k, a, aRow, aInner, b, bInner, 1, c, cRow, epilogue, nil, scratch)
  }
}

/// x = softmax(scale x) of the first `limit` numbers, 0 up to `end`; gives the logarithm of the sum of exponentials.
@inline(__always) private func softmax(
  _ x: UnsafeMutablePointer<Float>, _ limit: Int, _ end: Int, _ scale: Float
) -> Float {
  var largest = Vector(repeating: -.infinity)
  var j = 0
  while j < limit {
    let value = x.vector(j) * scale
    largest.replace(with: value, where: .!(value .<= largest) .& Lanes.within(limit, from: j))
    j += laneCount
  }
  let top = Lanes.maximum(largest)
  var sum = Vector.zero
  j = 0
  while j < limit {
    let power = exponential(x.vector(j) * scale - top)
      .replacing(with: 0, where: .!Lanes.within(limit, from: j))
    sum += power
    x.store(power, j)
    j += laneCount
  }
  let total = Lanes.sum(sum)
  let share = 1 / total
  j = 0
  while j < limit {
    x.store(x.vector(j) * share, j)
    j += laneCount
  }
  while j < end {
    x.store(.zero, j)
    j += laneCount
  }
  return top + logarithm(Vector(repeating: total))[0]
}

/// x = e^(scale x - logSum) of the first `limit` numbers, 0 up to `end`.
@inline(__always) private func weightsAgain(
  _ x: UnsafeMutablePointer<Float>, _ limit: Int, _ end: Int, _ scale: Float, _ logSum: Float
) {
  var j = 0
  while j < limit {
    let power = exponential(x.vector(j) * scale - logSum)
    x.store(power.replacing(with: 0, where: .!Lanes.within(limit, from: j)), j)
    j += laneCount
  }
  while j < end {
    x.store(.zero, j)
    j += laneCount
  }
}

/// ds = p (ds - total) scale.
@inline(__always) private func slopesOfScores(
  _ p: UnsafePointer<Float>, _ ds: UnsafeMutablePointer<Float>, _ count: Int, _ total: Float, _ scale: Float
) {
  var j = 0
  while j < count {
    ds.store(p.vector(j) * (ds.vector(j) - total) * scale, j)
    j += laneCount
  }
}

/// The sum of a b over `count` numbers.
@inline(__always) private func rowProduct(
  _ count: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>
) -> Float {
  var sum = Vector.zero
  var j = 0
  while j < count {
    let inside = Lanes.within(count, from: j)
    let (x, y) = (
      a.vector(j).replacing(with: 0, where: .!inside), b.vector(j).replacing(with: 0, where: .!inside)
    )
    sum = sum.addingProduct(x, y)
    j += laneCount
  }
  return Lanes.sum(sum)
}
