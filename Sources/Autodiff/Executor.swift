// Running a plan.

/// Carries out a plan on its own block of memory. One thread owns an executor; the executors of one run share
/// parameters, gradients and the pool. A run allocates nothing and takes no lock.
public final class Executor {
  /// What it runs.
  public let plan: Plan
  /// Floats from one example of the input to the next; only the first of them, the features, are read.
  public let inputStride: Int
  /// Floats from one row of the targets to the next.
  public let targetStride: Int
  /// Floats from one row of the output to the next.
  public let outputStride: Int

  let memory: Arena
  private let parameters: Arena
  let gradients: Arena?
  private let buffers: Arena?
  private let constants: Arena
  let pool: ThreadPool
  let commands: UnsafeMutablePointer<Command>
  private let commandCount: Int
  private let geometry: UnsafeMutablePointer<Int>
  let context: UnsafeMutablePointer<RunContext>
  private let inputColumns: Int
  private let targetColumns: Int
  private let results: UnsafeMutablePointer<Double>
  private let otherResults: UnsafeMutablePointer<Double>
  /// How much the other answers of a mixed loss count.
  private var otherShare = 0.0

  /// The examples: row r begins at r * `inputStride`.
  public let input: UnsafeMutablePointer<Float>
  /// The class numbers, one for each example; a dummy without labels.
  public let labels: UnsafeMutablePointer<Int32>
  /// The targets: row r begins at r * `targetStride`; a dummy without targets.
  public let targets: UnsafeMutablePointer<Float>
  /// The labels and targets of the other part of a mixed loss, laid out as `labels` and `targets`; dummies without.
  public let otherLabels: UnsafeMutablePointer<Int32>
  /// See `otherLabels`.
  public let otherTargets: UnsafeMutablePointer<Float>
  /// The output of the last run: row r begins at r * `outputStride`; a dummy without output.
  public let output: UnsafePointer<Float>
  /// The probes of the last run, one row each.
  public let probes: [UnsafeBufferPointer<Float>]

  /// Allocates the plan's memory and binds its instructions to it. Throws when an arena is too small for the plan's
  /// layout, a training plan has no gradients, or the buffers of a model that keeps some are missing.
  public init(
    _ plan: Plan, parameters: Arena, gradients: Arena?, buffers: Arena? = nil, pool: ThreadPool,
    kernels: KernelTable
  ) throws(GraphError) {
    guard parameters.floats >= plan.layout.floats else {
      throw GraphError("executor", "parameters need \(plan.layout.floats) floats, got \(parameters.floats)")
    }
    if plan.mode == .training {
      guard let gradients, gradients.floats >= plan.layout.floats else {
        throw GraphError(
          "executor", "gradients need \(plan.layout.floats) floats, got \(gradients?.floats ?? 0)")
      }
    }
    guard (buffers?.floats ?? 0) >= plan.buffers.floats else {
      throw GraphError(
        "executor", "buffers need \(plan.buffers.floats) floats, got \(buffers?.floats ?? 0)")
    }
    self.plan = plan
    self.buffers = buffers
    self.parameters = parameters
    self.gradients = gradients
    self.pool = pool
    // The last cache line is where pointers to what the plan does not have point.
    let memory = Arena(floats: plan.memory.floats + 16)
    self.memory = memory
    let nowhere = memory.pointer + plan.memory.floats

    constants = Arena(floats: plan.constants.reduce(0) { $0 + $1.count })
    let addresses = Self.addresses(plan, memory, constants, parameters, gradients, buffers)
    func address(_ value: Int?) -> UnsafeMutablePointer<Float> { value.flatMap { addresses[$0] } ?? nowhere }
    func find(_ origin: Value.Origin) -> Int? { plan.values.firstIndex { $0.origin == origin } }
    let (inputValue, targetValue) = (find(.input), find(.targets))
    input = address(inputValue)
    targets = address(targetValue)
    output = UnsafePointer(address(plan.output))
    probes = plan.probes.map { UnsafeBufferPointer(start: address($0), count: plan.values[$0].columns) }
    labels = UnsafeMutableRawPointer(address(find(.labels))).assumingMemoryBound(to: Int32.self)
    otherLabels = UnsafeMutableRawPointer(address(find(.otherLabels))).assumingMemoryBound(to: Int32.self)
    otherTargets = address(find(.otherTargets))
    results = UnsafeMutableRawPointer(address(plan.loss)).assumingMemoryBound(to: Double.self)
    otherResults = UnsafeMutableRawPointer(address(plan.otherLoss)).assumingMemoryBound(to: Double.self)
    inputStride = inputValue.map { plan.values[$0].stride } ?? 0
    targetStride = targetValue.map { plan.values[$0].stride } ?? 0
    outputStride = plan.output.map { plan.values[$0].stride } ?? 0
    inputColumns = inputValue.map { plan.values[$0].columns } ?? 0
    targetColumns = targetValue.map { plan.values[$0].columns } ?? 0

    commandCount = plan.instructions.count
    commands = .allocate(capacity: max(1, commandCount))
    geometry = .allocate(capacity: max(1, plan.instructions.reduce(0) { $0 + $1.geometry.count }))
    var end = geometry
    for (index, instruction) in plan.instructions.enumerated() {
      (commands + index).initialize(to: Command(instruction, addresses, geometry: end))
      end.initialize(from: instruction.geometry, count: instruction.geometry.count)
      end += instruction.geometry.count
    }
    context = .allocate(capacity: 1)
    context.initialize(to: RunContext(kernels: kernels))
    reserve(on: pool)
  }

