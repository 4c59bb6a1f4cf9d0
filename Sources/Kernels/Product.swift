// Matrix products. Every product of training is one function with three sets of strides: the forward product of a
// linear layer X W, its weights' gradient X^T dY, and its input's gradient dY W^T.

/// What a product does with its result while it is still in registers or in the nearest cache.
/// The raw values are part of the instruction format.
public let productPlain: Int32 = 0
/// Each row begins with the bias; `operand` is [n].
public let productBias: Int32 = 1
/// Bias, then the positive part.
public let productBiasRelu: Int32 = 2
/// Bias, then the hyperbolic tangent.
public let productBiasTanh: Int32 = 3
/// Multiplied with the derivative of ReLU; `operand` is ReLU's output, laid out as C.
public let productReluGradient: Int32 = 4
/// Multiplied with the derivative of tanh; `operand` is tanh's output, laid out as C.
public let productTanhGradient: Int32 = 5
/// Added to what C holds.
public let productAccumulate: Int32 = 6

/// Floats of scratch that a product needs: a block of A and a panel of B.
public let productScratchFloats = rowBlock * (innerBlock + laneCount) + innerBlock * 32

/// Rows of A in a block: with `innerBlock` it fits half of a 1 MiB second-level cache.
private let rowBlock = 240
/// Length of the summed dimension in a block: a panel of B (24 KiB) and a tile of A stay near the core.
private let innerBlock = 192

/// The tile of four rows by 16 columns: eight 256-bit accumulators, for machines with sixteen vector registers.
///
/// C [m, n] = A [m, k] B [k, n], with an epilogue. Element (i, p) of A is `a[i * aRow + p * aInner]`; of B,
/// `b[p * bInner + j * bColumn]`, where one of both strides is 1. C has rows of `cRow` floats; they are written up to
/// the next multiple of 16 columns, as B's rows are read when `bColumn` is 1; else the padding is zero. Every
/// element is one chain of multiply-adds with p going upwards.
public func productNarrow(
  _ m: Int, _ n: Int, _ k: Int,
  _ a: UnsafePointer<Float>, _ aRow: Int, _ aInner: Int,
  _ b: UnsafePointer<Float>, _ bInner: Int, _ bColumn: Int,
  _ c: UnsafeMutablePointer<Float>, _ cRow: Int,
  _ epilogue: Int32, _ operand: UnsafePointer<Float>?, _ scratch: UnsafeMutablePointer<Float>
) {
  product(
    false, m, n, k, a, aRow, aInner, b, bInner, bColumn, c, cRow, epilogue, operand ?? b, scratch)
}

/// `productNarrow` with tiles of twelve rows by 32 columns: 24 accumulators of 512 bits.
public func productWide(
  _ m: Int, _ n: Int, _ k: Int,
  _ a: UnsafePointer<Float>, _ aRow: Int, _ aInner: Int,
  _ b: UnsafePointer<Float>, _ bInner: Int, _ bColumn: Int,
  _ c: UnsafeMutablePointer<Float>, _ cRow: Int,
  _ epilogue: Int32, _ operand: UnsafePointer<Float>?, _ scratch: UnsafeMutablePointer<Float>
) {
  product(
    true, m, n, k, a, aRow, aInner, b, bInner, bColumn, c, cRow, epilogue, operand ?? b, scratch)
}

/// Where a tile's accumulators begin and what happens to them at the end.
private struct TileEnds {
  /// Where the block of the summed dimension is not the first, or the product accumulates.
  var loads: Bool
  /// Added first, when not loading; zeros without bias.
  var hasBias: Bool
  var rectifies: Bool
}

