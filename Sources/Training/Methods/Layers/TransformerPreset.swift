import JSON

/// A transformer over tokens: embedding, learned positions, pre-norm blocks, a last layer norm and a linear head over
/// the vocabulary with weights of its own; where a whole text gets one label, the mean over its tokens and a head over the
/// labels. `transformer_lm` looks back only, `transformer_encoder` both ways.
/// References: Radford et al. 2019; Devlin et al. 2019.
struct TransformerPreset: ModelPreset {
  let type: String
  let layers: Int
  let dim: Int
  let heads: Int
  let mlpRatio: Double
  let dropout: Double

  static let causal = "transformer_lm"
  static let bidirectional = "transformer_encoder"

  init(_ type: String, _ fields: FieldReader) throws(SpecError) {
    self.type = type
    layers = try fields.integer("layers", 1...200)
    dim = try fields.integer("dim", 1...65536)
    heads = try fields.integer("heads", 1...1024)
    mlpRatio = try fields.number("mlp_ratio", .positive, default: 4)
    dropout = try fields.number("dropout", .fraction, default: 0)
    guard dim % heads == 0 else { throw fields.error("heads", must: "a divisor of dim, \(dim)") }
  }

  var encoded: JSONObject {
    [
      "preset": .string(type), "layers": JSON(layers), "dim": JSON(dim), "heads": JSON(heads),
      "mlp_ratio": .number(mlpRatio), "dropout": .number(dropout),
    ]
  }

  func layers(outputs: Int, each isForTokens: Bool) -> [any Layer] {
    let block = TransformerBlockLayer(
      heads: heads, causal: type == Self.causal, mlpRatio: mlpRatio, dropout: dropout)
    return [EmbeddingLayer(dim: dim), PositionalLayer()]
      + [any Layer](repeating: block, count: layers) + [LayerNormLayer()]
      + (isForTokens ? [] : [GlobalAveragePoolLayer()]) + [LinearLayer(out: outputs)]
  }
}