  deinit {
    commands.deinitialize(count: commandCount)
    commands.deallocate()
    geometry.deallocate()
    context.deinitialize(count: 1)
    context.deallocate()
  }

  /// Gathers a batch: row i of the batch is row `rows[i]` of the data, which has no padding.
  /// features: [examples, features]; labels: [examples]; targets: [examples, outputs].
  public func fetch(
    _ rows: UnsafePointer<Int32>, features: UnsafePointer<Float>, labels: UnsafePointer<Int32>?,
    targets: UnsafePointer<Float>?
  ) {
    let kernels = context.pointee.kernels
    kernels.gatherRows(plan.batch, inputColumns, features, rows, input, inputStride)
    if let labels { kernels.gatherLabels(plan.batch, labels, rows, self.labels) }
    if let targets {
      kernels.gatherRows(plan.batch, targetColumns, targets, rows, self.targets, targetStride)
    }
  }

  /// Carries the plan out on what the inputs hold: forward, and in a training plan backward; gradients are
  /// overwritten. `seed` and `step` key the random numbers of dropout.
  public func run(seed: UInt64, step: UInt64) {
    prepare(seed: seed, step: step)
    run()
  }

  /// Carries the plan out with the random numbers that were prepared.
  public func run() { run(0..<commandCount, on: pool) }

  /// Says what the random numbers of the next runs are keyed by.
  public func prepare(seed: UInt64, step: UInt64) {
    context.pointee.seed = seed
    context.pointee.step = step
  }

  /// Carries out a segment of the plan with the threads of a pool, which `reserve` has seen. Segments are run in the
  /// plan's order, each when the one before is done.
  public func run(_ segment: Range<Int>, on pool: ThreadPool) {
    for index in segment { pool.run(commands + index, context) }
  }

  /// Makes sure that a pool has the scratch that the plan needs; not while the pool is at work.
  public func reserve(on pool: ThreadPool) {
    pool.reserve(scratch: plan.instructions.map(\.scratch).max() ?? 0)
  }

  /// Lets the other answers of a mixed loss count `share` in the runs that follow, and its own the rest.
  public func mix(share: Double) {
    otherShare = share
    for (index, instruction) in plan.instructions.enumerated() where instruction.opcode == .combine {
      commands[index].numbers[0] = Float(share)
      commands[index].numbers[1] = Float(1 - share)
    }
  }

  /// The loss of the last run as PyTorch gives it: a mean over examples or elements.
  public var loss: Double {
    guard plan.loss != nil else { return 0 }
    func mean(_ results: UnsafeMutablePointer<Double>) -> Double {
      results[0] / (plan.lossTerms > 0 ? Double(plan.lossTerms) : results[2])
    }
    return plan.otherLoss == nil
      ? mean(results) : (1 - otherShare) * mean(results) + otherShare * mean(otherResults)
  }

  /// Whether the labels say how much each term of the loss counts, so that `terms` is known only after a run.
  public var weighsTerms: Bool { plan.loss != nil && plan.lossTerms == 0 }

  /// What the last run's loss is a mean over: how many terms, or the sum of their weights.
  public var terms: Double { weighsTerms ? results[2] : Double(plan.lossTerms) }

  /// The sum that `loss` is the mean of, to be added up over batches.
  public var lossSum: Double { plan.loss == nil ? 0 : results[0] }

  /// How many of `lossSum`'s terms there are: examples for classes, elements for numbers.
  public var lossTerms: Int { plan.lossTerms }

  /// In how many examples of the last run the largest logit was the label's; 0 without labels.
  public var correct: Int { plan.loss == nil ? 0 : Int(results[1]) }

  /// As `correct`; of a mixed loss each of the two hits counts its share.
  public var mixedCorrect: Double {
    guard plan.loss != nil else { return 0 }
    return plan.otherLoss == nil ? results[1] : (1 - otherShare) * results[1] + otherShare * otherResults[1]
  }

  private static func addresses(
    _ plan: Plan, _ memory: Arena, _ constants: Arena, _ parameters: Arena, _ gradients: Arena?,
    _ buffers: Arena?
  ) -> [UnsafeMutablePointer<Float>?] {
    var tables: [UnsafeMutablePointer<Float>] = []
    var end = constants.pointer
    for numbers in plan.constants {
      end.update(from: numbers, count: numbers.count)
      tables.append(end)
      end += numbers.count
    }
    return plan.values.indices.map { index in
      switch plan.values[index].origin {
      case .parameter(let number): parameters.pointer + plan.layout.entries[number].offset
      case .constant(let number): tables[number]
      case .buffer(let number): buffers.map { $0.pointer + plan.buffers.entries[number].offset }
      case .gradient(let number): gradients.map { $0.pointer + plan.layout.entries[number].offset }
      default: plan.memory.offsets[index].map { memory.pointer + $0 }
      }
    }
  }
}

extension Command {
  /// An instruction bound to the addresses of its operands.
  fileprivate init(
    _ instruction: Instruction, _ addresses: [UnsafeMutablePointer<Float>?], geometry: UnsafePointer<Int>
  ) {
    func operand(_ index: Int) -> UnsafeMutablePointer<Float>? {
      index < instruction.operands.count ? addresses[instruction.operands[index]] : nil
    }
    self.init(
      instruction.opcode, operand(0), operand(1), operand(2), operand(3), operand(4),
      operand(5), operand(6), split: instruction.split)
    self.geometry = geometry
    for (index, size) in instruction.sizes.enumerated() { sizes[index] = size }
    for (index, number) in instruction.numbers.enumerated() { numbers[index] = number }
  }
}
