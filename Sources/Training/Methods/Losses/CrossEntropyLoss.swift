import Autodiff
import JSON

/// Cross-entropy of logits with classes. With label smoothing e the true class of C has probability 1-e+e/C,
/// every other e/C. With class weights the mean is divided by the sum of the labels' weights. PyTorch: CrossEntropyLoss.
struct CrossEntropyLoss: Loss {
  static let type = "cross_entropy"

  let labelSmoothing: Double
  /// A weight for each class; nil where all weigh the same.
  let classWeights: [Double]?

  init(_ fields: FieldReader) throws(SpecError) {
    labelSmoothing = try fields.number("label_smoothing", .share, default: 0)
    classWeights = try fields.numbersOrNone("class_weights", .notNegative, count: 2...65536)
    if let classWeights, !classWeights.contains(where: { $0 > 0 }) {
      throw fields.error("class_weights", must: "a list with at least one number above 0")
    }
  }

  var encoded: JSONObject {
    [
      "type": .string(Self.type), "label_smoothing": .number(labelSmoothing),
      "class_weights": classWeights.map { .array($0.map { .number($0) }) } ?? .null,
    ]
  }

  var task: DatasetTask { .classification }

  func add(to graph: inout Graph, _ output: Node) throws(GraphError) -> Node {
    let labels = try graph.labels(each: output.shape.count == 3 ? output.shape[1] : 1)
    guard let classWeights else {
      return try graph.crossEntropy(output, labels: labels, labelSmoothing: labelSmoothing)
    }
    return try graph.weightedCrossEntropy(
      output, labels: labels, weights: classWeights, labelSmoothing: labelSmoothing)
  }
}
