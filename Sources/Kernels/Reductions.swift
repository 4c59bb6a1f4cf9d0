// Sums. A long sum is cut into blocks of a constant size, each summed in the same 64 chains; the blocks' sums are
// added by the caller in their order, so threads may share the blocks in any way.

/// Floats in a block of a long sum.
public let sumBlock = 4096

/// partials[b] = sum of x^2 over block b; `count` is a multiple of 16, the last block may be short.
public func sumsOfSquares(_ count: Int, _ x: UnsafePointer<Float>, _ partials: UnsafeMutablePointer<Float>) {
  var block = 0
  while block * sumBlock < count {
    let first = block * sumBlock
    partials[block] = sumOfSquares(min(sumBlock, count - first), x + first)
    block += 1
  }
}

@inline(__always) func sumOfSquares(_ count: Int, _ x: UnsafePointer<Float>) -> Float {
  var (s0, s1, s2, s3) = (Vector.zero, Vector.zero, Vector.zero, Vector.zero)
  var i = 0
  while i + 64 <= count {
    let (x0, x1, x2, x3) = (x.vector(i), x.vector(i + 16), x.vector(i + 32), x.vector(i + 48))
    s0 = s0.addingProduct(x0, x0)
    s1 = s1.addingProduct(x1, x1)
    s2 = s2.addingProduct(x2, x2)
    s3 = s3.addingProduct(x3, x3)
    i += 64
  }
  while i < count {
    s0 = s0.addingProduct(x.vector(i), x.vector(i))
    i += laneCount
  }
  return Lanes.sum((s0 + s1) + (s2 + s3))
}

/// Whether no element is infinite or not a number; `count` is a multiple of 16.
public func areFinite(_ count: Int, _ x: UnsafePointer<Float>) -> Bool {
  // 0 * x is not a number exactly for those.
  var s = Vector.zero
  var i = 0
  while i < count {
    s += x.vector(i) * 0
    i += laneCount
  }
  return Lanes.sum(s) == 0
}

/// sums[j] = sum over rows of x[row, j]: the gradient of a bias. `columns` is a multiple of 16.
public func columnSums(
  _ rows: Int, _ columns: Int, _ x: UnsafePointer<Float>, _ stride: Int, _ sums: UnsafeMutablePointer<Float>
) {
  var j = 0
  while j + 64 <= columns {
    var (s0, s1, s2, s3) = (Vector.zero, Vector.zero, Vector.zero, Vector.zero)
    var row = x + j
    for _ in 0..<rows {
      s0 += row.vector(0)
      s1 += row.vector(16)
      s2 += row.vector(32)
      s3 += row.vector(48)
      row += stride
    }
    sums.store(s0, j)
    sums.store(s1, j + 16)
    sums.store(s2, j + 32)
    sums.store(s3, j + 48)
    j += 64
  }
  while j < columns {
    sums.store(columnSum(rows, stride, x + j), j)
    j += laneCount
  }
}

/// The sum of sixteen columns.
@inline(__always) func columnSum(_ rows: Int, _ stride: Int, _ x: UnsafePointer<Float>) -> Vector {
  var (s0, s1, s2, s3) = (Vector.zero, Vector.zero, Vector.zero, Vector.zero)
  var (row, i) = (x, 0)
  while i + 4 <= rows {
    s0 += row.vector(0)
    s1 += row.vector(stride)
    s2 += row.vector(2 * stride)
    s3 += row.vector(3 * stride)
    row += 4 * stride
    i += 4
  }
  while i < rows {
    s0 += row.vector(0)
    row += stride
    i += 1
  }
  return (s0 + s1) + (s2 + s3)
}

/// results[0] = sum of `losses`, results[1] = sum of `hits` where there are any, in double and in order.
public func addRows(
  _ count: Int, _ losses: UnsafePointer<Float>, _ hits: UnsafePointer<Float>?,
  _ results: UnsafeMutablePointer<Double>
) {
  var (loss, hit) = (0.0, 0.0)
  for row in 0..<count { loss += Double(losses[row]) }
  if let hits {
    for row in 0..<count { hit += Double(hits[row]) }
  }
  results[0] = loss
  results[1] = hit
}
