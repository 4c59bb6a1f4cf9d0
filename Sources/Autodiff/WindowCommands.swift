// Carrying out the instructions on images: a part of the switch of `Command.run`.

import Kernels

extension Command {
  /// Where a bordered band or patches begin in a thread's scratch: behind what products and convolutions use.
  static func bandScratch(_ list: UnsafePointer<Int>) -> Int {
    padded(max(Kernels.productScratchFloats, Kernels.convolutionScratchFloats(list)))
  }

  /// Instructions with a geometry; `start` and `count` are rows, images, groups or floats.
  static func windowed(
    _ command: UnsafePointer<Command>, _ context: UnsafePointer<RunContext>, _ start: Int, _ count: Int,
    _ scratch: UnsafeMutablePointer<Float>
  ) {
    guard let p0 = command.pointee.p0, let p1 = command.pointee.p1, let list = command.pointee.geometry
    else { return }
    let (p2, p3) = (command.pointee.p2, command.pointee.p3)
    let (sizes, numbers) = (command.pointee.sizes, command.pointee.numbers)
    let kernels = context
    switch command.pointee.opcode {
    case .convolution: convolution(command, context, start, count, scratch)
    case .convolutionInputGradient: convolutionInputGradient(command, context, start, count, scratch)
    case .convolutionWeightGradient, .convolutionPoolWeightGradient:
      convolutionWeightGradient(command, context, start, count, scratch)
    case .flipWeights:
      kernels.pointee.kernels.flipWeights(start, count, sizes[0], sizes[1], sizes[2], p0, p1)
    case .sumPartials:
      kernels.pointee.kernels.sumPartials(count, sizes[0], sizes[1], p0 + sizes[2] + start, p1 + start)
    case .toPlanes:
      kernels.pointee.kernels.toPlanes(
        count, sizes[0], sizes[1], p0 + start * sizes[0] * sizes[2], sizes[2], p1 + start * sizes[3], sizes[3]
      )
    case .toChannels:
      kernels.pointee.kernels.toChannels(
        count, sizes[0], sizes[1], p0 + start * sizes[3], sizes[3], p1 + start * sizes[0] * sizes[2], sizes[2]
      )
    default:
      let w = Kernels.Window(list)
      let (x, y) = (start * w.imageStride, start * w.outPixels * w.outStride)
      switch command.pointee.opcode {
      case .maxPool: kernels.pointee.kernels.maxPool(count, list, p0 + x, p1 + y)
      case .maxPoolGradient:
        guard let p2, let p3 else { return }
        kernels.pointee.kernels.maxPoolGradient(count, list, p0 + y, p1 + x, p2 + y, p3 + x)
      case .averagePool: kernels.pointee.kernels.averagePool(count, list, numbers[0], p0 + x, p1 + y)
      default: kernels.pointee.kernels.averagePoolGradient(count, list, numbers[0], p0 + y, p1 + x)
      }
    }
  }

  /// Bands `start`..<`start` + `count` of all images. sizes: rows of output pixels in a band, bands in an image,
  /// epilogue.
  private static func convolution(
    _ command: UnsafePointer<Command>, _ context: UnsafePointer<RunContext>, _ start: Int, _ count: Int,
    _ scratch: UnsafeMutablePointer<Float>
  ) {
    guard let x = command.pointee.p0, let weight = command.pointee.p1, let y = command.pointee.p2,
      let list = command.pointee.geometry
    else { return }
    let (sizes, w) = (command.pointee.sizes, Kernels.Window(list))
    let (bandRows, bands) = (sizes[0], sizes[1])
    for unit in start..<start + count {
      let (image, first) = (unit / bands, unit % bands * bandRows)
      let rows = min(bandRows, w.outHeight - first)
      let band = band(context, w, list, first, rows, x + image * w.imageStride, scratch)
      context.pointee.kernels.convolve(
        rows, list, band, weight, y + (image * w.outPixels + first * w.outWidth) * w.outStride,
        Int32(truncatingIfNeeded: sizes[2]), command.pointee.p3.map { UnsafePointer($0) }, scratch)
    }
  }

  /// A band of an image with its border; where there is none, the image itself.
  private static func band(
    _ context: UnsafePointer<RunContext>, _ w: Kernels.Window, _ list: UnsafePointer<Int>, _ first: Int,
    _ rows: Int, _ image: UnsafeMutablePointer<Float>, _ scratch: UnsafeMutablePointer<Float>
  ) -> UnsafeMutablePointer<Float> {
    if w.paddingY == 0, w.paddingX == 0, w.pixelStride == w.channels,
      w.borderedLine == w.width * w.channels
    {
      return image + first * w.strideY * w.borderedLine
    }
    let band = scratch + bandScratch(list)
    context.pointee.kernels.borderImage(first, rows, list, image, band)
    return band
  }

