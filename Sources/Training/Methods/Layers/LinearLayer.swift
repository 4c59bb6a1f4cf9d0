import Autodiff
import JSON

/// y = x W^T + b with W [out, in], at each time step of a sequence. An image is flattened first. PyTorch: Linear.
struct LinearLayer: Layer {
  static let type = "linear"

  let out: Int
  let bias: Bool
  let initialization: Initialization

  init(_ fields: FieldReader) throws(SpecError) {
    out = try fields.integer("out", 1...65536)
    bias = try fields.bool("bias", default: true)
    initialization = try fields.object("init").method(.initializations, default: "default")
  }

  init(out: Int) {
    self.out = out
    bias = true
    initialization = .standard
  }

  var encoded: JSONObject {
    [
      "type": .string(Self.type), "out": JSON(out), "bias": .bool(bias),
      "init": .object(initialization.encoded),
    ]
  }

  func resolve(input: [Int], _ place: LayerPlace) throws(SpecError) -> LayerShape {
    guard let fanIn = input.count == 2 ? input[1] : Architecture.product(input) else {
      throw SpecError(place.path, "has an input of shape \(input), which is too large")
    }
    let (out, initialization) = (self.out, self.initialization)
    var parameters = [
      ParameterSpec(name: place.name("weight"), shape: [out, fanIn]) { random, index in
        initialization.weights(count: out * fanIn, fanIn: fanIn, fanOut: out, random, parameter: index)
      }
    ]
    if bias {
      parameters.append(
        ParameterSpec(name: place.name("bias"), shape: [out]) { random, index in
          initialization.bias(count: out, fanIn: fanIn, random, parameter: index)
        })
    }
    return LayerShape(
      output: input.dropLast(input.count == 2 ? 1 : input.count) + [out], parameters: parameters)
  }

  func add(to graph: inout Graph, _ x: Node, _ parameters: [Node], index: Int) throws(GraphError) -> Node {
    let rows = x.shape.count <= 3 ? x : try graph.flatten(x)
    return try graph.linear(rows, weight: parameters[0], bias: bias ? parameters[1] : nil)
  }
}
