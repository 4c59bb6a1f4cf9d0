// The model in memory: parameters, gradients and the optimizer's slots as flat arenas of one layout, and the
// executors of the job's plans over them. The only file that touches Autodiff's pointers.

import Autodiff

/// By parameter: the sum of squares of what an update changed, and of the values before.
struct UpdateSizes {
  let moved: [Double]
  let before: [Double]
}

/// Parameters, gradients and slots of one run, and what is done with them. Used by one thread.
final class Network {
  private let plan: JobPlan
  private let filler: BatchFiller
  private let layout: ParameterLayout
  private let parameters: Arena
  private let gradients: Arena
  private let slots: [Arena]
  private let passes: FlatPasses
  private let parameterPasses: ParameterPasses
  private var optimizer: any Optimizer
  private let training: Executor
  private let shortTraining: Executor?
  private let evaluation: [Int: Executor]

  init(_ plan: JobPlan, threads: Int, _ kernels: KernelTable) throws {
    self.plan = plan
    layout = plan.programs.layout
    filler = BatchFiller(
      standardization: plan.spec.dataset.standardize ? Standardization(plan.split.train) : nil)
    let parameters = Arena(floats: layout.floats)
    let gradients = Arena(floats: layout.floats)
    let pool = ThreadPool(threads: threads)
    func executor(_ program: Plan) throws -> Executor {
      try Executor(
        program, parameters: parameters, gradients: program.mode == .training ? gradients : nil, pool: pool,
        kernels: kernels)
    }
    training = try executor(plan.programs.training)
    shortTraining = try plan.programs.shortTraining.map(executor)
    evaluation = try plan.programs.evaluation.mapValues(executor)
    passes = FlatPasses(pool: pool, kernels: kernels)
    parameterPasses = ParameterPasses(layout, pool: pool, kernels: kernels)
    optimizer = plan.spec.optimizer.method
    let decays = plan.architecture.parameters.map {
      plan.spec.optimizer.decays($0, of: plan.architecture.parameters)
    }
    parameterPasses.setGroups(decays.map { $0 ? 0 : 1 })
    slots = plan.spec.optimizer.slots.map { _ in Arena(floats: plan.programs.layout.floats) }
    self.parameters = parameters
    self.gradients = gradients
    let initialState = optimizer.initialState
    for slot in slots where initialState != 0 {
      slot.pointer.update(repeating: initialState, count: layout.floats)
    }
    let random = RandomStream(seed: plan.spec.seed, .initialization)
    for (index, spec) in plan.architecture.parameters.enumerated() {
      try layout.write(spec.initial(random, index), to: index, in: parameters)
    }
  }

  // MARK: A step

  /// The loss of a batch of training rows, and its gradients.
  func forwardBackward(_ rows: ArraySlice<Int32>, step: Int) -> BatchResult {
    let executor = rows.count == training.plan.batch ? training : shortTraining ?? training
    run(executor, rows, of: plan.split.train.examples, step: step)
    return BatchResult(loss: executor.loss, correct: executor.correct, count: rows.count)
  }

  /// Goes to where the optimizer takes its gradients; called before `forwardBackward`.
  func lookAhead(rate: Double) {
    let distance = optimizer.lookahead(rate: rate)
    guard distance != 0, let slot = slots.first else { return }
    passes.combine(Float(distance), slot, 1, to: parameters, 0..<layout.floats)
  }

  /// The sum of squares of each parameter's gradient.
  func gradientSquares() -> [Double] { parameterPasses.squares(gradients) }

  /// The sum of squares of each parameter.
  func parameterSquares() -> [Double] { parameterPasses.squares(parameters) }

  /// One step of the optimizer with gradients times `scale`, then cut to +-clipValue.
  func update(step: Int, rate: Double, scale: Double, clipValue: Double?, measuring: Bool) -> UpdateSizes? {
    var scale = scale
    if let clipValue {
      if scale != 1 { passes.scale(gradients, 0..<layout.floats, by: Float(scale)) }
      passes.clamp(gradients, 0..<layout.floats, to: Float(clipValue))
      scale = 1
    }
    for (group, decay) in [optimizer.weightDecay, 0].enumerated() {
      parameterPasses.setCoefficients(
        optimizer.coefficients(step + 1, rate: rate, weightDecay: decay, gradientScale: scale), of: group)
    }
    parameterPasses.update(
      optimizer.rule, parameters: parameters, gradients: gradients, slots: slots, measuring: measuring)
    return measuring ? UpdateSizes(moved: parameterPasses.moved(), before: parameterPasses.sizes()) : nil
  }

  /// Loss and accuracy of a part, as the model is used: nothing dropped.
  func evaluate(_ part: Part) -> BatchResult {
    var total = BatchResult(loss: 0, correct: 0, count: 0)
    for size in Programs.batches(of: part.count) {
      guard let executor = evaluation[size] else { continue }
      run(executor, part.rows[total.count..<total.count + size], of: part.examples, step: 0)
      total.loss += executor.loss * Double(size)
      total.correct += executor.correct
      total.count += size
    }
    total.loss /= Double(total.count)
    return total
  }

  private func run(_ executor: Executor, _ rows: ArraySlice<Int32>, of examples: Examples, step: Int) {
    filler.fill(rows, of: examples, features: executor.input, stride: executor.inputStride)
    for (index, row) in rows.enumerated() {
      if examples.labels.isEmpty {
        executor.targets[index * executor.targetStride] = examples.targets[Int(row)]
      } else {
        executor.labels[index] = examples.labels[Int(row)]
      }
    }
    executor.run(seed: plan.spec.seed, step: UInt64(step))
  }

  // MARK: State

  /// Everything a checkpoint holds of the model and the optimizer.
  func tensors() -> [NamedTensor] {
    var tensors: [NamedTensor] = []
    for (prefix, arena) in arenas {
      for (index, entry) in layout.entries.enumerated() {
        tensors.append(
          NamedTensor(
            name: "\(prefix).\(entry.name)", shape: entry.shape, values: layout.read(index, from: arena)))
      }
    }
    return tensors
  }

  /// Takes over what `tensors` gave; throws when names or shapes differ.
  func restore(_ tensors: [NamedTensor]) throws {
    for (prefix, arena) in arenas {
      for (index, entry) in layout.entries.enumerated() {
        let name = "\(prefix).\(entry.name)"
        guard let tensor = tensors.first(where: { $0.name == name }), tensor.shape == entry.shape else {
          throw TrainingError(
            step: nil, description: "the checkpoint has no tensor \(name) of shape \(entry.shape)")
        }
        try layout.write(tensor.values, to: index, in: arena)
      }
    }
  }

  /// The arenas that are kept, with what their tensors' names begin with.
  private var arenas: [(prefix: String, arena: Arena)] {
    [("model", parameters)] + zip(plan.spec.optimizer.slots, slots).map { ("optimizer.\($0)", $1) }
  }

  /// `parameter NAME`, the first that holds something not finite.
  func firstNonFiniteParameter() -> String? {
    firstNonFinite(parameters).map { "parameter \($0)" }
  }

  /// `the gradient of NAME`, the first that holds something not finite.
  func firstNonFiniteGradient() -> String? {
    firstNonFinite(gradients).map { "the gradient of \($0)" }
  }

  private func firstNonFinite(_ arena: Arena) -> String? {
    layout.entries.first { !passes.isFinite(arena, $0.offset..<$0.offset + $0.floats) }?.name
  }
}