@inline(__always) private func product(
  _ isWide: Bool, _ m: Int, _ n: Int, _ k: Int,
  _ a: UnsafePointer<Float>, _ aRow: Int, _ aInner: Int,
  _ b: UnsafePointer<Float>, _ bInner: Int, _ bColumn: Int,
  _ c: UnsafeMutablePointer<Float>, _ cRow: Int,
  _ epilogue: Int32, _ operand: UnsafePointer<Float>, _ scratch: UnsafeMutablePointer<Float>
) {
  let panelWidth = isWide ? 32 : 16
  let columns = (n + 15) & ~15
  let packedB = scratch
  let packedA = scratch + innerBlock * 32
  // Rows a multiple of 2 KiB apart fall into the same few sets of the first-level cache.
  let copiesA = aInner == 1 && aRow & 511 == 0 && n > 64
  var i0 = 0
  while i0 < m {
    let rows = min(rowBlock, m - i0)
    var p0 = 0
    while p0 < k {
      let inner = min(innerBlock, k - p0)
      var aBlock = a + i0 * aRow + p0 * aInner
      var aStride = aRow
      if copiesA {
        copyRows(aBlock, aRow, rows, inner, packedA, innerBlock + laneCount)
        aBlock = UnsafePointer(packedA)
        aStride = innerBlock + laneCount
      }
      let isLast = p0 + inner == k
      let ends = TileEnds(
        loads: p0 > 0 || epilogue == productAccumulate,
        hasBias: epilogue >= productBias && epilogue <= productBiasTanh,
        rectifies: isLast && epilogue == productBiasRelu)
      var j0 = 0
      while j0 < columns {
        let width = min(panelWidth, columns - j0)
        var panel = b + p0 * bInner + j0 * bColumn
        var panelStride = bInner
        if bColumn != 1 {
          packTransposed(panel, bColumn, inner, min(width, n - j0), packedB, width)
          (panel, panelStride) = (UnsafePointer(packedB), width)
        } else if bInner > width, rows >= 48 {
          packRows(panel, bInner, inner, width, packedB)
          (panel, panelStride) = (UnsafePointer(packedB), width)
        }
        let cPanel = c + i0 * cRow + j0
        if width == 32 {
          wideTiles(
            rows, inner, aBlock, aStride, aInner, panel, panelStride, cPanel, cRow, operand + j0, ends)
        } else {
          narrowTiles(
            isWide, rows, inner, aBlock, aStride, aInner, panel, panelStride, cPanel, cRow, operand + j0, ends
          )
        }
        if isLast, epilogue >= productBiasTanh, epilogue != productAccumulate {
          finish(epilogue, rows, width, cPanel, cRow, operand + i0 * cRow + j0)
        }
        j0 += panelWidth
      }
      p0 += innerBlock
    }
    i0 += rowBlock
  }
}

@inline(__always) private func wideTiles(
  _ rows: Int, _ inner: Int, _ a: UnsafePointer<Float>, _ aRow: Int, _ aInner: Int,
  _ b: UnsafePointer<Float>, _ bInner: Int, _ c: UnsafeMutablePointer<Float>, _ cRow: Int,
  _ bias: UnsafePointer<Float>, _ ends: TileEnds
) {
  var i = 0
  while i + 12 <= rows {
    wideTile12(inner, a + i * aRow, aRow, aInner, b, bInner, c + i * cRow, cRow, bias, ends)
    i += 12
  }
  if i + 8 <= rows {
    wideTile8(inner, a + i * aRow, aRow, aInner, b, bInner, c + i * cRow, cRow, bias, ends)
    i += 8
  }
  if i + 4 <= rows {
    wideTile4(inner, a + i * aRow, aRow, aInner, b, bInner, c + i * cRow, cRow, bias, ends)
    i += 4
  }
  while i < rows {
    wideTile1(inner, a + i * aRow, aInner, b, bInner, c + i * cRow, bias, ends)
    i += 1
  }
}