  /// Groups `start`..<`start` + `count` of images. sizes: rows of output pixels in a band, images, groups, and floats
  /// of scratch before those that a gradient's image is made in.
  private static func convolutionWeightGradient(
    _ command: UnsafePointer<Command>, _ context: UnsafePointer<RunContext>, _ start: Int, _ count: Int,
    _ scratch: UnsafeMutablePointer<Float>
  ) {
    let isPooled = command.pointee.opcode == .convolutionPoolWeightGradient
    guard let x = command.pointee.p0, let dy = command.pointee.p1, let list = command.pointee.geometry,
      let partials = isPooled ? command.pointee.p6 : command.pointee.p2
    else { return }
    let (sizes, w) = (command.pointee.sizes, Kernels.Window(list))
    let (images, groups) = (sizes[1], sizes[2])
    for group in start..<start + count {
      let partial = partials + group * (w.inner + 1) * w.outStride
      let firstImage = images * group / groups
      for image in firstImage..<images * (group + 1) / groups {
        let gradient =
          isPooled
          ? poolGradient(command, context, image, scratch + sizes[3]) : dy + image * w.outPixels * w.outStride
        addWeightGradient(
          context, list, sizes[0], x + image * w.imageStride, gradient, partial, isFirst: image == firstImage,
          scratch)
      }
    }
  }

  /// The gradient of one image before normalization, ReLU and pool, at the beginning of the scratch.
  private static func poolGradient(
    _ command: UnsafePointer<Command>, _ context: UnsafePointer<RunContext>, _ image: Int,
    _ scratch: UnsafeMutablePointer<Float>
  ) -> UnsafeMutablePointer<Float> {
    guard let dy = command.pointee.p1, let x = command.pointee.p2, let saved = command.pointee.p3,
      let y = command.pointee.p4, let coefficients = command.pointee.p5,
      let list = command.pointee.geometry.map({ $0 + Kernels.Window.geometryCount })
    else { return scratch }
    let w = Kernels.Window(list)
    let place = image * w.outPixels * w.outStride
    context.pointee.kernels.normalizedPoolGradient(
      1, list, dy + place, x + image * w.imageStride, saved, y + place, coefficients, scratch,
      scratch + w.imageStride)
    return scratch
  }

  /// What an image adds to the weights' gradient and, behind it, to the bias'; the first is what they begin with.
  private static func addWeightGradient(
    _ context: UnsafePointer<RunContext>, _ list: UnsafePointer<Int>, _ bandRows: Int,
    _ image: UnsafeMutablePointer<Float>, _ dy: UnsafeMutablePointer<Float>,
    _ partial: UnsafeMutablePointer<Float>, isFirst: Bool, _ scratch: UnsafeMutablePointer<Float>
  ) {
    let w = Kernels.Window(list)
    let sums = partial + w.inner * w.outStride
    var first = 0
    while first < w.outHeight {
      let rows = min(bandRows, w.outHeight - first)
      let band = band(context, w, list, first, rows, image, scratch)
      let gradient = dy + first * w.outWidth * w.outStride
      let begins = isFirst && first == 0
      context.pointee.kernels.convolveGradient(rows, list, band, gradient, partial, !begins, scratch)
      context.pointee.kernels.columnSums(
        rows * w.outWidth, w.outStride, gradient, w.outStride, begins ? sums : scratch)
      if !begins { context.pointee.kernels.add(w.outStride, sums, scratch, sums) }
      first += rows
    }
  }

  /// Images `start`..<`start` + `count`. sizes: channels of the output, pixels in a chunk.
  private static func convolutionInputGradient(
    _ command: UnsafePointer<Command>, _ context: UnsafePointer<RunContext>, _ start: Int, _ count: Int,
    _ scratch: UnsafeMutablePointer<Float>
  ) {
    guard let dy = command.pointee.p0, let weight = command.pointee.p1, let dx = command.pointee.p2,
      let list = command.pointee.geometry
    else { return }
    let (sizes, w) = (command.pointee.sizes, Kernels.Window(list))
    let (stride, patches) = (padded(w.inner), scratch + bandScratch(list))
    (dx + start * w.imageStride).update(repeating: 0, count: count * w.imageStride)
    var first = start * w.outPixels
    let end = (start + count) * w.outPixels
    while first < end {
      let rows = min(sizes[1], end - first)
      context.pointee.kernels.product(
        rows, w.inner, sizes[0], dy + first * w.outStride, w.outStride, 1, weight, 1, w.outStride, patches,
        stride, Kernels.productPlain, nil, scratch)
      context.pointee.kernels.scatterPatches(first, rows, list, patches, stride, dx)
      first += rows
    }
  }

