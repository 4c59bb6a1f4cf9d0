import Autodiff
import JSON

/// The mean of the absolute differences. PyTorch: L1Loss.
struct MeanAbsoluteLoss: Loss {
  static let type = "mae"

  var encoded: JSONObject { ["type": .string(Self.type)] }

  var task: DatasetTask { .regression }

  func add(to graph: inout Graph, _ output: Node) throws(GraphError) -> Node {
    try graph.meanAbsoluteError(output, targets: graph.targets(Array(output.shape.dropFirst())))
  }
}

/// Squared for differences up to delta, straight beyond. PyTorch: HuberLoss.
struct HuberLoss: Loss {
  static let type = "huber"

  let delta: Double

  init(_ fields: FieldReader) throws(SpecError) {
    delta = try fields.number("delta", .positive, default: 1)
  }

  var encoded: JSONObject { ["type": .string(Self.type), "delta": .number(delta)] }

  var task: DatasetTask { .regression }

  func add(to graph: inout Graph, _ output: Node) throws(GraphError) -> Node {
    try graph.huberError(output, targets: graph.targets(Array(output.shape.dropFirst())), delta: delta)
  }
}

/// Binary cross-entropy of logits: one logit for a set of two classes, otherwise one for each class, which is a yes or
/// no of its own. A yes counts `pos_weight` times. PyTorch: BCEWithLogitsLoss.
struct BinaryCrossEntropyLoss: Loss {
  static let type = "binary_cross_entropy"

  let positiveWeight: Double

  init(_ fields: FieldReader) throws(SpecError) {
    positiveWeight = try fields.number("pos_weight", .positive, default: 1)
  }

  var encoded: JSONObject { ["type": .string(Self.type), "pos_weight": .number(positiveWeight)] }

  var task: DatasetTask { .classification }

  func outputs(_ dataset: Dataset) -> Int { dataset.outputs == 2 ? 1 : dataset.outputs }

  func add(to graph: inout Graph, _ output: Node) throws(GraphError) -> Node {
    let each = output.shape.count == 3 ? output.shape[1] : 1
    return try graph.binaryCrossEntropy(
      output, labels: graph.labels(each: each), positiveWeight: positiveWeight)
  }
}
