// Copies of blocks of matrices into the order a product walks them in.

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
  var j = 0
  while j < width {
    var p = 0
    while p < inner {
      var square = Square(b + j * stride + p, stride, rows: columns - j)
      square.transpose()
      square.store(to + p * width + j, width)
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

/// Sixteen rows of sixteen.
struct Square {
  var r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11, r12, r13, r14, r15: Vector

  /// Loads up to sixteen rows; the rest are zeros.
  @inline(__always) init(_ p: UnsafePointer<Float>, _ stride: Int, rows: Int) {
    @inline(__always) func row(_ i: Int) -> Vector { i < rows ? p.vector(i * stride) : .zero }
    (r0, r1, r2, r3) = (row(0), row(1), row(2), row(3))
    (r4, r5, r6, r7) = (row(4), row(5), row(6), row(7))
    (r8, r9, r10, r11) = (row(8), row(9), row(10), row(11))
    (r12, r13, r14, r15) = (row(12), row(13), row(14), row(15))
  }

  /// With row and column as one number of eight bits, a shuffle rotates it by one; four exchange row and column.
  @inline(__always) mutating func transpose() {
    shuffle()
    shuffle()
    shuffle()
    shuffle()
  }

  @inline(__always) private mutating func shuffle() {
    let (a0, b0) = Self.parted(r0, r1)
    let (a1, b1) = Self.parted(r2, r3)
    let (a2, b2) = Self.parted(r4, r5)
    let (a3, b3) = Self.parted(r6, r7)
    let (a4, b4) = Self.parted(r8, r9)
    let (a5, b5) = Self.parted(r10, r11)
    let (a6, b6) = Self.parted(r12, r13)
    let (a7, b7) = Self.parted(r14, r15)
    (r0, r1, r2, r3, r4, r5, r6, r7) = (a0, a1, a2, a3, a4, a5, a6, a7)
    (r8, r9, r10, r11, r12, r13, r14, r15) = (b0, b1, b2, b3, b4, b5, b6, b7)
  }

  /// The even elements of both, and the odd ones.
  @inline(__always) private static func parted(_ a: Vector, _ b: Vector) -> (even: Vector, odd: Vector) {
    (
      Vector(lowHalf: a.evenHalf, highHalf: b.evenHalf), Vector(lowHalf: a.oddHalf, highHalf: b.oddHalf)
    )
  }

  @inline(__always) func store(_ p: UnsafeMutablePointer<Float>, _ stride: Int) {
    p.store(r0, 0)
    p.store(r1, stride)
    p.store(r2, 2 * stride)
    p.store(r3, 3 * stride)
    p.store(r4, 4 * stride)
    p.store(r5, 5 * stride)
    p.store(r6, 6 * stride)
    p.store(r7, 7 * stride)
    p.store(r8, 8 * stride)
    p.store(r9, 9 * stride)
    p.store(r10, 10 * stride)
    p.store(r11, 11 * stride)
    p.store(r12, 12 * stride)
    p.store(r13, 13 * stride)
    p.store(r14, 14 * stride)
    p.store(r15, 15 * stride)
  }
}