  /// Normalization over rows; `start` and `count` are rows. sizes: floats in a row, rows in a chunk.
  static func normalization(
    _ command: UnsafePointer<Command>, _ context: UnsafePointer<RunContext>, _ start: Int, _ count: Int
  ) {
    guard let p0 = command.pointee.p0, let p1 = command.pointee.p1,
      let p2 = command.pointee.p2 ?? command.pointee.p1
    else { return }
    let (p3, p4, p5, p6) = (command.pointee.p3, command.pointee.p4, command.pointee.p5, command.pointee.p6)
    let (sizes, numbers) = (command.pointee.sizes, command.pointee.numbers)
    let kernels = context
    switch command.pointee.opcode {
    case .batchStatistics:
      guard let p3, let p4, let p5, let p6 else { return }
      kernels.pointee.kernels.batchStatistics(
        sizes[0], sizes[1], sizes[2], p0, p1, p2, numbers[0], numbers[1], p3, p4, p5,
        UnsafeMutableRawPointer(p6))
    case .batchCoefficients:
      guard let p3, let p4 else { return }
      kernels.pointee.kernels.batchCoefficients(sizes[0], p0, p1, numbers[0], p2, p3, p4)
    case .batchGradientCombine:
      guard let p3, let p4, let p5 else { return }
      kernels.pointee.kernels.batchGradientCombine(sizes[0], sizes[1], sizes[2], p0, p1, p2, p3, p4, p5)
    default:
      let (stride, chunk) = (sizes[0], sizes[1])
      var first = start
      while first < start + count {
        let rows = min(chunk, start + count - first)
        let (place, part) = (first * stride, first / chunk * 2 * stride)
        switch command.pointee.opcode {
        case .batchMoments: kernels.pointee.kernels.batchMoments(rows, stride, p0 + place, p1 + part)
        case .batchNormalize:
          kernels.pointee.kernels.batchNormalize(
            rows, stride, p0 + place, p1 + sizes[2], sizes[3] == 1, p2 + place)
        case .batchGradientSums:
          guard let p3 else { return }
          kernels.pointee.kernels.batchGradientSums(
            rows, stride, p0 + place, p1 + place, p2, p4.map { UnsafePointer($0 + place) }, p3 + part)
        default:
          guard let p3, let p4 else { return }
          kernels.pointee.kernels.batchGradient(
            rows, stride, p0 + place, p1 + place, p2, p3, p5.map { UnsafePointer($0 + place) }, p4 + place)
        }
        first += rows
      }
    }
  }
}

extension Command {
  /// Normalization, ReLU and max pool of images `start`..<`start` + `count`, or their gradient of rows. sizes: floats in
  /// a row, floats before the coefficients or rows in a chunk.
  static func normalizedPool(
    _ command: UnsafePointer<Command>, _ context: UnsafePointer<RunContext>, _ start: Int, _ count: Int,
    _ scratch: UnsafeMutablePointer<Float>
  ) {
    guard let p0 = command.pointee.p0, let p1 = command.pointee.p1, let p2 = command.pointee.p2,
      let list = command.pointee.geometry
    else { return }
    let (stride, w) = (command.pointee.sizes[0], Kernels.Window(list))
    let (pixels, outFloats) = (w.height * w.width, w.outPixels * w.outStride)
    if command.pointee.opcode == .batchPool {
      return context.pointee.kernels.normalizedPool(
        count, list, p0 + start * w.imageStride, p1 + command.pointee.sizes[1], p2 + start * outFloats,
        scratch)
    }
    guard let p3 = command.pointee.p3, let p4 = command.pointee.p4 else { return }
    let chunk = command.pointee.sizes[1]
    var first = start
    while first < start + count {
      let rows = min(chunk, start + count - first)
      let (images, image) = (rows / pixels, first / pixels)
      let (dy, x, y) = (p0 + image * outFloats, p1 + first * stride, p3 + image * outFloats)
      if command.pointee.opcode == .batchPoolGradientSums {
        context.pointee.kernels.normalizedPoolGradientSums(
          images, list, dy, x, p2, y, p4 + first / chunk * 2 * stride, scratch)
      } else if let dx = command.pointee.p5 {
        context.pointee.kernels.normalizedPoolGradient(
          images, list, dy, x, p2, y, p4, dx + first * stride, scratch)
      }
      first += rows
    }
  }
}
