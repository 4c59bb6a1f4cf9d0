// Convolutions without patches: the tiles of a matrix product that read their rows where a window's rows lie. A band of
// an image is copied with its border of zeros; then the numbers that a window sees in one of its rows follow each
// other, and so do the windows of a row of pixels, a constant distance apart.

/// Pixels whose gradients make a panel (16 KiB) of a weight gradient's product.
private let pixelBlock = 128

/// Floats of scratch that a convolution and its weights' gradient need for a panel.
public func convolutionScratchFloats(_ geometry: UnsafePointer<Int>) -> Int {
  let w = Window(geometry)
  return max(innerBlock, w.kernelWidth * w.channels, pixelBlock, w.outWidth) * 32
}

/// Floats of a band of `rows` rows of output pixels, with its border.
public func borderedFloats(_ rows: Int, _ geometry: UnsafePointer<Int>) -> Int {
  let w = Window(geometry)
  return ((rows - 1) * w.strideY + w.kernelHeight) * w.borderedLine + laneCount
}

extension Window {
  /// Floats of a row of a bordered band: all that the windows of a row of output pixels see.
  public var borderedLine: Int {
    @inline(__always) get { ((outWidth - 1) * strideX + kernelWidth) * channels }
  }
}

/// Copies what the windows of output rows `first`..<`first` + `rows` of an image see: [row, column, channel] without
/// padding lanes, zeros outside of the image. Up to 15 floats after the last are overwritten, and as many after the
/// image's last may be read.
public func borderImage(
  _ first: Int, _ rows: Int, _ geometry: UnsafePointer<Int>, _ image: UnsafePointer<Float>,
  _ to: UnsafeMutablePointer<Float>
) {
  let w = Window(geometry)
  let columns = (w.outWidth - 1) * w.strideX + w.kernelWidth
  let begin = min(w.paddingX, columns)
  let end = max(begin, min(columns, w.width + w.paddingX))
  var line = to
  for index in 0..<(rows - 1) * w.strideY + w.kernelHeight {
    let y = first * w.strideY - w.paddingY + index
    if y < 0 || y >= w.height {
      clear(w.borderedLine, line)
    } else {
      clear(begin * w.channels, line)
      copyPixels(
        end - begin, w, image + (y * w.width + begin - w.paddingX) * w.pixelStride, line + begin * w.channels)
      clear((columns - end) * w.channels, line + end * w.channels)
    }
    line += w.borderedLine
  }
}

/// `rows` rows of output pixels from a bordered band, with tiles for sixteen vector registers.
///
/// y = bordered windows times weight [height * width * channels, out], with the plain, the bias or the bias and ReLU
/// epilogue of a product. Every element is one chain of multiply-adds over [row, column, channel].
public func convolveNarrow(
  _ rows: Int, _ geometry: UnsafePointer<Int>, _ x: UnsafePointer<Float>, _ weight: UnsafePointer<Float>,
  _ y: UnsafeMutablePointer<Float>, _ epilogue: Int32, _ bias: UnsafePointer<Float>?,
  _ scratch: UnsafeMutablePointer<Float>
) {
  convolve(false, rows, Window(geometry), x, weight, y, epilogue, bias ?? weight, scratch)
}

/// `convolveNarrow` with tiles for 32 registers of 512 bits.
public func convolveWide(
  _ rows: Int, _ geometry: UnsafePointer<Int>, _ x: UnsafePointer<Float>, _ weight: UnsafePointer<Float>,
  _ y: UnsafeMutablePointer<Float>, _ epilogue: Int32, _ bias: UnsafePointer<Float>?,
  _ scratch: UnsafeMutablePointer<Float>
) {
  convolve(true, rows, Window(geometry), x, weight, y, epilogue, bias ?? weight, scratch)
}

