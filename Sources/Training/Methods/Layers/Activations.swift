import Autodiff
import JSON

/// max(x, 0), with gradient 0 at 0. PyTorch: ReLU.
struct ReluLayer: Layer {
  static let type = "relu"

  init(_ fields: FieldReader) { fields.describe("not zero-centred: never below 0") }

  init() {}

  var encoded: JSONObject { ["type": .string(Self.type)] }

  func resolve(input: [Int], _ place: LayerPlace) -> LayerShape { LayerShape(output: input) }

  func add(to graph: inout Graph, _ x: Node, _ parameters: [Node], index: Int) throws(GraphError) -> Node {
    try graph.relu(x)
  }
}

/// The hyperbolic tangent. PyTorch: Tanh.
struct TanhLayer: Layer {
  static let type = "tanh"

  init(_ fields: FieldReader) { fields.describe("zero-centred: from -1 to 1") }

  init() {}

  var encoded: JSONObject { ["type": .string(Self.type)] }

  func resolve(input: [Int], _ place: LayerPlace) -> LayerShape { LayerShape(output: input) }

  func add(to graph: inout Graph, _ x: Node, _ parameters: [Node], index: Int) throws(GraphError) -> Node {
    try graph.tanh(x)
  }
}
