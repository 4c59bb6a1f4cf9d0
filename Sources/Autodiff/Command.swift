// Instructions with addresses, and the one switch that carries them out.

import Kernels

/// An instruction ready to run: plain data, so that a run touches no object, no closure and no lock.
struct Command {
  /// How many operands an instruction has at most.
  static let operandCount = 7

  var opcode: Opcode
  var split: Split
  var p0, p1, p2, p3, p4, p5, p6: UnsafeMutablePointer<Float>?
  var sizes = SIMD8<Int>.zero
  var numbers = SIMD8<Float>.zero
  /// A window's geometry, as the kernels read it; the executor's.
  var geometry: UnsafePointer<Int>?

  /// A command over addresses in the order of the opcode's operands.
  init(
    _ opcode: Opcode, _ p0: UnsafeMutablePointer<Float>?, _ p1: UnsafeMutablePointer<Float>? = nil,
    _ p2: UnsafeMutablePointer<Float>? = nil, _ p3: UnsafeMutablePointer<Float>? = nil,
    _ p4: UnsafeMutablePointer<Float>? = nil, _ p5: UnsafeMutablePointer<Float>? = nil,
    _ p6: UnsafeMutablePointer<Float>? = nil, split: Split = .whole
  ) {
    self.opcode = opcode
    self.split = split
    (self.p0, self.p1, self.p2, self.p3, self.p4, self.p5, self.p6) = (p0, p1, p2, p3, p4, p5, p6)
  }
}

/// What commands need besides themselves.
struct RunContext {
  let kernels: KernelTable
  var seed: UInt64 = 0
  var step: UInt64 = 0
  /// Of the passes over parameters' blocks: see `ParameterPasses`.
  var blocks: UnsafePointer<Int32>?
  var coefficients: UnsafePointer<Float>?
  var sums: UnsafeMutablePointer<Float>?
}

