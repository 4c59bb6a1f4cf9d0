// The instructions of activations and sequences.

extension Command {
  /// Carries out `count` rows or floats of a command, from `start` on.
  static func runSequence(
    _ command: UnsafePointer<Command>, _ context: UnsafePointer<RunContext>, _ start: Int, _ count: Int,
    _ scratch: UnsafeMutablePointer<Float>
  ) {
    guard let p0 = command.pointee.p0 else { return }
    let (p1, p2) = (command.pointee.p1 ?? p0, command.pointee.p2 ?? p0)
    let (sizes, numbers) = (command.pointee.sizes, command.pointee.numbers)
    switch command.pointee.opcode {
    case .activation:
      context.pointee.kernels.activate(
        count, Int32(truncatingIfNeeded: sizes[0]), numbers[0], p0 + start, p1 + start)
    case .geluWithSlope: context.pointee.kernels.geluWithSlope(count, p0 + start, p1 + start, p2 + start)
    case .activationGradient:
      context.pointee.kernels.activationGradient(
        count, Int32(truncatingIfNeeded: sizes[0]), numbers[0], p0 + start, p1 + start, p2 + start)
    case .clearPadding: context.pointee.kernels.clearPadding(sizes[0], sizes[1], sizes[2], p0)
    case .repack:
      context.pointee.kernels.repack(
        count, sizes[0], sizes[1], p0 + start * sizes[2], sizes[2], sizes[3], p1 + start * sizes[4], sizes[4],
        sizes[5])
    case .normalizeRows:
      guard let y = command.pointee.p3, let statistics = command.pointee.p4 else { return }
      context.pointee.kernels.normalizeRows(
        count, sizes[0], sizes[1], p0 + start * sizes[1], p1, sizes[2] == 1 ? p2 : nil, numbers[0],
        sizes[2] == 1, y + start * sizes[1], statistics + 2 * start)
    case .normalizeRowsGradient:
      guard let statistics = command.pointee.p3, let dx = command.pointee.p4 else { return }
      context.pointee.kernels.normalizeRowsGradient(
        count, sizes[0], sizes[1], p0 + start * sizes[1], p1 + start * sizes[1], p2, statistics + 2 * start,
        sizes[2] == 1, command.pointee.p5.map { $0 + start * sizes[1] }, dx + start * sizes[1])
    case .normalizeRowsParameterGradients:
      guard let dweight = command.pointee.p3 else { return }
      context.pointee.kernels.normalizeRowsParameterGradients(
        sizes[0], count, sizes[1], p0 + start, p1 + start, p2, dweight + start,
        command.pointee.p4.map { $0 + start })
    case .embed:
      context.pointee.kernels.embed(start, count, sizes[0], sizes[1], sizes[2], sizes[3], p0, p1, p2)
    case .embedGradient:
      context.pointee.kernels.embedGradient(
        sizes[0], count, sizes[1], sizes[2], sizes[3], sizes[4], p0, p1 + start, p2 + start)
    case .addPositions: context.pointee.kernels.addPositions(start, count, sizes[0], sizes[1], p0, p1, p2)
    case .positionsGradient:
      context.pointee.kernels.positionsGradient(start, count, sizes[0], sizes[1], sizes[2], p0, p1)
    case .attention:
      context.pointee.kernels.attention(
        start, count, sizes[0], sizes[1], sizes[2], sizes[3] == 1, context.pointee.kernels.level == .avx512,
        context.pointee.seed, UInt32(truncatingIfNeeded: sizes[4]), context.pointee.step,
        UInt32(truncatingIfNeeded: sizes[5]), numbers[0], p0, p1, p2, scratch)
    case .attentionGradient:
      guard let sums = command.pointee.p3, let dqkv = command.pointee.p4 else { return }
      context.pointee.kernels.attentionGradient(
        start, count, sizes[0], sizes[1], sizes[2], sizes[3] == 1, context.pointee.kernels.level == .avx512,
        context.pointee.seed, UInt32(truncatingIfNeeded: sizes[4]), context.pointee.step,
        UInt32(truncatingIfNeeded: sizes[5]), numbers[0], p0, p1, p2, sums, dqkv, scratch)
    default: break
    }
  }
}
