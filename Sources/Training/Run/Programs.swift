// From the layers to plans: one for full batches, one for the short last batch of an epoch, and those of evaluation.

import Autodiff

/// The plans of a job; its memory is known from them before anything is allocated.
struct Programs: Sendable {
  /// A full training batch.
  let training: Plan
  /// The last batch of an epoch, where it is shorter.
  let shortTraining: Plan?
  /// By batch size.
  let evaluation: [Int: Plan]

  /// Examples that are evaluated together.
  static let evaluationBatch = 256

  init(
    _ architecture: Architecture, _ spec: JobSpec, _ dataset: Dataset, _ split: Split, batchSize: Int,
    shortBatch: Int?
  ) throws(SpecError) {
    func plan(_ batch: Int, _ mode: PlanMode) throws(SpecError) -> Plan {
      try Self.plan(architecture, spec, dataset, batch: batch, mode)
    }
    training = try plan(batchSize, .training)
    if let shortBatch { shortTraining = try plan(shortBatch, .training) } else { shortTraining = nil }
    var evaluation: [Int: Plan] = [:]
    for part in [split.validation, split.test] {
      guard let part else { continue }
      for size in Self.batches(of: part.count) where evaluation[size] == nil {
        evaluation[size] = try plan(size, .evaluation)
      }
    }
    self.evaluation = evaluation
  }

  /// How parameters, gradients and slots lie in memory.
  var layout: ParameterLayout { training.layout }

  /// Bytes of parameters, gradients, optimizer slots and of what all plans need for themselves.
  func memoryBytes(slots: Int) -> Int {
    let plans = training.memoryBytes + (shortTraining?.memoryBytes ?? 0)
    return (2 + slots) * layout.bytes + evaluation.values.reduce(plans) { $0 + $1.memoryBytes }
  }

  /// The sizes of the batches in which `count` examples are evaluated.
  static func batches(of count: Int) -> [Int] {
    let rest = count % evaluationBatch
    return [Int](repeating: evaluationBatch, count: count / evaluationBatch) + (rest > 0 ? [rest] : [])
  }

  private static func plan(
    _ architecture: Architecture, _ spec: JobSpec, _ dataset: Dataset, batch: Int, _ mode: PlanMode
  ) throws(SpecError) -> Plan {
    var path = "model"
    do {
      var graph = try Graph(batch: batch)
      var x = try graph.input(architecture.inputShape)
      for (index, entry) in architecture.layers.enumerated() {
        path = spec.model.path(ofLayer: index)
        var parameters: [Node] = []
        for parameter in entry.shape.parameters {
          parameters.append(try graph.parameter(parameter.name, parameter.shape))
        }
        x = try entry.layer.add(to: &graph, x, parameters, index: index)
      }
      path = "loss"
      let loss = try spec.loss.add(to: &graph, x)
      return try Plan.make(graph, loss: loss, output: x, mode: mode)
    } catch {
      throw SpecError(path, "does not fit: \(error)")
    }
  }
}