extension Command {
  /// Carries out units `first`..<`last` of a command. `scratch` belongs to the calling thread.
  static func run(
    _ command: UnsafePointer<Command>, _ context: UnsafePointer<RunContext>, _ first: Int, _ last: Int,
    _ scratch: UnsafeMutablePointer<Float>
  ) {
    let split = command.pointee.split
    let isWhole = split.units == 1
    let start = isWhole ? 0 : first * split.unit
    let end = isWhole ? split.count : min(last * split.unit, split.count)
    let count = end - start
    guard let p0 = command.pointee.p0 else { return }
    let (p1, p2) = (command.pointee.p1 ?? p0, command.pointee.p2 ?? p0)
    let (p3, p4) = (command.pointee.p3, command.pointee.p4)
    let (sizes, numbers) = (command.pointee.sizes, command.pointee.numbers)
    switch command.pointee.opcode {
    case .product: product(command, context, start, count, scratch)
    case .transpose:
      context.pointee.kernels.transpose(start, count, sizes[0], p0, sizes[1], p1, sizes[2])
    case .columnSums:
      context.pointee.kernels.columnSums(sizes[0], count, p0 + start, sizes[2], p1 + start)
    case .add: context.pointee.kernels.add(count, p0 + start, p1 + start, p2 + start)
    case .multiply: context.pointee.kernels.multiply(count, p0 + start, p1 + start, p2 + start)
    case .relu: context.pointee.kernels.relu(count, p0 + start, p1 + start)
    case .reluGradient: context.pointee.kernels.reluGradient(count, p0 + start, p1 + start, p2 + start)
    case .tanh: context.pointee.kernels.tanh(count, p0 + start, p1 + start)
    case .tanhGradient: context.pointee.kernels.tanhGradient(count, p0 + start, p1 + start, p2 + start)
    case .dropout:
      context.pointee.kernels.dropout(
        count, start, context.pointee.seed, UInt32(truncatingIfNeeded: sizes[0]), context.pointee.step,
        UInt32(truncatingIfNeeded: sizes[1]), numbers[0], p0 + start, p1 + start,
        UnsafeMutableRawPointer(scratch).assumingMemoryBound(to: UInt32.self))
    case .convolution, .flipWeights, .convolutionInputGradient, .convolutionWeightGradient,
      .convolutionPoolWeightGradient, .sumPartials, .maxPool, .maxPoolGradient, .averagePool,
      .averagePoolGradient, .toPlanes, .toChannels:
      windowed(command, context, start, count, scratch)
    case .batchMoments, .batchStatistics, .batchCoefficients, .batchNormalize, .batchGradientSums,
      .batchGradientCombine, .batchGradient:
      normalization(command, context, start, count)
    case .batchPool, .batchPoolGradientSums, .batchPoolGradient:
      normalizedPool(command, context, start, count, scratch)
    case .crossEntropy:
      guard let hits = p3 else { return }
      context.pointee.kernels.crossEntropy(
        count, sizes[1], p0 + start * sizes[2], sizes[2], integers(p1) + start, numbers[0], numbers[1],
        p2 + start,
        hits + start, p4.map { $0 + start * sizes[2] })
    case .squaredError:
      context.pointee.kernels.squaredError(
        count, sizes[1], p0 + start * sizes[2], sizes[2], p1 + start * sizes[2], sizes[2], numbers[0],
        p2 + start,
        p3.map { $0 + start * sizes[2] })
    case .addRows:
      context.pointee.kernels.addRows(
        sizes[0], p0, command.pointee.p2, UnsafeMutableRawPointer(p1).assumingMemoryBound(to: Double.self))
    case .gatherRows:
      context.pointee.kernels.gatherRows(
        count, sizes[0], p0, integers(p1) + start, p2 + start * sizes[1], sizes[1])
    case .gatherBytes:
      context.pointee.kernels.gatherBytes(
        count, sizes[0], UnsafeRawPointer(p0).assumingMemoryBound(to: UInt8.self), integers(p1) + start,
        p2 + start * sizes[1], sizes[1])
    case .standardizeRows:
      context.pointee.kernels.standardizeRows(count, sizes[0], p1, p2, p0 + start * sizes[1], sizes[1])
    case .robustError, .binaryCrossEntropy, .labelWeights, .weightedCrossEntropy:
      runLoss(command, context, start, count)
    case .repack, .activation, .geluWithSlope, .activationGradient, .clearPadding, .normalizeRows,
      .normalizeRowsGradient,
      .normalizeRowsParameterGradients, .embed, .embedGradient, .addPositions, .positionsGradient, .attention,
      .attentionGradient:
      runSequence(command, context, start, count, scratch)
    case .gatherLabels:
      context.pointee.kernels.gatherLabels(count, integers(p0), integers(p1) + start, integers(p2) + start)
    case .sumsOfSquares:
      context.pointee.kernels.sumsOfSquares(count, p0 + start, p1 + start / Kernels.sumBlock)
    case .scale: context.pointee.kernels.scale(count, numbers[0], p0 + start)
    case .clamp: context.pointee.kernels.clamp(count, numbers[0], p0 + start)
    case .firedColumns:
      context.pointee.kernels.firedColumns(sizes[0], count, p0 + start, sizes[2], p1 + start)
    case .combine: context.pointee.kernels.combine(count, numbers[0], p0 + start, numbers[1], p1 + start)
    case .interpolate: context.pointee.kernels.interpolate(count, numbers[0], p0 + start, p1 + start)
    case .addNormals: noise(command, context, start, count, scratch)
    case .host: host(command, start, count, scratch)
    case .update, .blockSquares, .penalize: passOverBlocks(command, context, start, count)
    }
  }

  /// sizes: rows, columns, inner, strides of a (row, inner) and b (inner, column), epilogue and direction of the split.
  private static func product(
    _ command: UnsafePointer<Command>, _ context: UnsafePointer<RunContext>, _ start: Int, _ count: Int,
    _ scratch: UnsafeMutablePointer<Float>
  ) {
    guard let a = command.pointee.p0, let b = command.pointee.p1, let c = command.pointee.p2 else { return }
    let sizes = command.pointee.sizes
    let byColumns = sizes[7] & 1 == 1
    let epilogue = sizes[7] >> 1
    let stride = padded(sizes[1])
    let (row, column) = byColumns ? (0, start) : (start, 0)
    // A bias has a number for each column, an activation's output the places of the result.
    let isBias = epilogue <= ProductEpilogue.biasTanh.rawValue
    let operand = command.pointee.p3.map { isBias ? $0 + column : $0 + row * stride + column }
    context.pointee.kernels.product(
      byColumns ? sizes[0] : count, byColumns ? count : sizes[1], sizes[2], a + row * sizes[3], sizes[3],
      sizes[4],
      b + column * sizes[6], sizes[5], sizes[6], c + row * stride + column, stride,
      Int32(truncatingIfNeeded: epilogue), operand.map { UnsafePointer($0) }, scratch)
  }

  private static func integers(_ pointer: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<Int32> {
    UnsafeMutableRawPointer(pointer).assumingMemoryBound(to: Int32.self)
  }
}