@inline(__always) private func convolve(
  _ isWide: Bool, _ rows: Int, _ w: Window, _ x: UnsafePointer<Float>, _ weight: UnsafePointer<Float>,
  _ y: UnsafeMutablePointer<Float>, _ epilogue: Int32, _ bias: UnsafePointer<Float>,
  _ scratch: UnsafeMutablePointer<Float>
) {
  let (line, tap) = (w.borderedLine, w.kernelWidth * w.channels)
  // As many of the window's rows at a time as make a panel that stays near the core.
  let lines = max(1, innerBlock / tap)
  var j0 = 0
  while j0 < w.outStride {
    let width = min(isWide ? 32 : 16, w.outStride - j0)
    var r0 = 0
    while r0 < w.kernelHeight {
      let count = min(lines, w.kernelHeight - r0)
      var panel = weight + r0 * tap * w.outStride + j0
      var stride = w.outStride
      if stride > width {
        packRows(panel, stride, count * tap, width, scratch)
        (panel, stride) = (UnsafePointer(scratch), width)
      }
      let isLast = r0 + count == w.kernelHeight
      let ends = TileEnds(
        loads: r0 > 0, hasBias: epilogue != productPlain, rectifies: isLast && epilogue == productBiasRelu)
      let walk = TileWalk(
        lines: count, inner: tap, aRow: w.strideX * w.channels, aInner: 1, aStep: line - tap, bInner: stride)
      for row in 0..<rows {
        let from = x + (row * w.strideY + r0) * line
        let to = y + row * w.outWidth * w.outStride + j0
        if width == 32 {
          wideTiles(w.outWidth, walk, from, panel, to, w.outStride, bias + j0, ends)
        } else {
          narrowTiles(isWide, w.outWidth, walk, from, panel, to, w.outStride, bias + j0, ends)
        }
      }
      r0 += count
    }
    j0 += width
  }
}

/// What `rows` rows of output pixels add to a weight's gradient, with tiles for sixteen vector registers.
///
/// dweight [height * width * channels, out] = (or, where it accumulates, +=) bordered windows, transposed, times dy.
/// Every element is one chain of multiply-adds over the pixels.
public func convolveGradientNarrow(
  _ rows: Int, _ geometry: UnsafePointer<Int>, _ x: UnsafePointer<Float>, _ dy: UnsafePointer<Float>,
  _ dweight: UnsafeMutablePointer<Float>, _ accumulates: Bool, _ scratch: UnsafeMutablePointer<Float>
) {
  convolveGradient(false, rows, Window(geometry), x, dy, dweight, accumulates, scratch)
}

/// `convolveGradientNarrow` with tiles for 32 registers of 512 bits.
public func convolveGradientWide(
  _ rows: Int, _ geometry: UnsafePointer<Int>, _ x: UnsafePointer<Float>, _ dy: UnsafePointer<Float>,
  _ dweight: UnsafeMutablePointer<Float>, _ accumulates: Bool, _ scratch: UnsafeMutablePointer<Float>
) {
  convolveGradient(true, rows, Window(geometry), x, dy, dweight, accumulates, scratch)
}

