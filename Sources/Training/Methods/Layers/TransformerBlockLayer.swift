import Autodiff
import JSON

/// x + attention(norm1(x)), then that plus linear2(gelu(linear1(norm2))): a pre-norm block. Tensors are named, shaped
/// and drawn as those of PyTorch's TransformerEncoderLayer with `norm_first` and `activation="gelu"`, and dropout is in
/// the same four places. References: Vaswani et al. 2017; Radford et al. 2019.
struct TransformerBlockLayer: Layer {
  static let type = "transformer_block"

  let attention: AttentionLayer
  /// Hidden features of the perceptron per feature of a time step.
  let mlpRatio: Double
  let dropout: Double
  let initialization: Initialization

  init(_ fields: FieldReader) throws(SpecError) {
    let heads = try fields.integer("heads", 1...1024)
    let causal = try fields.bool("causal", default: false)
    mlpRatio = try fields.number("mlp_ratio", .positive, default: 4)
    dropout = try fields.number("dropout", .fraction, default: 0)
    initialization = try fields.object("init").method(.initializations, default: "default")
    attention = AttentionLayer(heads: heads, causal: causal, dropout: dropout, initialization)
  }

  init(heads: Int, causal: Bool, mlpRatio: Double, dropout: Double) {
    self.mlpRatio = mlpRatio
    self.dropout = dropout
    initialization = .standard
    attention = AttentionLayer(heads: heads, causal: causal, dropout: dropout, .standard)
  }

  var encoded: JSONObject {
    [
      "type": .string(Self.type), "heads": JSON(attention.heads), "causal": .bool(attention.causal),
      "mlp_ratio": .number(mlpRatio), "dropout": .number(dropout), "init": .object(initialization.encoded),
    ]
  }

  func resolve(input: [Int], _ place: LayerPlace) throws(SpecError) -> LayerShape {
    let (_, width) = try place.sequence(input)
    let size = (mlpRatio * Double(width)).rounded()
    guard size >= 1, size <= 1_048_576 else {
      throw SpecError("\(place.path).mlp_ratio", "makes \(size) hidden features; there may be 1 to 1048576")
    }
    let hidden = Int(size)
    let initialization = self.initialization
    func linear(_ name: String, _ out: Int, _ features: Int) -> [ParameterSpec] {
      let bias = ParameterSpec(name: place.name("\(name).bias"), shape: [out]) { random, index in
        initialization.bias(count: out, fanIn: features, random, parameter: index)
      }
      return [.matrix(place.name("\(name).weight"), out, features, initialization), bias]
    }
    func norm(_ name: String) -> [ParameterSpec] {
      [.constant(place.name("\(name).weight"), width, 1), .constant(place.name("\(name).bias"), width, 0)]
    }
    let attended = try attention.parameters(width, place, prefix: "self_attn.")
    return LayerShape(
      output: input,
      parameters: attended + linear("linear1", hidden, width) + linear("linear2", width, hidden)
        + norm("norm1")
        + norm("norm2"))
  }

  func add(to graph: inout Graph, _ x: Node, _ parameters: [Node], index: Int) throws(GraphError) -> Node {
    func drop(_ node: Node, _ number: Int) throws(GraphError) -> Node {
      guard dropout > 0 else { return node }
      return try graph.dropout(node, p: dropout, stream: UInt32(LayerPlace.inner(index, number)))
    }
    let first = try graph.layerNorm(x, weight: parameters[8], bias: parameters[9], epsilon: 1e-5)
    let mixed = try attention.add(to: &graph, first, Array(parameters.prefix(4)), index: index)
    let middle = try graph.add(x, try drop(mixed, 1))
    let second = try graph.layerNorm(middle, weight: parameters[10], bias: parameters[11], epsilon: 1e-5)
    let hidden = try graph.activation(
      .gelu, try graph.linear(second, weight: parameters[4], bias: parameters[5]))
    let out = try graph.linear(try drop(hidden, 2), weight: parameters[6], bias: parameters[7])
    return try graph.add(middle, try drop(out, 3))
  }
}
