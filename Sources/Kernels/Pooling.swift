// Pools over windows of images whose pixels are rows of channels. Pointers are those of the first image.

/// y = the largest number of each window; what lies outside of the image does not take part. Not-a-number wins, as
/// in PyTorch.
public func maxPool(
  _ images: Int, _ geometry: UnsafePointer<Int>, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>
) {
  let w = Window(geometry)
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
