// Convolutions against sums in double, at sizes that cross tiles, panels, blocks of the window's rows and bands.

import Kernels
import Testing

@testable import Autodiff

/// Images, a window over them and numbers for everything.
struct ConvolutionCase {
  let (channels, height, width, out): (Int, Int, Int, Int)
  let window: ImageWindow
  let isPlanar: Bool
  let (outHeight, outWidth): (Int, Int)
  let image, weight, dy: Arena
  let geometry: [Int]
  var inner: Int { window.kernel.height * window.kernel.width * channels }
  var stride: Int { padded(out) }

  init(
    _ channels: Int, _ height: Int, _ width: Int, out: Int, kernel: (Int, Int), stride: (Int, Int) = (1, 1),
    padding: (Int, Int) = (0, 0), isPlanar: Bool = false
  ) {
    (self.channels, self.height, self.width, self.out) = (channels, height, width, out)
    self.isPlanar = isPlanar
    window = ImageWindow(kernel: kernel, stride: stride, padding: padding)
    (outHeight, outWidth) = window.output(height: height, width: width) ?? (0, 0)
    let pixels = height * width
    let (pixel, channel) = isPlanar ? (1, pixels) : (padded(channels), 1)
    geometry = [
      channels, height, width, kernel.0, kernel.1, stride.0, stride.1, padding.0, padding.1, outHeight,
      outWidth, pixels * padded(channels), pixel, channel, padded(out),
    ]
    image = zeros(pixels * padded(channels) + 16)
    weight = zeros(kernel.0 * kernel.1 * channels * padded(out) + 256)
    dy = zeros(outHeight * outWidth * padded(out) + 16)
    let (x, w, d) = (
      numbers(pixels * channels, 1), numbers(kernel.0 * kernel.1 * channels * out, 2),
      numbers(outHeight * outWidth * out, 3)
    )
    for p in 0..<pixels {
      for c in 0..<channels { image.pointer[p * pixel + c * channel] = x[p * channels + c] }
    }
    for i in 0..<w.count { weight.pointer[i / out * padded(out) + i % out] = w[i] }
    for i in 0..<d.count { dy.pointer[i / out * padded(out) + i % out] = d[i] }
  }

  /// What the window at (y, x) sees at (r, s), channel c.
  func seen(_ y: Int, _ x: Int, _ r: Int, _ s: Int, _ c: Int) -> Double {
    let row = y * window.stride.height - window.padding.height + r
    let column = x * window.stride.width - window.padding.width + s
    guard row >= 0, row < height, column >= 0, column < width else { return 0 }
    let pixel = row * width + column
    return Double(image.pointer[isPlanar ? c * height * width + pixel : pixel * padded(channels) + c])
  }

  /// The output, the weight's gradient and, with `turned`, the weights for the input's gradient; in bands of two rows.
  func run(_ table: KernelTable) -> (y: Arena, dweight: Arena, turned: Arena) {
    let y = Arena(floats: outHeight * outWidth * stride)
    let dweight = Arena(floats: inner * stride)
    let taps = window.kernel.height * window.kernel.width
    let turned = Arena(floats: taps * stride * padded(channels))
    geometry.withUnsafeBufferPointer { list in
      guard let list = list.baseAddress else { return }
      let scratch = Arena(floats: convolutionScratchFloats(list))
      let band = Arena(floats: borderedFloats(2, list) + 16)
      scratch.pointer.update(repeating: .nan, count: scratch.floats)
      var first = 0
      while first < outHeight {
        let rows = min(2, outHeight - first)
        band.pointer.update(repeating: .nan, count: band.floats)
        table.borderImage(first, rows, list, image.pointer, band.pointer)
        let place = first * outWidth * stride
        table.convolve(
          rows, list, band.pointer, weight.pointer, y.pointer + place, productPlain, nil, scratch.pointer)
        table.convolveGradient(
          rows, list, band.pointer, dy.pointer + place, dweight.pointer, first > 0, scratch.pointer)
        first += 2
      }
      table.flipWeights(0, taps, taps, channels, stride, weight.pointer, turned.pointer)
    }
    return (y, dweight, turned)
  }
}

@Suite struct ConvolutionTests {
  static var cases: [ConvolutionCase] {
    [
      ConvolutionCase(1, 9, 13, out: 16, kernel: (3, 3), padding: (1, 1), isPlanar: true),
      ConvolutionCase(1, 8, 15, out: 33, kernel: (5, 2), padding: (2, 1), isPlanar: true),
      ConvolutionCase(3, 7, 12, out: 10, kernel: (3, 3), stride: (2, 2), padding: (1, 1), isPlanar: true),
      ConvolutionCase(16, 6, 14, out: 32, kernel: (3, 3), padding: (1, 1)),
      ConvolutionCase(17, 5, 9, out: 50, kernel: (2, 3), stride: (1, 2), padding: (0, 2)),
      ConvolutionCase(70, 5, 5, out: 31, kernel: (3, 3), padding: (1, 1)),
      ConvolutionCase(16, 3, 27, out: 15, kernel: (1, 1)),
      ConvolutionCase(32, 4, 4, out: 64, kernel: (4, 4)),
    ]
  }

  @Test(arguments: 0..<8) func matchesSumsInDouble(_ index: Int) {
    let test = Self.cases[index]
    let (kernel, channels) = (test.window.kernel, test.channels)
    let (y, dweight, turned) = test.run(best)
    var (expected, sums) = (
      [Double](repeating: 0, count: test.out), [Double](repeating: 0, count: test.inner * test.out)
    )
    for row in 0..<test.outHeight {
      for column in 0..<test.outWidth {
        let place = (row * test.outWidth + column) * test.stride
        for o in 0..<test.out { expected[o] = 0 }
        for tap in 0..<test.inner {
          let (r, s) = (tap / channels / kernel.width, tap / channels % kernel.width)
          let x = test.seen(row, column, r, s, tap % channels)
          for o in 0..<test.out {
            expected[o] += x * Double(test.weight.pointer[tap * test.stride + o])
            sums[tap * test.out + o] += x * Double(test.dy.pointer[place + o])
          }
        }
        for o in 0..<test.out {
          #expect(abs(Double(y.pointer[place + o]) - expected[o]) < 1e-6 * Double(test.inner + 8))
        }
      }
    }
    let pixels = Double(test.outHeight * test.outWidth + 8)
    for i in sums.indices {
      let mine = dweight.pointer[i / test.out * test.stride + i % test.out]
      #expect(abs(Double(mine) - sums[i]) < 1e-6 * pixels)
    }
    let taps = kernel.height * kernel.width
    for tap in 0..<taps {
      for o in 0..<test.out {
        for c in 0..<padded(channels) {
          let mine = turned.pointer[(tap * test.stride + o) * padded(channels) + c]
          let weight =
            c < channels ? test.weight.pointer[((taps - 1 - tap) * channels + c) * test.stride + o] : 0
          #expect(mine == weight)
        }
      }
    }
  }

  @Test(arguments: 0..<8) func allLevelsGiveTheSameBits(_ index: Int) {
    func bits(_ table: KernelTable) -> [UInt32] {
      let (y, dweight, turned) = Self.cases[index].run(table)
      return y.bits(y.floats) + dweight.bits(dweight.floats) + turned.bits(turned.floats)
    }
    let first = bits(levels[0])
    for table in levels.dropFirst() { #expect(bits(table) == first, "\(table.level)") }
  }
}
