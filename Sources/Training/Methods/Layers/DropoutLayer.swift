import Autodiff
import JSON

/// In training each value is 0 with probability p and otherwise divided by 1-p; nothing in evaluation.
/// PyTorch: Dropout (Srivastava et al. 2014).
struct DropoutLayer: Layer {
  static let type = "dropout"

  let p: Double

  init(_ fields: FieldReader) throws(SpecError) {
    p = try fields.number("p", .fraction, default: 0.5)
  }

  var encoded: JSONObject { ["type": .string(Self.type), "p": .number(p)] }

  func resolve(input: [Int], _ place: LayerPlace) -> LayerShape { LayerShape(output: input) }

  func add(to graph: inout Graph, _ x: Node, _ parameters: [Node], index: Int) throws(GraphError) -> Node {
    try graph.dropout(x, p: p, stream: UInt32(index))
  }
}
