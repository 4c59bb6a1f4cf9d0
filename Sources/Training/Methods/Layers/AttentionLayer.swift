import Autodiff
import JSON

/// Multi-head self-attention over time steps. Tensors are named and drawn as those of PyTorch's MultiheadAttention:
/// `in_proj_weight` [3 dim, dim] by Xavier uniform, `out_proj.weight` as a linear layer's, biases 0.
/// Reference: Vaswani et al. 2017.
struct AttentionLayer: Layer {
  static let type = "attention"

  let heads: Int
  /// Whether a time step looks at no later one.
  let causal: Bool
  /// Share of the attention's weights dropped in training.
  let dropout: Double
  let initialization: Initialization

  init(_ fields: FieldReader) throws(SpecError) {
    heads = try fields.integer("heads", 1...1024)
    causal = try fields.bool("causal", default: false)
    dropout = try fields.number("dropout", .fraction, default: 0)
    initialization = try fields.object("init").method(.initializations, default: "default")
  }

  init(heads: Int, causal: Bool, dropout: Double, _ initialization: Initialization) {
    self.heads = heads
    self.causal = causal
    self.dropout = dropout
    self.initialization = initialization
  }

  var encoded: JSONObject {
    [
      "type": .string(Self.type), "heads": JSON(heads), "causal": .bool(causal), "dropout": .number(dropout),
      "init": .object(initialization.encoded),
    ]
  }

  func resolve(input: [Int], _ place: LayerPlace) throws(SpecError) -> LayerShape {
    let (_, width) = try place.sequence(input)
    return LayerShape(output: input, parameters: try parameters(width, place, prefix: ""))
  }

  /// Its tensors for sequences of `width` features, names beginning with `prefix`.
  func parameters(_ width: Int, _ place: LayerPlace, prefix: String) throws(SpecError) -> [ParameterSpec] {
    // One level is left for the numbers of its own random streams.
    guard place.depth < LayerPlace.maxDepth else {
      throw SpecError(
        place.path, "is inside of \(place.depth) residual layers; there may be 1 around attention")
    }
    guard width % heads == 0 else {
      throw SpecError("\(place.path).heads", "must divide the \(width) features of a time step, got \(heads)")
    }
    let xavier = Initialization(distribution: .xavierUniform(gain: 1), encoded: [:])
    let first = initialization.distribution == .standard ? xavier : initialization
    func name(_ tensor: String) -> String { place.name(prefix + tensor) }
    return [
      .matrix(name("in_proj_weight"), 3 * width, width, first), .constant(name("in_proj_bias"), 3 * width, 0),
      .matrix(name("out_proj.weight"), width, width, initialization),
      .constant(name("out_proj.bias"), width, 0),
    ]
  }

  func add(to graph: inout Graph, _ x: Node, _ parameters: [Node], index: Int) throws(GraphError) -> Node {
    let qkv = try graph.linear(x, weight: parameters[0], bias: parameters[1])
    let mixed = try graph.attention(
      qkv, heads: heads, isCausal: causal, p: dropout, stream: UInt32(LayerPlace.inner(index, 0)))
    return try graph.linear(mixed, weight: parameters[2], bias: parameters[3])
  }
}
