// Pools over windows of images whose pixels are rows of channels. Pointers are those of the first image.

/// y = the largest number of each window; what lies outside of the image does not take part. Not-a-number wins, as
/// in PyTorch.
public func maxPool(
  _ images: Int, _ geometry: UnsafePointer<Int>, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>
) {
  let w = Window(geometry)
  if w.isHalving { return maxPoolHalving(images, w, x, y) }
  var walk = PixelWalk(0, w)
  for index in 0..<images * w.outPixels {
    let taps = Taps(walk, w)
    var c = 0
    while c < w.outStride {
      var best = Vector(repeating: -.infinity)
      for r in taps.rows {
        var place = x + taps.offset(r, w) + c
        for _ in taps.columns {
          let value = place.vector(0)
          best.replace(with: value, where: (value .> best) .| (value .!= value))
          place += w.pixelStride
        }
      }
      y.store(best, index * w.outStride + c)
      c += laneCount
    }
    walk.advance(w)
  }
}

/// dx = dy at the first largest number of each window, summed over windows; x and y are the pool's.
public func maxPoolGradient(
  _ images: Int, _ geometry: UnsafePointer<Int>, _ dy: UnsafePointer<Float>, _ x: UnsafePointer<Float>,
  _ y: UnsafePointer<Float>, _ dx: UnsafeMutablePointer<Float>
) {
  let w = Window(geometry)
  if w.isHalving { return maxPoolHalvingGradient(images, w, dy, x, y, dx) }
  clearImages(images, w, dx)
  var walk = PixelWalk(0, w)
  for index in 0..<images * w.outPixels {
    let taps = Taps(walk, w)
    var c = 0
    while c < w.outStride {
      let (best, gradient) = (y.vector(index * w.outStride + c), dy.vector(index * w.outStride + c))
      // The gradient that has not found its place yet.
      var left = gradient
      for r in taps.rows {
        var offset = taps.offset(r, w) + c
        for _ in taps.columns {
          let value = x.vector(offset)
          let isIt = (value .== best) .| (value .!= value)
          dx.store(dx.vector(offset) + Vector.zero.replacing(with: left, where: isIt), offset)
          left.replace(with: 0, where: isIt)
          offset += w.pixelStride
        }
      }
      c += laneCount
    }
    walk.advance(w)
  }
}

extension Window {
  /// Whether windows are squares of two by two pixels that part the image.
  @inline(__always) var isHalving: Bool {
    kernelHeight == 2 && kernelWidth == 2 && strideY == 2 && strideX == 2 && paddingY == 0 && paddingX == 0
      && height == 2 * outHeight && width == 2 * outWidth && pixelStride == outStride
  }
}

/// Where the larger of both is, not-a-number being the largest.
@inline(__always) func larger(_ best: Vector, _ value: Vector) -> Vector {
  best.replacing(with: value, where: (value .> best) .| (value .!= value))
}

@inline(never) private func maxPoolHalving(
  _ images: Int, _ w: Window, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>
) {
  let (pixel, line) = (w.pixelStride, w.width * w.pixelStride)
  var (from, to) = (x, y)
  for _ in 0..<images * w.outHeight {
    for _ in 0..<w.outWidth {
      var c = 0
      while c < pixel {
        var best = larger(Vector(repeating: -.infinity), from.vector(c))
        best = larger(best, from.vector(pixel + c))
        best = larger(best, from.vector(line + c))
        to.store(larger(best, from.vector(line + pixel + c)), c)
        c += laneCount
      }
      from += 2 * pixel
      to += pixel
    }
    from += line
  }
}

@inline(never) private func maxPoolHalvingGradient(
  _ images: Int, _ w: Window, _ dy: UnsafePointer<Float>, _ x: UnsafePointer<Float>,
  _ y: UnsafePointer<Float>, _ dx: UnsafeMutablePointer<Float>
) {
  let (pixel, line) = (w.pixelStride, w.width * w.pixelStride)
  var (place, window) = (0, 0)
  for _ in 0..<images * w.outHeight {
    for _ in 0..<w.outWidth {
      var c = 0
      while c < pixel {
        let best = y.vector(window + c)
        // The gradient that has not found its place yet.
        var left = dy.vector(window + c)
        for tap in 0..<4 {
          let offset = place + (tap & 1) * pixel + (tap >> 1) * line + c
          let value = x.vector(offset)
          let isIt = (value .== best) .| (value .!= value)
          dx.store(Vector.zero.replacing(with: left, where: isIt), offset)
          left.replace(with: 0, where: isIt)
        }
        c += laneCount
      }
      place += 2 * pixel
      window += pixel
    }
    place += line
  }
}

/// y = the sum of each window times `factor`; what lies outside of the image counts as zero.
public func averagePool(
  _ images: Int, _ geometry: UnsafePointer<Int>, _ factor: Float, _ x: UnsafePointer<Float>,
  _ y: UnsafeMutablePointer<Float>
) {
  let w = Window(geometry)
  var walk = PixelWalk(0, w)
  for index in 0..<images * w.outPixels {
    let taps = Taps(walk, w)
    var c = 0
    while c < w.outStride {
      var sum = Vector.zero
      for r in taps.rows {
        var place = x + taps.offset(r, w) + c
        for _ in taps.columns {
          sum += place.vector(0)
          place += w.pixelStride
        }
      }
      y.store(sum * factor, index * w.outStride + c)
      c += laneCount
    }
    walk.advance(w)
  }
}

/// dx = dy times `factor` at every pixel of each window, summed over windows.
public func averagePoolGradient(
  _ images: Int, _ geometry: UnsafePointer<Int>, _ factor: Float, _ dy: UnsafePointer<Float>,
  _ dx: UnsafeMutablePointer<Float>
) {
  let w = Window(geometry)
  clearImages(images, w, dx)
  var walk = PixelWalk(0, w)
  for index in 0..<images * w.outPixels {
    let taps = Taps(walk, w)
    var c = 0
    while c < w.outStride {
      let share = dy.vector(index * w.outStride + c) * factor
      for r in taps.rows {
        var offset = taps.offset(r, w) + c
        for _ in taps.columns {
          dx.store(dx.vector(offset) + share, offset)
          offset += w.pixelStride
        }
      }
      c += laneCount
    }
    walk.advance(w)
  }
}

/// The part of a window that lies in the image.
private struct Taps {
  let image, top, left: Int
  let rows, columns: Range<Int>

  @inline(__always) init(_ walk: PixelWalk, _ w: Window) {
    image = walk.image * w.imageStride
    top = walk.y * w.strideY - w.paddingY
    left = walk.x * w.strideX - w.paddingX
    let (firstRow, firstColumn) = (max(0, -top), max(0, -left))
    rows = Range(
      uncheckedBounds: (firstRow, max(firstRow, min(w.kernelHeight, w.height - top))))
    columns = Range(
      uncheckedBounds: (firstColumn, max(firstColumn, min(w.kernelWidth, w.width - left))))
  }

  /// Where row `r` of the window begins.
  @inline(__always) func offset(_ r: Int, _ w: Window) -> Int {
    image + ((top + r) * w.width + left + columns.lowerBound) * w.pixelStride
  }
}

@inline(__always) private func clearImages(_ images: Int, _ w: Window, _ dx: UnsafeMutablePointer<Float>) {
  var i = 0
  while i < images * w.imageStride {
    dx.store(.zero, i)
    i += laneCount
  }
}
