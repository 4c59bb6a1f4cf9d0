// Batch norm, ReLU and max pool in one. Windows of two by two pixels that part the image, the usual ones, are gone
// through once, and what is between is never stored; with others it is made in scratch. Both give the bits of the passes
// one after the other.

/// y = max pool of the positive part of x * scale + shift, of whole images; scale and shift are a row of floats each.
/// Scratch: an image.
public func normalizedPool(
  _ images: Int, _ geometry: UnsafePointer<Int>, _ x: UnsafePointer<Float>,
  _ coefficients: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>,
  _ scratch: UnsafeMutablePointer<Float>
) {
  let w = Window(geometry)
  if w.isHalving { return halvingPool(images, w, x, coefficients, y) }
  let pixels = w.height * w.width
  for image in 0..<images {
    batchNormalize(pixels, w.pixelStride, x + image * w.imageStride, coefficients, true, scratch)
    maxPool(1, geometry, scratch, y + image * w.outPixels * w.outStride)
  }
}

/// `batchGradientSums` of a chunk of whole images; dy and y are those of the pool, `saved` as `batchStatistics` makes it.
/// Scratch: twice the chunk.
public func normalizedPoolGradientSums(
  _ images: Int, _ geometry: UnsafePointer<Int>, _ dy: UnsafePointer<Float>, _ x: UnsafePointer<Float>,
  _ saved: UnsafePointer<Float>, _ y: UnsafePointer<Float>, _ sums: UnsafeMutablePointer<Float>,
  _ scratch: UnsafeMutablePointer<Float>
) {
  let w = Window(geometry)
  if w.isHalving { return halvingPoolGradientSums(images, w, dy, x, saved, y, sums, scratch) }
  let (rows, stride) = (images * w.height * w.width, w.pixelStride)
  let (z, dz) = (scratch, scratch + rows * stride)
  batchNormalize(rows, stride, x, saved + 2 * stride, true, z)
  maxPoolGradient(images, geometry, dy, z, y, dz)
  batchGradientSums(rows, stride, dz, x, saved, z, sums)
}

/// `batchGradient` of whole images, from the coefficients that `batchGradientCombine` makes; otherwise as
/// `normalizedPoolGradientSums`.
public func normalizedPoolGradient(
  _ images: Int, _ geometry: UnsafePointer<Int>, _ dy: UnsafePointer<Float>, _ x: UnsafePointer<Float>,
  _ saved: UnsafePointer<Float>, _ y: UnsafePointer<Float>, _ coefficients: UnsafePointer<Float>,
  _ dx: UnsafeMutablePointer<Float>, _ scratch: UnsafeMutablePointer<Float>
) {
  let w = Window(geometry)
  if w.isHalving { return halvingPoolGradient(images, w, dy, x, saved, y, coefficients, dx) }
  let (rows, stride) = (images * w.height * w.width, w.pixelStride)
  let (z, dz) = (scratch, scratch + rows * stride)
  batchNormalize(rows, stride, x, saved + 2 * stride, true, z)
  maxPoolGradient(images, geometry, dy, z, y, dz)
  batchGradient(rows, stride, dz, x, saved, coefficients, z, dx)
}

/// A row of scale and one of shift, as they are applied to sixteen channels.
private struct Normalizer {
  let scale, shift: Vector

  @inline(__always) init(_ coefficients: UnsafePointer<Float>, _ channel: Int, _ stride: Int) {
    (scale, shift) = (coefficients.vector(channel), coefficients.vector(stride + channel))
  }

  @inline(__always) func normalized(_ x: Vector) -> Vector { shift.addingProduct(x, scale) }

  @inline(__always) func rectified(_ x: Vector) -> Vector { positivePart(normalized(x)) }

  /// Where a pixel is the largest of its window, which is above 0.
  @inline(__always) func isLargest(_ x: Vector, _ largest: Vector) -> SIMDMask<SIMD16<Int32>> {
    normalized(x) .== largest
  }
}

