import Autodiff
import JSON

/// The mean of the squared differences. PyTorch: MSELoss.
struct MeanSquaredLoss: Loss {
  static let type = "mse"

  var encoded: JSONObject { ["type": .string(Self.type)] }

  var task: DatasetTask { .regression }

  func add(to graph: inout Graph, _ output: Node) throws(GraphError) -> Node {
    try graph.meanSquaredError(output, targets: graph.targets(Array(output.shape.dropFirst())))
  }
}
