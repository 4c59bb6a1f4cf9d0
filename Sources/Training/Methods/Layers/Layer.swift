// The layers of a model, one file each: what they are called in a job, which fields they have.

import Autodiff
import JSON

/// One element of `model.layers`.
protocol Layer: Sendable {
  /// All fields with their values, `type` first.
  var encoded: JSONObject { get }

  /// The shape of its output and its parameters for an input of the given shape, both of one example; throws
  /// when it cannot take such an input.
  func resolve(input: [Int], _ place: LayerPlace) throws(SpecError) -> LayerShape

  /// Adds what it computes of `x` to the graph; `parameters` are those that `resolve` named, in order, `index` is
  /// its place among all layers.
  func add(to graph: inout Graph, _ x: Node, _ parameters: [Node], index: Int) throws(GraphError) -> Node
}

extension MethodTable where Method == any Layer {
  /// All layers.
  static let layers = MethodTable(
    rows: [
      Row(LinearLayer.type) { fields throws(SpecError) in try LinearLayer(fields) },
      Row(ReluLayer.type) { fields in ReluLayer(fields) },
      Row(TanhLayer.type) { fields in TanhLayer(fields) },
      Row(DropoutLayer.type) { fields throws(SpecError) in try DropoutLayer(fields) },
      Row(FlattenLayer.type) { _ in FlattenLayer() },
      Row(Conv2dLayer.type) { fields throws(SpecError) in try Conv2dLayer(fields) },
      Row(PoolLayer.maxType) { fields throws(SpecError) in try PoolLayer(PoolLayer.maxType, fields) },
      Row(PoolLayer.averageType) { fields throws(SpecError) in try PoolLayer(PoolLayer.averageType, fields) },
      Row(GlobalAveragePoolLayer.type) { _ in GlobalAveragePoolLayer() },
      Row(BatchNormLayer.type) { fields throws(SpecError) in try BatchNormLayer(fields) },
      Row(ResidualLayer.type) { fields throws(SpecError) in try ResidualLayer(fields) },
      Row(LayerNormLayer.type) { fields throws(SpecError) in try LayerNormLayer(fields) },
      Row(RmsNormLayer.type) { fields throws(SpecError) in try RmsNormLayer(fields) },
      Row(EmbeddingLayer.type) { fields throws(SpecError) in try EmbeddingLayer(fields) },
      Row(PositionalLayer.type) { fields throws(SpecError) in try PositionalLayer(fields) },
      Row(AttentionLayer.type) { fields throws(SpecError) in try AttentionLayer(fields) },
      Row(TransformerBlockLayer.type) { fields throws(SpecError) in try TransformerBlockLayer(fields) },
    ] + ActivationLayer.rows)
}