@inline(__always) private func narrowTiles(
  _ isWide: Bool, _ rows: Int, _ inner: Int, _ a: UnsafePointer<Float>, _ aRow: Int, _ aInner: Int,
  _ b: UnsafePointer<Float>, _ bInner: Int, _ c: UnsafeMutablePointer<Float>, _ cRow: Int,
  _ bias: UnsafePointer<Float>, _ ends: TileEnds
) {
  var i = 0
  while isWide, i + 12 <= rows {
    narrowTile12(inner, a + i * aRow, aRow, aInner, b, bInner, c + i * cRow, cRow, bias, ends)
    i += 12
  }
  while i + 4 <= rows {
    narrowTile4(inner, a + i * aRow, aRow, aInner, b, bInner, c + i * cRow, cRow, bias, ends)
    i += 4
  }
  while i < rows {
    narrowTile1(inner, a + i * aRow, aInner, b, bInner, c + i * cRow, bias, ends)
    i += 1
  }
}

private func wideTile12(
  _ inner: Int, _ a: UnsafePointer<Float>, _ aRow: Int, _ aInner: Int,
  _ b: UnsafePointer<Float>, _ bInner: Int, _ c: UnsafeMutablePointer<Float>, _ cRow: Int,
  _ bias: UnsafePointer<Float>, _ ends: TileEnds
) {
  var x, y, z: WideRows
  if ends.loads {
    (x, y, z) = (WideRows(c, cRow), WideRows(c + 4 * cRow, cRow), WideRows(c + 8 * cRow, cRow))
  } else {
    x = ends.hasBias ? WideRows(bias.vector(0), bias.vector(16)) : WideRows(.zero, .zero)
    (y, z) = (x, x)
  }
  var (a0, a4, a8, row) = (a, a + 4 * aRow, a + 8 * aRow, b)
  for _ in 0..<inner {
    let (b0, b1) = (row.vector(0), row.vector(16))
    x.add(a0, aRow, b0, b1)
    y.add(a4, aRow, b0, b1)
    z.add(a8, aRow, b0, b1)
    a0 += aInner
    a4 += aInner
    a8 += aInner
    row += bInner
  }
  if ends.rectifies {
    x.rectify()
    y.rectify()
    z.rectify()
  }
  x.store(c, cRow)
  y.store(c + 4 * cRow, cRow)
  z.store(c + 8 * cRow, cRow)
}

private func wideTile8(
  _ inner: Int, _ a: UnsafePointer<Float>, _ aRow: Int, _ aInner: Int,
  _ b: UnsafePointer<Float>, _ bInner: Int, _ c: UnsafeMutablePointer<Float>, _ cRow: Int,
  _ bias: UnsafePointer<Float>, _ ends: TileEnds
) {
  var x, y: WideRows
  if ends.loads {
    (x, y) = (WideRows(c, cRow), WideRows(c + 4 * cRow, cRow))
  } else {
    x = ends.hasBias ? WideRows(bias.vector(0), bias.vector(16)) : WideRows(.zero, .zero)
    y = x
  }
  var (a0, a4, row) = (a, a + 4 * aRow, b)
  for _ in 0..<inner {
    let (b0, b1) = (row.vector(0), row.vector(16))
    x.add(a0, aRow, b0, b1)
    y.add(a4, aRow, b0, b1)
    a0 += aInner
    a4 += aInner
    row += bInner
  }
  if ends.rectifies {
    x.rectify()
    y.rectify()
  }
  x.store(c, cRow)
  y.store(c + 4 * cRow, cRow)
}

private func wideTile4(
  _ inner: Int, _ a: UnsafePointer<Float>, _ aRow: Int, _ aInner: Int,
  _ b: UnsafePointer<Float>, _ bInner: Int, _ c: UnsafeMutablePointer<Float>, _ cRow: Int,
  _ bias: UnsafePointer<Float>, _ ends: TileEnds
) {
  var x =
    ends.loads
    ? WideRows(c, cRow)
    : ends.hasBias ? WideRows(bias.vector(0), bias.vector(16)) : WideRows(.zero, .zero)
  var (a0, row) = (a, b)
  for _ in 0..<inner {
    x.add(a0, aRow, row.vector(0), row.vector(16))
    a0 += aInner
    row += bInner
  }
  if ends.rectifies { x.rectify() }
  x.store(c, cRow)
}

