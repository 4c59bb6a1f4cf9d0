// Passes over whole arenas: norms, clipping, averages. `ParameterPasses` has those that know the layout.

import Kernels

/// Passes over ranges of arenas, shared by a pool's threads; the same bits for any number of them. Ranges begin and
/// end at multiples of sixteen floats, as a layout's entries and whole arenas do.
public struct FlatPasses {
  private let pool: ThreadPool
  private let context: UnsafeMutablePointer<RunContext>
  private let owner: ContextOwner

  /// Passes with the kernels of one table.
  public init(pool: ThreadPool, kernels: KernelTable) {
    self.pool = pool
    owner = ContextOwner(kernels)
    context = owner.context
  }

  /// The square root of the sum of squares, the sums of blocks of 4096 floats added in double.
  public func norm(_ arena: Arena, _ range: Range<Int>) -> Double {
    var sum = 0.0
    var start = range.lowerBound
    while start < range.upperBound {
      let count = min(range.upperBound - start, ThreadPool.partialCount * Kernels.sumBlock)
      run(.sumsOfSquares, count, Kernels.sumBlock, 1, (arena.pointer + start, pool.partials, nil, nil))
      for block in 0..<(count + Kernels.sumBlock - 1) / Kernels.sumBlock {
        sum += Double(pool.partials[block])
      }
      start += count
    }
    return sum.squareRoot()
  }

  /// Whether no number is infinite or not a number.
  public func isFinite(_ arena: Arena, _ range: Range<Int>) -> Bool {
    context.pointee.kernels.areFinite(range.count, arena.pointer + range.lowerBound)
  }

  /// Limits each number to -`bound`...`bound`, as clip_grad_value_ does.
  public func clamp(_ arena: Arena, _ range: Range<Int>, to bound: Float) {
    run(
      .clamp, range.count, 1024, 2, (arena.pointer + range.lowerBound, nil, nil, nil),
      numbers: SIMD8(bound, 0, 0, 0, 0, 0, 0, 0))
  }

  /// Multiplies each number.
  public func scale(_ arena: Arena, _ range: Range<Int>, by factor: Float) {
    run(
      .scale, range.count, 1024, 2, (arena.pointer + range.lowerBound, nil, nil, nil),
      numbers: SIMD8(factor, 0, 0, 0, 0, 0, 0, 0))
  }

  /// to = a * from + b * to, as large a part of both as `range` says.
  public func combine(_ a: Float, _ from: Arena, _ b: Float, to: Arena, _ range: Range<Int>) {
    run(
      .combine, range.count, 1024, 3,
      (from.pointer + range.lowerBound, to.pointer + range.lowerBound, nil, nil),
      numbers: SIMD8(a, b, 0, 0, 0, 0, 0, 0))
  }

  /// Brings each number of `to` nearer to that of `from`, by the share `a` of what is between them.
  public func interpolate(_ a: Float, _ from: Arena, to: Arena, _ range: Range<Int>) {
    run(
      .interpolate, range.count, 1024, 3,
      (from.pointer + range.lowerBound, to.pointer + range.lowerBound, nil, nil),
      numbers: SIMD8(a, 0, 0, 0, 0, 0, 0, 0))
  }

  /// Makes sure that each thread has as many floats of scratch for `forEach`.
  public func reserve(scratch floats: Int) { pool.reserve(scratch: floats) }

  /// What the commands that follow draw from.
  func setRandom(_ random: Philox) {
    context.pointee.seed = random.seed
    context.pointee.step = random.step
  }

  private func run(
    _ opcode: Opcode, _ count: Int, _ unit: Int, _ nanosecondsPerVector: Int, _ operands: Operands,
    numbers: SIMD8<Float> = .zero
  ) {
    run(
      opcode, Split(count, unit: unit, nanoseconds: count / 16 * nanosecondsPerVector), operands,
      numbers: numbers)
  }

  /// The first operands of a command.
  typealias Operands = (
    UnsafeMutablePointer<Float>?, UnsafeMutablePointer<Float>?, UnsafeMutablePointer<Float>?,
    UnsafeMutablePointer<Float>?
  )

  /// Carries out one command.
  func run(
    _ opcode: Opcode, _ split: Split, _ operands: Operands, sizes: SIMD8<Int> = .zero,
    numbers: SIMD8<Float> = .zero
  ) {
    var command = Command(opcode, operands.0, operands.1, operands.2, operands.3, split: split)
    command.sizes = sizes
    command.numbers = numbers
    withUnsafePointer(to: command) { pool.run($0, context) }
  }
}

/// Keeps a context in memory that commands can point to.
final class ContextOwner {
  let context: UnsafeMutablePointer<RunContext>

  init(_ kernels: KernelTable) {
    context = .allocate(capacity: 1)
    context.initialize(to: RunContext(kernels: kernels))
  }

  deinit {
    context.deinitialize(count: 1)
    context.deallocate()
  }
}
