// Passes over parameters that know where each begins: updates, norms of single parameters, penalties.

import Kernels

/// How parameters follow their gradients. The formulas and the order of the coefficients are those of the kernels'
/// `Updates.swift`.
public enum UpdateRule: Int32, Sendable {
  /// Plain descent; no slots.
  case descend
  /// Descent with a velocity, its one slot.
  case momentum
  /// A sum of squares.
  case adagrad
  /// Averages of squared gradients and of squared steps.
  case adadelta
  /// An average of squares, then one of gradients and a velocity as far as there are any.
  case rmsprop
  /// Adam's two moments, and the largest second one as far as there is any.
  case moments
  /// The first moment and a decaying maximum.
  case adamax
  /// The first moment, of which only the sign counts.
  case lion
}

/// Passes over all parameters of a layout in blocks that belong to one parameter each, shared by a pool's threads; the
/// same bits for any number of them.
public final class ParameterPasses {
  /// The numbers of one group of parameters in an update.
  public typealias Coefficients = SIMD16<Float>

  private let layout: ParameterLayout
  private let pool: ThreadPool
  private let owner: ContextOwner
  private let context: UnsafeMutablePointer<RunContext>
  private let blocks: UnsafeMutablePointer<Int32>
  private let blockCount: Int
  private let owners: [Int]
  private let sums: UnsafeMutablePointer<Float>
  private let coefficients: UnsafeMutablePointer<Float>

  /// Groups there may be.
  public static let groupLimit = 256

  /// Passes over a layout with the kernels of one table; at first all parameters are in group 0.
  public init(_ layout: ParameterLayout, pool: ThreadPool, kernels: KernelTable) {
    self.layout = layout
    self.pool = pool
    owner = ContextOwner(kernels)
    context = owner.context
    var table: [Int32] = []
    var owners: [Int] = []
    for (index, entry) in layout.entries.enumerated() {
      for start in stride(from: 0, to: entry.floats, by: Kernels.sumBlock) {
        let vectors = (min(Kernels.sumBlock, entry.floats - start) + 15) / 16
        table += [Int32(truncatingIfNeeded: (entry.offset + start) / 16), Int32(vectors), 0]
        owners.append(index)
      }
    }
    self.owners = owners
    blockCount = owners.count
    blocks = .allocate(capacity: max(1, table.count))
    blocks.initialize(from: table, count: table.count)
    sums = .allocate(capacity: max(1, 2 * blockCount))
    sums.initialize(repeating: 0, count: max(1, 2 * blockCount))
    coefficients = .allocate(capacity: Self.groupLimit * 16)
    coefficients.initialize(repeating: 0, count: Self.groupLimit * 16)
    context.pointee.blocks = UnsafePointer(blocks)
    context.pointee.coefficients = UnsafePointer(coefficients)
  }

  deinit {
    blocks.deallocate()
    sums.deallocate()
    coefficients.deallocate()
  }

  /// Puts each parameter into a group, or into none: then updates and penalties leave it alone.
  public func setGroups(_ groups: [Int?]) {
    for (block, owner) in owners.enumerated() {
      blocks[block * Kernels.blockIntegers + 2] = Int32(groups[owner] ?? -1)
    }
  }

  /// Sets the coefficients of a group, below `groupLimit`, for the updates that follow.
  public func setCoefficients(_ c: Coefficients, of group: Int) {
    for lane in 0..<16 { coefficients[group * 16 + lane] = c[lane] }
  }

  /// One step of an optimizer. Slots are those of the rule, in its order. With `measuring`, `moved` and `sizes` tell
  /// of it afterwards.
  public func update(
    _ rule: UpdateRule, parameters: Arena, gradients: Arena, slots: [Arena], measuring: Bool
  ) {
    func slot(_ index: Int) -> UnsafeMutablePointer<Float>? {
      index < slots.count ? slots[index].pointer : nil
    }
    context.pointee.sums = measuring ? sums : nil
    var command = Command(
      .update, parameters.pointer, gradients.pointer, slot(0), slot(1), slot(2),
      split: Split(blockCount, unit: 1, nanoseconds: blockCount * 1000))
    command.sizes[0] = Int(rule.rawValue)
    withUnsafePointer(to: command) { pool.run($0, context) }
  }

  /// The sums of squares of what the last measured update moved each parameter by.
  public func moved() -> [Double] { perParameter(stride: 2, offset: 0) }

  /// The sums of squares of each parameter before the last measured update.
  public func sizes() -> [Double] { perParameter(stride: 2, offset: 1) }

  /// The sum of squares of each parameter's part of an arena: sums of blocks of 4096 floats added in double.
  public func squares(_ arena: Arena) -> [Double] {
    context.pointee.sums = sums
    let command = Command(
      .blockSquares, arena.pointer, split: Split(blockCount, unit: 2, nanoseconds: blockCount * 300))
    withUnsafePointer(to: command) { pool.run($0, context) }
    return perParameter(stride: 1, offset: 0)
  }

  /// Adds the gradient of l2 * sum of squares + l1 * sum of sizes over the parameters that are in a group, and gives
  /// that penalty.
  public func penalize(l1: Double, l2: Double, parameters: Arena, gradients: Arena) -> Double {
    context.pointee.sums = sums
    var command = Command(
      .penalize, parameters.pointer, gradients.pointer,
      split: Split(blockCount, unit: 2, nanoseconds: blockCount * 500))
    command.numbers[0] = Float(2 * l2)
    command.numbers[1] = Float(l1)
    withUnsafePointer(to: command) { pool.run($0, context) }
    var (squares, sizes) = (0.0, 0.0)
    for block in 0..<blockCount {
      squares += Double(sums[2 * block])
      sizes += Double(sums[2 * block + 1])
    }
    return l2 * squares + l1 * sizes
  }

  private func perParameter(stride: Int, offset: Int) -> [Double] {
    var totals = [Double](repeating: 0, count: layout.entries.count)
    for (block, owner) in owners.enumerated() { totals[owner] += Double(sums[block * stride + offset]) }
    return totals
  }
}

extension Command {
  /// Carries out blocks `first`..<`first` + `count` of a pass over parameters.
  static func passOverBlocks(
    _ command: UnsafePointer<Command>, _ context: UnsafePointer<RunContext>, _ first: Int, _ count: Int
  ) {
    guard let p0 = command.pointee.p0, let blocks = context.pointee.blocks else { return }
    let (kernels, numbers) = (context.pointee.kernels, command.pointee.numbers)
    switch command.pointee.opcode {
    case .update:
      guard let gradients = command.pointee.p1, let coefficients = context.pointee.coefficients else {
        return
      }
      kernels.update(
        Int32(truncatingIfNeeded: command.pointee.sizes[0]), blocks, first, count, p0, gradients,
        command.pointee.p2, command.pointee.p3, command.pointee.p4, coefficients, context.pointee.sums)
    case .blockSquares:
      if let sums = context.pointee.sums { kernels.blockSquares(blocks, first, count, p0, sums) }
    default:
      guard let gradients = command.pointee.p1, let sums = context.pointee.sums else { return }
      kernels.penalize(blocks, first, count, p0, gradients, numbers[0], numbers[1], sums)
    }
  }
}