private func wideTile1(
  _ inner: Int, _ a: UnsafePointer<Float>, _ aInner: Int, _ b: UnsafePointer<Float>, _ bInner: Int,
  _ c: UnsafeMutablePointer<Float>, _ bias: UnsafePointer<Float>, _ ends: TileEnds
) {
  narrowTile1(inner, a, aInner, b, bInner, c, bias, ends)
  narrowTile1(inner, a, aInner, b + 16, bInner, c + 16, bias + 16, ends)
}

private func narrowTile12(
  _ inner: Int, _ a: UnsafePointer<Float>, _ aRow: Int, _ aInner: Int,
  _ b: UnsafePointer<Float>, _ bInner: Int, _ c: UnsafeMutablePointer<Float>, _ cRow: Int,
  _ bias: UnsafePointer<Float>, _ ends: TileEnds
) {
  var x, y, z: NarrowRows
  if ends.loads {
    (x, y, z) = (NarrowRows(c, cRow), NarrowRows(c + 4 * cRow, cRow), NarrowRows(c + 8 * cRow, cRow))
  } else {
    x = NarrowRows(repeating: ends.hasBias ? bias.vector(0) : .zero)
    (y, z) = (x, x)
  }
  var (a0, a4, a8, row) = (a, a + 4 * aRow, a + 8 * aRow, b)
  for _ in 0..<inner {
    let b0 = row.vector(0)
    x.add(a0, aRow, b0)
    y.add(a4, aRow, b0)
    z.add(a8, aRow, b0)
    a0 += aInner
    a4 += aInner
    a8 += aInner
    row += bInner
  }
  if ends.rectifies {
    x.rectify()
    y.rectify()
    z.rectify()
  }
  x.store(c, cRow)
  y.store(c + 4 * cRow, cRow)
  z.store(c + 8 * cRow, cRow)
}

private func narrowTile4(
  _ inner: Int, _ a: UnsafePointer<Float>, _ aRow: Int, _ aInner: Int,
  _ b: UnsafePointer<Float>, _ bInner: Int, _ c: UnsafeMutablePointer<Float>, _ cRow: Int,
  _ bias: UnsafePointer<Float>, _ ends: TileEnds
) {
  var x =
    ends.loads
    ? NarrowRows(c, cRow) : NarrowRows(repeating: ends.hasBias ? bias.vector(0) : .zero)
  var (a0, row) = (a, b)
  for _ in 0..<inner {
    x.add(a0, aRow, row.vector(0))
    a0 += aInner
    row += bInner
  }
  if ends.rectifies { x.rectify() }
  x.store(c, cRow)
}

private func narrowTile1(
  _ inner: Int, _ a: UnsafePointer<Float>, _ aInner: Int, _ b: UnsafePointer<Float>, _ bInner: Int,
  _ c: UnsafeMutablePointer<Float>, _ bias: UnsafePointer<Float>, _ ends: TileEnds
) {
  var x = ends.loads ? c.vector(0) : ends.hasBias ? bias.vector(0) : .zero
  var (a0, row) = (a, b)
  for _ in 0..<inner {
    x = x.addingProduct(a0[0], row.vector(0))
    a0 += aInner
    row += bInner
  }
  if ends.rectifies { x = positivePart(x) }
  c.store(x, 0)
}

/// The epilogues that read a second matrix or compute a function, over what was just written.
@inline(__always) private func finish(
  _ epilogue: Int32, _ rows: Int, _ width: Int, _ c: UnsafeMutablePointer<Float>, _ cRow: Int,
  _ operand: UnsafePointer<Float>
) {
  for i in 0..<rows {
    let (row, other) = (c + i * cRow, operand + i * cRow)
    var j = 0
    while j < width {
      let value = row.vector(j)
      switch epilogue {
      case productBiasTanh: row.store(hyperbolicTangent(value), j)
      case productReluGradient: row.store(reluSlope(value, other.vector(j)), j)
      default: row.store(tangentSlope(value, other.vector(j)), j)
      }
      j += laneCount
    }
  }
}