@inline(never) private func halvingPool(
  _ images: Int, _ w: Window, _ x: UnsafePointer<Float>, _ coefficients: UnsafePointer<Float>,
  _ y: UnsafeMutablePointer<Float>
) {
  let (pixel, line) = (w.pixelStride, w.width * w.pixelStride)
  var channel = 0
  while channel < pixel {
    let norm = Normalizer(coefficients, channel, pixel)
    var (from, to) = (x + channel, y + channel)
    for _ in 0..<images * w.outHeight {
      for _ in 0..<w.outWidth {
        var best = norm.rectified(from.vector(0))
        best = larger(best, norm.rectified(from.vector(pixel)))
        best = larger(best, norm.rectified(from.vector(line)))
        to.store(larger(best, norm.rectified(from.vector(line + pixel))), 0)
        from += 2 * pixel
        to += pixel
      }
      from += line
    }
    channel += laneCount
  }
}

/// The two rows of pixels of a row of windows come one after the other, as their sums do in `batchGradientSums`.
@inline(never) private func halvingPoolGradientSums(
  _ images: Int, _ w: Window, _ dy: UnsafePointer<Float>, _ x: UnsafePointer<Float>,
  _ saved: UnsafePointer<Float>, _ y: UnsafePointer<Float>, _ sums: UnsafeMutablePointer<Float>,
  _ scratch: UnsafeMutablePointer<Float>
) {
  let pixel = w.pixelStride
  var channel = 0
  while channel < pixel {
    let (mean, norm) = (saved.vector(channel), Normalizer(saved + 2 * pixel, channel, pixel))
    var (a0, a1, b0, b1) = (Vector.zero, Vector.zero, Vector.zero, Vector.zero)
    var (from, best, gradient) = (x + channel, y + channel, dy + channel)
    for _ in 0..<images * w.outHeight {
      for half in 0..<2 {
        for column in 0..<w.outWidth {
          let largest = best.vector(column * pixel)
          let left =
            half == 0
            ? reluSlope(gradient.vector(column * pixel), largest) : scratch.vector(column * laneCount)
          let (x0, x1) = (from.vector(0), from.vector(pixel))
          let (is0, is1) = (norm.isLargest(x0, largest), norm.isLargest(x1, largest))
          let d0 = Vector.zero.replacing(with: left, where: is0)
          let left0 = left.replacing(with: 0, where: is0)
          let d1 = Vector.zero.replacing(with: left0, where: is1)
          scratch.store(left0.replacing(with: 0, where: is1), column * laneCount)
          a0 += d0
          a1 += d1
          b0 = b0.addingProduct(d0, x0 - mean)
          b1 = b1.addingProduct(d1, x1 - mean)
          from += 2 * pixel
        }
      }
      best += w.outWidth * pixel
      gradient += w.outWidth * pixel
    }
    sums.store(a0 + a1, channel)
    sums.store(b0 + b1, pixel + channel)
    channel += laneCount
  }
}

@inline(never) private func halvingPoolGradient(
  _ images: Int, _ w: Window, _ dy: UnsafePointer<Float>, _ x: UnsafePointer<Float>,
  _ saved: UnsafePointer<Float>, _ y: UnsafePointer<Float>, _ coefficients: UnsafePointer<Float>,
  _ dx: UnsafeMutablePointer<Float>
) {
  let (pixel, line) = (w.pixelStride, w.width * w.pixelStride)
  var channel = 0
  while channel < pixel {
    let (mean, norm) = (saved.vector(channel), Normalizer(saved + 2 * pixel, channel, pixel))
    let (a, b) = (coefficients.vector(channel), coefficients.vector(pixel + channel))
    let c = coefficients.vector(2 * pixel + channel)
    var (place, window) = (channel, channel)
    for _ in 0..<images * w.outHeight {
      for _ in 0..<w.outWidth {
        let largest = y.vector(window)
        var left = reluSlope(dy.vector(window), largest)
        for tap in 0..<4 {
          let offset = place + (tap & 1) * pixel + (tap >> 1) * line
          let value = x.vector(offset)
          let isLargest = norm.isLargest(value, largest)
          let taken = Vector.zero.replacing(with: left, where: isLargest)
          dx.store(c.addingProduct(b, value - mean).addingProduct(a, taken), offset)
          left = left.replacing(with: 0, where: isLargest)
        }
        place += 2 * pixel
        window += pixel
      }
      place += line
    }
    channel += laneCount
  }
}
