import Autodiff
import JSON

/// The largest number or the mean of each window; windows lie side by side unless `stride` says otherwise.
/// PyTorch: MaxPool2d, AvgPool2d.
struct PoolLayer: Layer {
  static let maxType = "max_pool2d"
  static let averageType = "avg_pool2d"

  let type: String
  let fields: WindowFields

  init(_ type: String, _ fields: FieldReader) throws(SpecError) {
    self.type = type
    self.fields = try WindowFields(fields, defaultStride: nil)
    let (kernel, padding) = (self.fields.window.kernel, self.fields.window.padding)
    guard 2 * padding.height <= kernel.height, 2 * padding.width <= kernel.width else {
      throw fields.error("padding", must: "at most half of the kernel")
    }
  }

  /// Square windows side by side.
  init(_ type: String, kernel: Int) {
    self.type = type
    fields = WindowFields(ImageWindow(kernel: (kernel, kernel), stride: (kernel, kernel)))
  }

  var encoded: JSONObject {
    var object: JSONObject = ["type": .string(type)]
    for (key, value) in fields.encoded { object[key] = value }
    return object
  }

  func resolve(input: [Int], _ place: LayerPlace) throws(SpecError) -> LayerShape {
    let output = try fields.output(input, type, place)
    return LayerShape(output: [input[0], output.height, output.width])
  }

  func add(to graph: inout Graph, _ x: Node, _ parameters: [Node], index: Int) throws(GraphError) -> Node {
    type == Self.maxType ? try graph.maxPool(x, fields.window) : try graph.averagePool(x, fields.window)
  }
}

/// The mean of each channel: [channels, height, width] becomes [channels]; of a sequence the mean over time, [time,
/// features] becomes [features]. PyTorch: AdaptiveAvgPool2d(1), then Flatten; `mean(1)`.
struct GlobalAveragePoolLayer: Layer {
  static let type = "global_avg_pool"

  var encoded: JSONObject { ["type": .string(Self.type)] }

  func resolve(input: [Int], _ place: LayerPlace) throws(SpecError) -> LayerShape {
    if input.count == 2 { return LayerShape(output: [input[1]]) }
    try place.requireImages(input, Self.type)
    return LayerShape(output: [input[0]])
  }

  func add(to graph: inout Graph, _ x: Node, _ parameters: [Node], index: Int) throws(GraphError) -> Node {
    try graph.globalAveragePool(x)
  }
}
