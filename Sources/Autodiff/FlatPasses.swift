// Passes over whole arenas: norms, clipping, optimizers.

import Kernels

/// Numbers of one step of gradient descent. Reference: PyTorch's SGD.
public struct SGDCoefficients: Sendable {
  /// The learning rate.
  public var rate: Float
  /// How much of the velocity is kept.
  public var momentum: Float
  /// How much of the gradient does not enter the velocity.
  public var dampening: Float
  /// Added to the gradient, times the parameter.
  public var weightDecay: Float
  /// What gradients are multiplied with first, for clipping.
  public var gradientScale: Float
  /// Whether the direction looks ahead; needs momentum and no dampening.
  public var nesterov: Bool
  /// Whether there is no velocity yet: it becomes the gradient, without dampening.
  public var isFirstStep: Bool

  /// The numbers of one step.
  public init(
    rate: Double, momentum: Double = 0, dampening: Double = 0, weightDecay: Double = 0,
    gradientScale: Double = 1,
    nesterov: Bool = false, isFirstStep: Bool = false
  ) {
    self.rate = Float(rate)
    self.momentum = Float(momentum)
    self.dampening = Float(dampening)
    self.weightDecay = Float(weightDecay)
    self.gradientScale = Float(gradientScale)
    self.nesterov = nesterov
    self.isFirstStep = isFirstStep
  }
}

/// Numbers of one step of Adam, corrected for its beginning. Reference: PyTorch's Adam.
public struct AdamCoefficients: Sendable {
  /// rate / (1 - beta1^t).
  public var stepSize: Float
  /// 1 - beta1.
  public var beta1Complement: Float
  /// How much of the second moment is kept.
  public var beta2: Float
  /// 1 - beta2.
  public var beta2Complement: Float
  /// sqrt(1 - beta2^t).
  public var rootCorrection: Float
  /// Added to the root.
  public var epsilon: Float
  /// Added to the gradient, times the parameter.
  public var weightDecay: Float
  /// What gradients are multiplied with first, for clipping.
  public var gradientScale: Float

  /// The numbers of step `step`, which counts from 1; corrections are computed in double.
  public init(
    rate: Double, beta1: Double, beta2: Double, epsilon: Double, weightDecay: Double, step: Int,
    gradientScale: Double = 1
  ) {
    stepSize = Float(rate / (1 - ExactMath.pow(beta1, step)))
    beta1Complement = Float(1 - beta1)
    self.beta2 = Float(beta2)
    beta2Complement = Float(1 - beta2)
    rootCorrection = Float((1 - ExactMath.pow(beta2, step)).squareRoot())
    self.epsilon = Float(epsilon)
    self.weightDecay = Float(weightDecay)
    self.gradientScale = Float(gradientScale)
  }
}

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

  /// One step of gradient descent; `velocity` may be nil where the momentum is 0.
  public func sgd(
    _ c: SGDCoefficients, parameters: Arena, gradients: Arena, velocity: Arena?, _ range: Range<Int>
  ) {
    let first = range.lowerBound
    run(
      .sgd, range.count, 1024, 4,
      (parameters.pointer + first, gradients.pointer + first, velocity.map { $0.pointer + first }, nil),
      sizes: SIMD8(c.nesterov ? 1 : 0, c.isFirstStep ? 1 : 0, 0, 0, 0, 0, 0, 0),
      numbers: SIMD8(c.rate, c.momentum, c.dampening, c.weightDecay, c.gradientScale, 0, 0, 0))
  }

  /// One step of Adam with its first and second moments.
  public func adam(
    _ c: AdamCoefficients, parameters: Arena, gradients: Arena, m: Arena, v: Arena, _ range: Range<Int>
  ) {
    let first = range.lowerBound
    run(
      .adam, range.count, 1024, 8,
      (parameters.pointer + first, gradients.pointer + first, m.pointer + first, v.pointer + first),
      numbers: SIMD8(
        c.stepSize, c.beta1Complement, c.beta2, c.beta2Complement, c.rootCorrection, c.epsilon, c.weightDecay,
        c.gradientScale))
  }

  private func run(
    _ opcode: Opcode, _ count: Int, _ unit: Int, _ nanosecondsPerVector: Int,
    _ operands: (
      UnsafeMutablePointer<Float>?, UnsafeMutablePointer<Float>?, UnsafeMutablePointer<Float>?,
      UnsafeMutablePointer<Float>?
    ), sizes: SIMD8<Int> = .zero, numbers: SIMD8<Float> = .zero
  ) {
    var command = Command(
      opcode, operands.0, operands.1, operands.2, operands.3,
      split: Split(count, unit: unit, nanoseconds: count / 16 * nanosecondsPerVector))
    command.sizes = sizes
    command.numbers = numbers
    withUnsafePointer(to: command) { pool.run($0, context) }
  }
}

/// Keeps a context in memory that commands can point to.
private final class ContextOwner {
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
