// The instructions of losses besides softmax cross entropy and the squared error.

extension Command {
  /// Carries out `count` rows of a command, from `start` on.
  static func runLoss(
    _ command: UnsafePointer<Command>, _ context: UnsafePointer<RunContext>, _ start: Int, _ count: Int
  ) {
    guard let p0 = command.pointee.p0, let p1 = command.pointee.p1, let p2 = command.pointee.p2 else {
      return
    }
    let (sizes, numbers) = (command.pointee.sizes, command.pointee.numbers)
    let (p3, p4, p5) = (command.pointee.p3, command.pointee.p4, command.pointee.p5)
    func labels(_ pointer: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<Int32> {
      UnsafeMutableRawPointer(pointer).assumingMemoryBound(to: Int32.self)
    }
    // Rows of predictions begin at a multiple of their stride.
    let row = start * sizes[1]
    switch command.pointee.opcode {
    case .robustError:
      context.pointee.kernels.robustError(
        count, sizes[0], p0 + row, sizes[1], p1 + row, sizes[1], numbers[0], numbers[1], p2 + start,
        p3.map { $0 + row })
    case .binaryCrossEntropy:
      guard let hits = p3 else { return }
      context.pointee.kernels.binaryCrossEntropy(
        count, sizes[0], p0 + row, sizes[1], labels(p1) + start, numbers[0], numbers[1], p2 + start,
        hits + start, p4.map { $0 + row })
    case .labelWeights:
      context.pointee.kernels.labelWeights(
        sizes[0], sizes[1], labels(p0), p1, p2,
        p3.map { UnsafeMutableRawPointer($0).assumingMemoryBound(to: Double.self) })
    case .weightedCrossEntropy:
      guard let total = p3, let losses = p4, let hits = p5 else { return }
      context.pointee.kernels.weightedCrossEntropy(
        count, sizes[0], p0 + row, sizes[1], labels(p1) + start, p2, numbers[0], total, losses + start,
        hits + start, command.pointee.p6.map { $0 + row })
    default: break
    }
  }
}
