// From the layers to plans: for each size in which examples are computed together, in training and in evaluation.

import Autodiff

/// The plans of a job; its memory is known from them before anything is allocated.
struct Programs: Sendable {
  /// A part of the run in which the same parameters are trained.
  struct Phase: Sendable {
    /// Its first step.
    let start: Int
    /// By batch size.
    let plans: [Int: Plan]

    /// Bytes of its plans, when those of each size are there as often as a list of `inFlight` has it.
    func memoryBytes(inFlight: [[Int]]) -> Int {
      plans.reduce(0) { $0 + $1.value.memoryBytes * Programs.copies(of: $1.key, inFlight) }
    }
  }

  /// The phases of training, of which most runs have one.
  let phases: [Phase]
  /// By batch size.
  let evaluation: [Int: Plan]
  /// By batch size; of computing running statistics anew, where that is done.
  let statistics: [Int: Plan]
  /// How parameters, gradients and slots lie in memory.
  let layout: ParameterLayout
  /// How what the model keeps besides parameters lies in memory.
  let buffers: ParameterLayout

  /// Examples that are evaluated together, of sets where each is one prediction.
  static let evaluationBatch = 256

  /// Plans for training with batches of the given sizes and for evaluating the parts of the split.
  init(
    _ architecture: Architecture, _ spec: JobSpec, _ dataset: Dataset, _ split: Split, batches: Set<Int>,
    _ training: [ParameterTraining], totalSteps: Int
  ) throws(SpecError) {
    func plan(_ batch: Int, _ mode: PlanMode, step: Int) throws(SpecError) -> Plan {
      try Self.plan(architecture, spec, batch: batch, mode) { training[$0].firstStep <= step }
    }
    let largest = batches.max() ?? 1
    let first = try plan(largest, .training, step: 0)
    layout = first.layout
    buffers = first.buffers
    var phases: [Phase] = []
    for start in ParameterTraining.phases(training, totalSteps: totalSteps) {
      var plans: [Int: Plan] = start == 0 ? [largest: first] : [:]
      for size in batches where plans[size] == nil { plans[size] = try plan(size, .training, step: start) }
      phases.append(Phase(start: start, plans: plans))
    }
    self.phases = phases
    var evaluation: [Int: Plan] = [:]
    for part in [split.validation, split.test] {
      guard let part else { continue }
      for size in Self.batches(of: part.count, dataset.evaluationBatch) where evaluation[size] == nil {
        evaluation[size] = try plan(size, .evaluation, step: 0)
      }
    }
    self.evaluation = evaluation
    var statistics: [Int: Plan] = [:]
    if spec.average?.recomputesStatistics == true, buffers.floats > 0 {
      for size in Set(Self.batches(of: split.train.count, largest)) {
        statistics[size] = try Self.plan(architecture, spec, batch: size, .statistics) {
          training[$0].firstStep < totalSteps
        }
      }
    }
    self.statistics = statistics
  }

  /// The plan of using a model on `batch` examples.
  static func forUse(_ architecture: Architecture, _ spec: JobSpec, batch: Int) throws(SpecError) -> Plan {
    try plan(architecture, spec, batch: batch, .evaluation) { _ in true }
  }

  /// How many executors of a batch size are at work together: as many as any of the lists has, and at least one.
  static func copies(of size: Int, _ inFlight: [[Int]]) -> Int {
    inFlight.reduce(1) { copies, sizes in max(copies, sizes.count { $0 == size }) }
  }

  /// The plan of a model's loss and gradients on `batch` examples, where all of it trains.
  static func forGradients(_ architecture: Architecture, _ spec: JobSpec, batch: Int) throws(SpecError)
    -> Plan
  {
    try plan(architecture, spec, batch: batch, .training) { _ in true }
  }

  /// Bytes of `arenas` arenas of the parameters' layout, of as many of the other layout as `buffers` says, and of what all
  /// plans need for themselves; the lists of `inFlight` are the batch sizes that are computed at the same time.
  func memoryBytes(arenas: Int, buffers count: Int, inFlight: [[Int]]) -> Int {
    let training = phases.map { $0.memoryBytes(inFlight: inFlight) }.max() ?? 0
    return arenas * layout.bytes + count * buffers.bytes
      + (Array(evaluation.values) + Array(statistics.values)).reduce(training) { $0 + $1.memoryBytes }
  }

  /// The sizes of the batches in which `count` examples are evaluated, at most `size` at a time.
  static func batches(of count: Int, _ size: Int) -> [Int] {
    let rest = count % size
    return [Int](repeating: size, count: count / size) + (rest > 0 ? [rest] : [])
  }

  private static func plan(
    _ architecture: Architecture, _ spec: JobSpec, batch: Int, _ mode: PlanMode, trains: (Int) -> Bool
  ) throws(SpecError) -> Plan {
    var path = "model"
    do {
      var graph = try Graph(batch: batch)
      var x = try graph.input(architecture.inputShape)
      var number = 0
      var probes: [Node] = []
      for (index, entry) in architecture.layers.enumerated() {
        path = spec.model.path(ofLayer: index)
        var parameters: [Node] = []
        for parameter in entry.shape.parameters {
          if parameter.isBuffer {
            parameters.append(try graph.buffer(parameter.name, parameter.shape))
          } else {
            parameters.append(
              try graph.parameter(
                parameter.name, parameter.shape, isTable: parameter.isTable, trains: trains(number)))
            number += 1
          }
        }
        x = try entry.layer.add(to: &graph, x, parameters, index: index)
        graph.name(x, "the output of layer \(index) (\(entry.layer.encoded["type"]?.stringValue ?? ""))")
        if mode == .training, entry.layer.isRectifier { probes.append(try graph.firedUnits(x)) }
      }
      path = "loss"
      var loss = try spec.loss.add(to: &graph, x)
      if mode == .training, spec.mixing != nil { loss = try graph.mixed(loss) }
      // What is left to go wrong is a batch too small for statistics of it.
      path = mode == .evaluation ? "model" : "train.batch_size"
      return try Plan.make(
        graph, loss: mode == .statistics ? nil : loss, output: x, mode: mode, probes: probes)
    } catch {
      throw SpecError(path, "does not fit: \(error)")
    }
  }
}
