import Autodiff
import JSON

/// Cross-entropy of logits with classes. With label smoothing e the true class of C has probability 1-e+e/C,
/// every other e/C. PyTorch: CrossEntropyLoss.
struct CrossEntropyLoss: Loss {
  static let type = "cross_entropy"

  let labelSmoothing: Double

  init(_ fields: FieldReader) throws(SpecError) {
    labelSmoothing = try fields.number("label_smoothing", .share, default: 0)
  }

  var encoded: JSONObject { ["type": .string(Self.type), "label_smoothing": .number(labelSmoothing)] }

  var task: DatasetTask { .classification }

  func add(to graph: inout Graph, _ output: Node) throws(GraphError) -> Node {
    try graph.crossEntropy(
      output, labels: graph.labels(each: output.shape.count == 3 ? output.shape[1] : 1),
      labelSmoothing: labelSmoothing)
  }
}
