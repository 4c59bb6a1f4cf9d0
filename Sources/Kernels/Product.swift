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
/// Multiplied with `operand`, laid out as C.
public let productSlope: Int32 = 7

/// Floats of scratch that a product needs: a block of A and a panel of B.
public let productScratchFloats = rowBlock * (innerBlock + laneCount) + innerBlock * 32

/// Rows of A in a block: with `innerBlock` it fits half of a 1 MiB second-level cache.
private let rowBlock = 480
/// Floats of a result that fill half of it.
private let farFloats = 1 << 17
/// Length of the summed dimension in a block: a panel of B (24 KiB) and a tile of A stay near the core.
let innerBlock = 192

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
  // Rows a multiple of 4 KiB apart fall into the same set of the first-level cache.
  let copiesA = aInner == 1 && aRow & 1023 == 0 && n > 64
  // Of long columns every step is in another page, and each panel walks them all again.
  let copiesColumns = aRow == 1 && aInner > rowBlock && k > innerBlock && n > panelWidth
  let readsOperand = epilogue >= productReluGradient && epilogue != productAccumulate
  var i0 = 0
  while i0 < m {
    let rows = min(rowBlock, m - i0)
    var p0 = 0
    while p0 < k {
      let inner = min(innerBlock, k - p0)
      var aBlock = a + i0 * aRow + p0 * aInner
      var aStride = aRow
      var aStep = aInner
      if copiesA {
        copyRows(aBlock, aRow, rows, inner, packedA, innerBlock + laneCount)
        aBlock = UnsafePointer(packedA)
        aStride = innerBlock + laneCount
      } else if copiesColumns {
        copyRows(aBlock, aInner, inner, rows, packedA, rowBlock + laneCount)
        aBlock = UnsafePointer(packedA)
        aStep = rowBlock + laneCount
      }
      let isLast = p0 + inner == k
      let ends = TileEnds(
        loads: p0 > 0 || epilogue == productAccumulate,
        hasBias: epilogue >= productBias && epilogue <= productBiasTanh,
        rectifies: isLast && epilogue == productBiasRelu, isFar: m * cRow > farFloats,
        operandOffset: isLast && readsOperand ? UnsafePointer(c).distance(to: operand) : 0)
      var j0 = 0
      while j0 < columns {
        let width = min(panelWidth, columns - j0)
        var panel = b + p0 * bInner + j0 * bColumn
        var panelStride = bInner
        let packs = bColumn == 1 && bInner > width && rows >= 48
        if bColumn != 1 {
          packTransposed(panel, bColumn, inner, min(width, n - j0), packedB, width)
          (panel, panelStride) = (UnsafePointer(packedB), width)
        } else if packs, width < 32 {
          packRows(panel, bInner, inner, width, packedB)
          (panel, panelStride) = (UnsafePointer(packedB), width)
        }
        let cPanel = c + i0 * cRow + j0
        let walk = TileWalk(inner: inner, aRow: aStride, aInner: aStep, bInner: panelStride)
        if width == 32 {
          wideTiles(
            rows, walk, aBlock, panel, cPanel, cRow, operand + j0, ends, panel: packs ? packedB : nil)
        } else {
          narrowTiles(isWide, rows, walk, aBlock, panel, cPanel, cRow, operand + j0, ends)
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
      case productSlope: row.store(value * other.vector(j), j)
      case productReluGradient: row.store(reluSlope(value, other.vector(j)), j)
      default: row.store(tangentSlope(value, other.vector(j)), j)
      }
      j += laneCount
    }
  }
}
