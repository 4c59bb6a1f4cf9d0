import Autodiff
import JSON

/// Each example, or each time step, to mean 0 and variance 1 over its features, times a weight plus a bias.
/// PyTorch: LayerNorm (Ba, Kiros, Hinton 2016).
struct LayerNormLayer: Layer {
  static let type = "layer_norm"

  let eps: Double

  init(_ fields: FieldReader) throws(SpecError) {
    eps = try fields.number("eps", .positive, default: 1e-5)
  }

  init() { eps = 1e-5 }

  var encoded: JSONObject { ["type": .string(Self.type), "eps": .number(eps)] }

  func resolve(input: [Int], _ place: LayerPlace) throws(SpecError) -> LayerShape {
    let width = try place.width(input)
    return LayerShape(
      output: input,
      parameters: [.constant(place.name("weight"), width, 1), .constant(place.name("bias"), width, 0)])
  }

  func add(to graph: inout Graph, _ x: Node, _ parameters: [Node], index: Int) throws(GraphError) -> Node {
    try graph.layerNorm(x, weight: parameters[0], bias: parameters[1], epsilon: eps)
  }
}

/// Each example, or each time step, to root mean square 1 over its features, times a weight.
/// PyTorch: RMSNorm (Zhang, Sennrich 2019); its epsilon is that of the numbers' type.
struct RmsNormLayer: Layer {
  static let type = "rms_norm"

  let eps: Double

  init(_ fields: FieldReader) throws(SpecError) {
    eps = try fields.number("eps", .positive, default: 1.1920928955078125e-7)
  }

  var encoded: JSONObject { ["type": .string(Self.type), "eps": .number(eps)] }

  func resolve(input: [Int], _ place: LayerPlace) throws(SpecError) -> LayerShape {
    LayerShape(output: input, parameters: [.constant(place.name("weight"), try place.width(input), 1)])
  }

  func add(to graph: inout Graph, _ x: Node, _ parameters: [Node], index: Int) throws(GraphError) -> Node {
    try graph.rmsNorm(x, weight: parameters[0], epsilon: eps)
  }
}

extension LayerPlace {
  /// The features that a layer at this place works on: all of an example, or those of a time step.
  func width(_ input: [Int]) throws(SpecError) -> Int {
    guard input.count <= 2, let width = input.last else {
      throw SpecError(
        path, "works on features or time steps, but its input has the shape \(input); flatten it first")
    }
    return width
  }

  /// Time steps and features of a sequence.
  func sequence(_ input: [Int]) throws(SpecError) -> (steps: Int, width: Int) {
    guard input.count == 2 else {
      throw SpecError(path, "works on sequences [time, features], but its input has the shape \(input)")
    }
    return (input[0], input[1])
  }
}

extension ParameterSpec {
  /// A vector of one number.
  static func constant(_ name: String, _ count: Int, _ value: Float) -> ParameterSpec {
    ParameterSpec(name: name, shape: [count]) { _, _ in [Float](repeating: value, count: count) }
  }

  /// A matrix [out, features] as a linear layer's.
  static func matrix(_ name: String, _ out: Int, _ features: Int, _ initialization: Initialization)
    -> ParameterSpec
  {
    ParameterSpec(name: name, shape: [out, features]) { random, index in
      initialization.weights(count: out * features, fanIn: features, fanOut: out, random, parameter: index)
    }
  }
}
