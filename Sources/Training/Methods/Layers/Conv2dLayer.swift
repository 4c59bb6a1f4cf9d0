import Autodiff
import JSON

/// The cross-correlation of images with `channels` kernels, plus a bias. PyTorch: Conv2d.
struct Conv2dLayer: Layer {
  static let type = "conv2d"

  let channels: Int
  let fields: WindowFields
  let bias: Bool
  let initialization: Initialization

  init(_ fields: FieldReader) throws(SpecError) {
    channels = try fields.integer("channels", 1...65536)
    self.fields = try WindowFields(fields, defaultStride: (1, 1))
    bias = try fields.bool("bias", default: true)
    initialization = try fields.object("init").method(.initializations, default: "default")
  }

  /// A square kernel with PyTorch's initialization.
  init(channels: Int, kernel: Int, stride: Int = 1, padding: Int = 0, bias: Bool = true) {
    self.channels = channels
    fields = WindowFields(
      ImageWindow(kernel: (kernel, kernel), stride: (stride, stride), padding: (padding, padding)))
    self.bias = bias
    initialization = .standard
  }

  var encoded: JSONObject {
    var object: JSONObject = ["type": .string(Self.type), "channels": JSON(channels)]
    for (key, value) in fields.encoded { object[key] = value }
    object["bias"] = .bool(bias)
    object["init"] = .object(initialization.encoded)
    return object
  }

  func resolve(input: [Int], _ place: LayerPlace) throws(SpecError) -> LayerShape {
    let output = try fields.output(input, Self.type, place)
    let kernel = fields.window.kernel
    let area = kernel.height * kernel.width
    guard let fanIn = Architecture.product([input[0], area]),
      Architecture.product([channels, output.height, output.width]) != nil
    else { throw SpecError(place.path, "has an input of shape \(input), which is too large") }
    let (channels, initialization) = (self.channels, self.initialization)
    var parameters = [
      ParameterSpec(
        name: place.name("weight"), shape: [channels, input[0], kernel.height, kernel.width]
      ) { random, index in
        initialization.weights(
          count: channels * fanIn, fanIn: fanIn, fanOut: channels * area, random, parameter: index)
      }
    ]
    if bias {
      parameters.append(
        ParameterSpec(name: place.name("bias"), shape: [channels]) { random, index in
          initialization.bias(count: channels, fanIn: fanIn, random, parameter: index)
        })
    }
    return LayerShape(output: [channels, output.height, output.width], parameters: parameters)
  }

  func add(to graph: inout Graph, _ x: Node, _ parameters: [Node], index: Int) throws(GraphError) -> Node {
    try graph.convolution(
      x, weight: parameters[0], bias: bias ? parameters[1] : nil, stride: fields.window.stride,
      padding: fields.window.padding)
  }
}
