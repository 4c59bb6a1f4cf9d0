import Autodiff
import JSON

/// x + f(x), where f is a list of layers that keeps the shape. Tensors are named as those of
/// `class Residual(nn.Sequential)`: the first layer's weight in the fourth place is `3.0.weight`.
/// Reference: He, Zhang, Ren, Sun 2016, "Deep residual learning for image recognition".
struct ResidualLayer: Layer {
  static let type = "residual"

  let layers: [any Layer]
  /// What each of them says of its training.
  private let training: [LayerTraining]

  init(_ fields: FieldReader) throws(SpecError) {
    var layers: [any Layer] = []
    var training: [LayerTraining] = []
    for layer in try fields.list("layers", count: 1...ModelSpec.maxLayers) {
      training.append(try LayerTraining(layer))
      layers.append(try layer.method(.layers))
    }
    (self.layers, self.training) = (layers, training)
  }

  /// A residual connection around the given layers.
  init(_ layers: [any Layer]) {
    self.layers = layers
    training = layers.map { _ in .standard }
  }

  var encoded: JSONObject {
    [
      "type": .string(Self.type),
      "layers": .array(zip(layers, training).map { .object($1.encoded(with: $0.encoded)) }),
    ]
  }

  func resolve(input: [Int], _ place: LayerPlace) throws(SpecError) -> LayerShape {
    guard place.depth < LayerPlace.maxDepth else {
      throw SpecError(
        place.path,
        "is inside of \(place.depth) residual layers; there may be \(LayerPlace.maxDepth) around a layer")
    }
    var shape = input
    var parameters: [ParameterSpec] = []
    var inner: [LayerSummary] = []
    for (index, layer) in layers.enumerated() {
      let resolved = try layer.resolve(input: shape, place.inner(index))
      parameters += resolved.parameters.map { parameter in
        var parameter = parameter
        parameter.training.append(training[index])
        return parameter
      }
      inner.append(LayerSummary(index, layer, resolved))
      shape = resolved.output
    }
    guard shape == input else {
      throw SpecError(
        place.path, "must keep the shape of its input, \(input), for their sum, but its layers give \(shape)")
    }
    return LayerShape(output: shape, parameters: parameters, inner: inner)
  }

  func add(to graph: inout Graph, _ x: Node, _ parameters: [Node], index: Int) throws(GraphError) -> Node {
    var y = x
    var left = parameters[...]
    for (number, layer) in layers.enumerated() {
      let count = try layer.parameterCount(input: Array(y.shape.dropFirst()))
      y = try layer.add(
        to: &graph, y, Array(left.prefix(count)), index: LayerPlace.inner(index, number))
      left = left.dropFirst(count)
    }
    return try graph.add(x, y)
  }
}

extension Layer {
  /// How many tensors it has for an input that it has been resolved for.
  fileprivate func parameterCount(input: [Int]) throws(GraphError) -> Int {
    do { return try resolve(input: input, LayerPlace(index: 0, path: "")).parameters.count } catch {
      throw GraphError("residual", error.message)
    }
  }
}
