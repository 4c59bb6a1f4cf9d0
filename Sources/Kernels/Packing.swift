// Copies of blocks of matrices into the order a product walks them in.

import CPrefetch

/// Copies rows so that they no longer share sets of the cache.
func copyRows(
  _ from: UnsafePointer<Float>, _ fromStride: Int, _ rows: Int, _ columns: Int,
  _ to: UnsafeMutablePointer<Float>, _ toStride: Int
) {
  for row in 0..<rows {
    (to + row * toStride).update(from: from + row * fromStride, count: columns)
  }
}

/// A panel of `width` columns, rows together.
func packRows(
  _ b: UnsafePointer<Float>, _ stride: Int, _ inner: Int, _ width: Int, _ to: UnsafeMutablePointer<Float>
) {
  var (from, to) = (b, to)
  for _ in 0..<inner {
    to.store(from.vector(0), 0)
    if width == 32 { to.store(from.vector(16), 16) }
    from += stride
    to += width
  }
}

/// A panel of `width` columns from its transpose: `columns` rows of b become columns, the rest zeros.
///
/// Rows of b are read, and rows of the panel written, up to the next multiple of 16.
func packTransposed(
  _ b: UnsafePointer<Float>, _ stride: Int, _ inner: Int, _ columns: Int,
  _ to: UnsafeMutablePointer<Float>, _ width: Int
) {
  // What the next panel is made of is read while this one is multiplied with.
  let ahead = min(width, 32) * stride
  var j = 0
  while j < width {
    var p = 0
    while p < inner {
      let square = b + j * stride + p
      for row in 0..<laneCount { prefetchLater(square + ahead + row * stride) }
      transposeSquare(square, stride, rows: columns - j, to + p * width + j, width)
      p += laneCount
    }
    j += laneCount
  }
}

/// Rows `first`..<`first` + `count` of a transpose, both multiples of 16: `to`[i, j] = x[j, i] for `columns` rows j of x, the
/// padding of `to`'s rows zero. As `packTransposed` reads and writes.
public func transpose(
  _ first: Int, _ count: Int, _ columns: Int, _ x: UnsafePointer<Float>, _ stride: Int,
  _ to: UnsafeMutablePointer<Float>, _ toStride: Int
) {
  packTransposed(x + first, stride, count, columns, to + first * toStride, toStride)
}

/// Sixteen rows of sixteen floats become columns; of the rows only the first `rows` are read, the others are zeros.
///
/// Four by four, in registers of four: of whole rows in wide ones the compiler makes twice as many instructions.
@inline(__always) func transposeSquare(
  _ x: UnsafePointer<Float>, _ stride: Int, rows: Int, _ to: UnsafeMutablePointer<Float>, _ toStride: Int
) {
  var i = 0
  while i < laneCount {
    var j = 0
    while j < laneCount {
      let from = x + i * stride + j
      let a = i < rows ? from.quad(0) : .zero
      let b = i + 1 < rows ? from.quad(stride) : .zero
      let c = i + 2 < rows ? from.quad(2 * stride) : .zero
      let d = i + 3 < rows ? from.quad(3 * stride) : .zero
      let (evenAB, evenCD) = (evens(a, b), evens(c, d))
      let (oddAB, oddCD) = (odds(a, b), odds(c, d))
      let place = to + j * toStride + i
      place.store(evens(evenAB, evenCD), 0)
      place.store(evens(oddAB, oddCD), toStride)
      place.store(odds(evenAB, evenCD), 2 * toStride)
      place.store(odds(oddAB, oddCD), 3 * toStride)
      j += 4
    }
    i += 4
  }
}

private typealias Quad = SIMD4<Float>

@inline(__always) private func evens(_ a: Quad, _ b: Quad) -> Quad {
  Quad(lowHalf: a.evenHalf, highHalf: b.evenHalf)
}

@inline(__always) private func odds(_ a: Quad, _ b: Quad) -> Quad {
  Quad(lowHalf: a.oddHalf, highHalf: b.oddHalf)
}

extension UnsafePointer<Float> {
  @inline(__always) fileprivate func quad(_ index: Int) -> Quad {
    UnsafeRawPointer(self + index).loadUnaligned(as: Quad.self)
  }
}

extension UnsafeMutablePointer<Float> {
  @inline(__always) fileprivate func store(_ value: Quad, _ index: Int) {
    UnsafeMutableRawPointer(self + index).storeBytes(of: value, as: Quad.self)
  }
}
