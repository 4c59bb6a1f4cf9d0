// Images in memory. Between layers an image is a row of `channels` floats, padded to a multiple of sixteen, for each
// pixel; a batch as it is fed has its planes one after the other. A window (a convolution's or a pool's) reads
// either through strides.

/// A window's geometry as the kernels read it: a list of integers in the order of the fields.
public struct Window {
  /// Of the input, padding lanes not counted.
  public let channels, height, width: Int
  public let kernelHeight, kernelWidth, strideY, strideX, paddingY, paddingX: Int
  public let outHeight, outWidth: Int
  /// Floats from one image, pixel and channel of the input to the next.
  public let imageStride, pixelStride, channelStride: Int
  /// Floats from one pixel of the output to the next.
  public let outStride: Int

  /// Integers of the list.
  public static let geometryCount = 15

  /// Reads the list.
  @inline(__always) public init(_ list: UnsafePointer<Int>) {
    (channels, height, width) = (list[0], list[1], list[2])
    (kernelHeight, kernelWidth, strideY, strideX) = (list[3], list[4], list[5], list[6])
    (paddingY, paddingX, outHeight, outWidth) = (list[7], list[8], list[9], list[10])
    (imageStride, pixelStride, channelStride, outStride) = (list[11], list[12], list[13], list[14])
  }

  /// Numbers in a window of all channels: the summed dimension of a convolution.
  public var inner: Int { @inline(__always) get { kernelHeight * kernelWidth * channels } }
  /// Pixels of an output image.
  public var outPixels: Int { @inline(__always) get { outHeight * outWidth } }
}

/// A walk over output pixels in order: image, row, column.
struct PixelWalk {
  var image, y, x: Int

  @inline(__always) init(_ pixel: Int, _ w: Window) {
    image = pixel / w.outPixels
    let rest = pixel - image * w.outPixels
    y = rest / w.outWidth
    x = rest - y * w.outWidth
  }

  @inline(__always) mutating func advance(_ w: Window) {
    x += 1
    guard x == w.outWidth else { return }
    x = 0
    y += 1
    guard y == w.outHeight else { return }
    y = 0
    image += 1
  }
}

/// Zeros, with whole vectors: up to 15 floats more.
@inline(__always) func clear(_ count: Int, _ to: UnsafeMutablePointer<Float>) {
  var i = 0
  while i < count {
    to.store(.zero, i)
    i += laneCount
  }
}

/// Copies with whole vectors: up to 15 floats more than there are.
@inline(__always) private func copyVectors(
  _ count: Int, _ from: UnsafePointer<Float>, _ to: UnsafeMutablePointer<Float>
) {
  var i = 0
  while i < count {
    to.store(from.vector(i), i)
    i += laneCount
  }
}

/// Pixels of a row of an image without padding lanes; as `copyVectors`.
@inline(__always) func copyPixels(
  _ pixels: Int, _ w: Window, _ from: UnsafePointer<Float>, _ to: UnsafeMutablePointer<Float>
) {
  if w.pixelStride == w.channels {
    copyVectors(pixels * w.channels, from, to)
  } else if w.channelStride == 1 {
    for s in 0..<pixels { copyVectors(w.channels, from + s * w.pixelStride, to + s * w.channels) }
  } else {
    for s in 0..<pixels {
      for c in 0..<w.channels {
        to[s * w.channels + c] = from[s * w.pixelStride + c * w.channelStride]
      }
    }
  }
}

/// Adds the numbers of patches, what windows saw, to the pixels they came from, patches in order: that of output pixel
/// `first` is the first row of `from`, [row, column, channel], rows `stride` floats apart. `dx` lies with a row for
/// each pixel.
public func scatterPatches(
  _ first: Int, _ count: Int, _ geometry: UnsafePointer<Int>, _ from: UnsafePointer<Float>, _ stride: Int,
  _ dx: UnsafeMutablePointer<Float>
) {
  let w = Window(geometry)
  var walk = PixelWalk(first, w)
  for index in 0..<count {
    let image = dx + walk.image * w.imageStride
    let (top, left) = (walk.y * w.strideY - w.paddingY, walk.x * w.strideX - w.paddingX)
    let begin = max(0, -left)
    let end = max(begin, min(w.kernelWidth, w.width - left))
    for r in max(0, -top)..<max(max(0, -top), min(w.kernelHeight, w.height - top)) {
      for s in begin..<end {
        let part = from + index * stride + (r * w.kernelWidth + s) * w.channels
        let pixel = image + ((top + r) * w.width + left + s) * w.pixelStride
        var c = 0
        while c + laneCount <= w.channels {
          pixel.store(pixel.vector(c) + part.vector(c), c)
          c += laneCount
        }
        while c < w.channels {
          pixel[c] += part[c]
          c += 1
        }
      }
    }
    walk.advance(w)
  }
}

/// Images from rows of channels to planes: `to`[image, channel, pixel], images `toStride` floats apart, padding zero.
public func toPlanes(
  _ images: Int, _ pixels: Int, _ channels: Int, _ from: UnsafePointer<Float>, _ fromStride: Int,
  _ to: UnsafeMutablePointer<Float>, _ toStride: Int
) {
  let whole = pixels & ~15
  for image in 0..<images {
    let source = from + image * pixels * fromStride
    let planes = to + image * toStride
    var c = 0
    while c < channels {
      var p = 0
      while p < whole {
        if c + laneCount <= channels {
          transposeSquare(
            source + p * fromStride + c, fromStride, rows: laneCount, planes + c * pixels + p, pixels)
        } else {
          for lane in 0..<laneCount {
            for rest in c..<channels {
              planes[rest * pixels + p + lane] = source[(p + lane) * fromStride + rest]
            }
          }
        }
        p += laneCount
      }
      for p in whole..<pixels {
        for lane in c..<min(c + laneCount, channels) {
          planes[lane * pixels + p] = source[p * fromStride + lane]
        }
      }
      c += laneCount
    }
    for rest in channels * pixels..<toStride { planes[rest] = 0 }
  }
}

/// Images from planes, images `fromStride` floats apart, to rows of channels; padding lanes zero.
public func toChannels(
  _ images: Int, _ pixels: Int, _ channels: Int, _ from: UnsafePointer<Float>, _ fromStride: Int,
  _ to: UnsafeMutablePointer<Float>, _ toStride: Int
) {
  let whole = pixels & ~15
  for image in 0..<images {
    let planes = from + image * fromStride
    let rows = to + image * pixels * toStride
    var c = 0
    while c < channels {
      var p = 0
      while p < whole {
        transposeSquare(
          planes + c * pixels + p, pixels, rows: channels - c, rows + p * toStride + c, toStride)
        p += laneCount
      }
      for p in whole..<pixels {
        for lane in c..<c + laneCount {
          rows[p * toStride + lane] = lane < channels ? planes[lane * pixels + p] : 0
        }
      }
      c += laneCount
    }
  }
}

/// sums = the partial sums added in their order: `count` floats from each of `parts`, `stride` floats apart.
public func sumPartials(
  _ count: Int, _ parts: Int, _ stride: Int, _ partials: UnsafePointer<Float>,
  _ sums: UnsafeMutablePointer<Float>
) {
  var i = 0
  while i < count {
    var sum = partials.vector(i)
    for part in 1..<max(1, parts) { sum += (partials + part * stride).vector(i) }
    sums.store(sum, i)
    i += laneCount
  }
}
