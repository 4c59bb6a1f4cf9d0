// Carrying out the instructions on images: a part of the switch of `Command.run`.

import Kernels

extension Command {
  /// Where patches begin in a thread's scratch: behind what a product uses.
  static let patchScratch = (Kernels.productScratchFloats + 31) & ~15

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
    case .convolutionWeightGradient: convolutionWeightGradient(command, context, start, count, scratch)
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

  /// Output pixels `start`..<`start` + `count`. sizes: channels of the output, pixels in a chunk, epilogue.
  private static func convolution(
    _ command: UnsafePointer<Command>, _ context: UnsafePointer<RunContext>, _ start: Int, _ count: Int,
    _ scratch: UnsafeMutablePointer<Float>
  ) {
    guard let x = command.pointee.p0, let weight = command.pointee.p1, let y = command.pointee.p2,
      let list = command.pointee.geometry
    else { return }
    let (sizes, w) = (command.pointee.sizes, Kernels.Window(list))
    var first = start
    while first < start + count {
      let rows = min(sizes[1], start + count - first)
      let patches = patches(context, w, list, first, rows, x, scratch)
      context.pointee.kernels.product(
        rows, sizes[0], w.inner, patches.pointer, patches.stride, 1, weight, w.outStride, 1,
        y + first * w.outStride, w.outStride, Int32(truncatingIfNeeded: sizes[2]),
        command.pointee.p3.map { UnsafePointer($0) }, scratch)
      first += rows
    }
  }

  /// The patches of some output pixels as rows; where a window is a single pixel, the pixels themselves.
  private static func patches(
    _ context: UnsafePointer<RunContext>, _ w: Kernels.Window, _ list: UnsafePointer<Int>, _ first: Int,
    _ rows: Int, _ x: UnsafeMutablePointer<Float>, _ scratch: UnsafeMutablePointer<Float>
  ) -> (pointer: UnsafeMutablePointer<Float>, stride: Int) {
    if isPointwise(w) { return (x + first * w.pixelStride, w.pixelStride) }
    let patches = scratch + patchScratch
    context.pointee.kernels.patches(first, rows, list, x, patches)
    return (patches, w.inner)
  }

  private static func isPointwise(_ w: Kernels.Window) -> Bool {
    w.kernelHeight == 1 && w.kernelWidth == 1 && w.strideY == 1 && w.strideX == 1 && w.paddingY == 0
      && w.paddingX == 0 && w.channelStride == 1
  }

  /// Groups `start`..<`start` + `count` of images. sizes: channels of the output, pixels in a chunk, images, groups.
  private static func convolutionWeightGradient(
    _ command: UnsafePointer<Command>, _ context: UnsafePointer<RunContext>, _ start: Int, _ count: Int,
    _ scratch: UnsafeMutablePointer<Float>
  ) {
    guard let x = command.pointee.p0, let dy = command.pointee.p1, let partials = command.pointee.p2,
      let list = command.pointee.geometry
    else { return }
    let (sizes, w) = (command.pointee.sizes, Kernels.Window(list))
    let (images, groups, weights) = (sizes[2], sizes[3], w.inner * w.outStride)
    let chunkSums = scratch + patchScratch + sizes[1] * ((w.inner + 15) & ~15) + 16
    for group in start..<start + count {
      let partial = partials + group * (weights + w.outStride)
      let begin = images * group / groups * w.outPixels
      let end = images * (group + 1) / groups * w.outPixels
      var first = begin
      while first < end {
        let rows = min(sizes[1], end - first)
        let patches = patches(context, w, list, first, rows, x, scratch)
        let gradient = dy + first * w.outStride
        let isFirst = first == begin
        context.pointee.kernels.product(
          w.inner, sizes[0], rows, patches.pointer, 1, patches.stride, gradient, w.outStride, 1, partial,
          w.outStride, isFirst ? Kernels.productPlain : Kernels.productAccumulate, nil, scratch)
        let sums = partial + weights
        context.pointee.kernels.columnSums(
          rows, w.outStride, gradient, w.outStride, isFirst ? sums : chunkSums)
        if !isFirst { context.pointee.kernels.add(w.outStride, sums, chunkSums, sums) }
        first += rows
      }
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
    let isDirect = isPointwise(w)
    if !isDirect {
      (dx + start * w.imageStride).update(repeating: 0, count: count * w.imageStride)
    }
    var first = start * w.outPixels
    let end = (start + count) * w.outPixels
    while first < end {
      let rows = min(sizes[1], end - first)
      let stride = isDirect ? w.pixelStride : (w.inner + 15) & ~15
      let product = isDirect ? dx + first * w.pixelStride : scratch + patchScratch
      context.pointee.kernels.product(
        rows, w.inner, sizes[0], dy + first * w.outStride, w.outStride, 1, weight, 1, w.outStride, product,
        stride, Kernels.productPlain, nil, scratch)
      if !isDirect { context.pointee.kernels.scatterPatches(first, rows, list, product, stride, dx) }
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