@inline(__always) private func convolveGradient(
  _ isWide: Bool, _ rows: Int, _ w: Window, _ x: UnsafePointer<Float>, _ dy: UnsafePointer<Float>,
  _ dweight: UnsafeMutablePointer<Float>, _ accumulates: Bool, _ scratch: UnsafeMutablePointer<Float>
) {
  let (line, tap) = (w.borderedLine, w.kernelWidth * w.channels)
  let lines = max(1, pixelBlock / w.outWidth)
  var first = 0
  while first < rows {
    let count = min(lines, rows - first)
    let ends = TileEnds(loads: accumulates || first > 0, hasBias: false, rectifies: false)
    var j0 = 0
    while j0 < w.outStride {
      let width = min(isWide ? 32 : 16, w.outStride - j0)
      var panel = dy + first * w.outWidth * w.outStride + j0
      var stride = w.outStride
      if stride > width, w.inner >= 48 {
        packRows(panel, stride, count * w.outWidth, width, scratch)
        (panel, stride) = (UnsafePointer(scratch), width)
      }
      let walk = TileWalk(
        lines: count, inner: w.outWidth, aRow: 1, aInner: w.strideX * w.channels,
        aStep: w.strideY * line - w.outWidth * w.strideX * w.channels, bInner: stride)
      if isWide, tap <= 4 {
        fewTaps(w, walk, x + first * w.strideY * line, panel, dweight + j0, ends.loads)
        if width == 32 {
          fewTaps(w, walk, x + first * w.strideY * line, panel + 16, dweight + j0 + 16, ends.loads)
        }
        j0 += width
        continue
      }
      for r in 0..<w.kernelHeight {
        let from = x + (first * w.strideY + r) * line
        let to = dweight + r * tap * w.outStride + j0
        if width == 32 {
          wideTiles(tap, walk, from, panel, to, w.outStride, panel, ends)
        } else {
          narrowTiles(isWide, tap, walk, from, panel, to, w.outStride, panel, ends)
        }
      }
      j0 += width
    }
    first += count
  }
}

/// Sixteen columns of a weight's gradient where a window sees at most four numbers of a row, as of gray images: three of
/// the window's rows at a time, so that there are sums enough to keep the multipliers busy.
@inline(__always) private func fewTaps(
  _ w: Window, _ walk: TileWalk, _ x: UnsafePointer<Float>, _ dy: UnsafePointer<Float>,
  _ dweight: UnsafeMutablePointer<Float>, _ loads: Bool
) {
  let (line, tap) = (w.borderedLine, w.kernelWidth * w.channels)
  var r = 0
  while r < w.kernelHeight {
    // What is missing of three is the last one again, and is not stored.
    let (r1, r2) = (min(r + 1, w.kernelHeight - 1), min(r + 2, w.kernelHeight - 1))
    let c = (
      dweight + r * tap * w.outStride, dweight + r1 * tap * w.outStride, dweight + r2 * tap * w.outStride
    )
    var s0 = FourRows(c.0, w.outStride, rows: loads ? tap : 0)
    var s1 = FourRows(c.1, w.outStride, rows: loads ? tap : 0)
    var s2 = FourRows(c.2, w.outStride, rows: loads ? tap : 0)
    var (a0, a1, a2, b) = (x + r * line, x + r1 * line, x + r2 * line, dy)
    for _ in 0..<walk.lines {
      for _ in 0..<walk.inner {
        let gradient = b.vector(0)
        s0.add(a0, 1, gradient)
        s1.add(a1, 1, gradient)
        s2.add(a2, 1, gradient)
        a0 += walk.aInner
        a1 += walk.aInner
        a2 += walk.aInner
        b += walk.bInner
      }
      a0 += walk.aStep
      a1 += walk.aStep
      a2 += walk.aStep
    }
    s0.store(c.0, w.outStride, rows: tap)
    s1.store(c.1, w.outStride, rows: tap)
    s2.store(c.2, w.outStride, rows: tap)
    r += 3
  }
}

/// The weights with which a convolution of dy gives dx: `to`[row, column, out, in] = weight[row, column, in, out] of the
/// opposite row and column, both padded to sixteen, for taps `first`..<`first` + `count` of `to`. Up to 15 floats after
/// a row of weight's may be read.
public func flipWeights(
  _ first: Int, _ count: Int, _ taps: Int, _ channels: Int, _ outStride: Int, _ weight: UnsafePointer<Float>,
  _ to: UnsafeMutablePointer<Float>
) {
  let stride = (channels + 15) & ~15
  for tap in first..<first + count {
    packTransposed(
      weight + (taps - 1 - tap) * channels * outStride, outStride, outStride, channels,
      to + tap * outStride * stride, stride)
  }
}
