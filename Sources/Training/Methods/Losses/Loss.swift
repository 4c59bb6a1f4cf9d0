// What a model is trained to make small, one file each.

import Autodiff
import JSON

/// A number computed from a model's outputs and the right answers; the mean over the batch.
protocol Loss: Sendable {
  /// All fields with their values, `type` first.
  var encoded: JSONObject { get }
  /// The task this loss is for.
  var task: DatasetTask { get }

  /// How much each class counts; nil where all count the same.
  var classWeights: [Double]? { get }

  /// How many numbers a model gives for one example, or for one token of running text.
  func outputs(_ dataset: Dataset) -> Int

  /// Adds itself, and the right answers it needs, to the graph of a model that gives `output`.
  func add(to graph: inout Graph, _ output: Node) throws(GraphError) -> Node
}

extension Loss {
  var classWeights: [Double]? { nil }

  func outputs(_ dataset: Dataset) -> Int { dataset.outputs }
}

extension MethodTable where Method == any Loss {
  /// All losses.
  static let losses = MethodTable(rows: [
    Row(CrossEntropyLoss.type) { fields throws(SpecError) in try CrossEntropyLoss(fields) },
    Row(MeanSquaredLoss.type) { _ in MeanSquaredLoss() },
    Row(BinaryCrossEntropyLoss.type) { fields throws(SpecError) in try BinaryCrossEntropyLoss(fields) },
    Row(MeanAbsoluteLoss.type) { _ in MeanAbsoluteLoss() },
    Row(MaskedLanguageLoss.type) { fields throws(SpecError) in try MaskedLanguageLoss(fields) },
    Row(HuberLoss.type) { fields throws(SpecError) in try HuberLoss(fields) },
  ])
}
