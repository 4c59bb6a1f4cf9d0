// A model before there is a graph: each layer's output shape and parameters, found from the shape of one example.

import JSON

/// One tensor of a model.
struct ParameterSpec: Sendable {
  /// As in PyTorch's `state_dict` of a Sequential: `0.weight`.
  let name: String
  let shape: [Int]
  /// Whether its rows are looked up, as those of an embedding.
  var isTable = false
  /// Whether it is kept from step to step without a gradient, such as running statistics; [] is a counter.
  var isBuffer = false
  /// What layers around its own, the model's apart, and its own say of its training.
  var training: [LayerTraining] = []
  /// Its values before the first step, from the initialization stream and its own number in the model.
  let initial: @Sendable (RandomStream, Int) -> [Float]

  var count: Int { shape.reduce(1, *) }
}

/// What a layer makes of its input.
struct LayerShape: Sendable {
  /// Shape of one example's output.
  let output: [Int]
  /// All its tensors, those that are trained and those that are not.
  var parameters: [ParameterSpec] = []
  /// The layers inside of it, in their order.
  var inner: [LayerSummary] = []

  /// How many numbers it trains.
  var trained: Int { parameters.reduce(0) { $0 + ($1.isBuffer ? 0 : $1.count) } }
}

/// A layer in its place.
public struct LayerSummary: Sendable, Equatable {
  /// Its index in its list and its type: `0.linear`.
  public let name: String
  /// Shape of one example's output.
  public let outputShape: [Int]
  /// How many numbers it trains.
  public let parameters: Int
  /// Its own fields as a job names them, without its type and the layers inside of it.
  public let settings: JSONObject
  /// The layers inside of it, in their order.
  public let layers: [LayerSummary]

  init(_ index: Int, _ layer: any Layer, _ shape: LayerShape) {
    var settings = layer.encoded
    name = "\(index).\(settings["type"]?.stringValue ?? "")"
    for field in ["type", "layers"] { settings[field] = nil }
    self.settings = settings
    (outputShape, parameters, layers) = (shape.output, shape.trained, shape.inner)
  }
}

/// All layers of a model in their places.
struct Architecture: Sendable {
  let inputShape: [Int]
  let layers: [(layer: any Layer, shape: LayerShape)]

  /// Follows the shapes through the layers; throws what does not fit, with the layer's path.
  init(_ model: ModelSpec, _ dataset: Dataset, outputs: Int, memoryLimit: Int, copies: Int) throws(SpecError)
  {
    inputShape = dataset.inputShape
    var layers: [(any Layer, LayerShape)] = []
    var shape = dataset.inputShape
    var count = 0
    for (index, layer) in model.layers(outputs: outputs, each: dataset.predictsTokens).enumerated() {
      let place = LayerPlace(
        index: index, path: model.path(ofLayer: index),
        vocabulary: dataset.vocabularySize)
      let resolved = try layer.resolve(input: shape, place)
      for parameter in resolved.parameters {
        guard let size = Self.product(parameter.shape), size <= memoryLimit, count + size <= memoryLimit
        else {
          let shape = parameter.shape.map(String.init).joined(separator: " x ")
          throw SpecError(
            place.path,
            "has a tensor of \(shape) numbers, 4 bytes each: more than the \(memoryLimit >> 20) MiB a job may use"
          )
        }
        count += size
      }
      let (bytes, overflow) = count.multipliedReportingOverflow(by: 4 * copies)
      guard !overflow, bytes <= memoryLimit else {
        throw SpecError(
          place.path,
          "brings the model to \(count) parameters, for which training needs more than the "
            + "\(memoryLimit >> 20) MiB a job may use")
      }
      layers.append((layer, resolved))
      shape = resolved.output
    }
    self.layers = layers
    if dataset.predictsTokens {
      guard shape == dataset.inputShape + [outputs] else {
        throw SpecError(
          model.path(ofLayer: layers.count - 1),
          "gives numbers of shape \(shape) for an example, but the \(dataset.outputs) tokens of \(dataset.name) "
            + "want one each at every place: \(dataset.inputShape + [dataset.outputs])")
      }
      return
    }
    guard Self.product(shape) == outputs else {
      let needs =
        outputs != dataset.outputs
        ? "\(dataset.outputs) classes, for which the loss takes \(outputs)"
        : dataset.info.task == .classification ? "\(dataset.outputs) classes" : "one target"
      throw SpecError(
        model.path(ofLayer: layers.count - 1),
        "gives \(Self.product(shape) ?? 0) numbers for an example, but \(dataset.name) has \(needs)")
    }
  }

  /// Bytes of one example's features.
  var inputBytes: Int { (Self.product(inputShape) ?? 0) * MemoryLayout<Float>.stride }

  /// How many numbers the model gives for an example.
  var outputs: Int { Self.product(layers.last?.shape.output ?? []) ?? 0 }

  /// All trained parameters in the order of the layers.
  var parameters: [ParameterSpec] { layers.flatMap(\.shape.parameters).filter { !$0.isBuffer } }

  /// What the model keeps besides, in the order of the layers.
  var buffers: [ParameterSpec] { layers.flatMap(\.shape.parameters).filter(\.isBuffer) }

  /// The layers as a table.
  var summaries: [LayerSummary] {
    layers.enumerated().map { index, entry in LayerSummary(index, entry.layer, entry.shape) }
  }

  /// The number of elements of a shape, nil when it cannot be counted.
  static func product(_ shape: [Int]) -> Int? {
    var count = 1
    for size in shape {
      let (product, overflow) = count.multipliedReportingOverflow(by: size)
      if overflow { return nil }
      count = product
    }
    return count
  }
}

/// Where a layer stands in the model.
struct LayerPlace: Sendable {
  /// Its number among all layers, also those inside of others.
  let index: Int
  /// Its path in the job.
  let path: String
  /// How deep it is inside of other layers.
  let depth: Int
  /// What the names of its tensors begin with: `3`, or `3.0` for the first layer inside of the fourth.
  private let prefix: String

  /// How many different tokens the input has; nil where it is no text.
  let vocabulary: Int?

  /// A layer of the model itself.
  init(index: Int, path: String, vocabulary: Int? = nil) {
    (self.index, self.path, self.vocabulary) = (index, path, vocabulary)
    (depth, prefix) = (0, "\(index)")
  }

  private init(_ outer: LayerPlace, _ index: Int) {
    self.index = Self.inner(outer.index, index)
    vocabulary = outer.vocabulary
    path = "\(outer.path).layers.\(index)"
    (depth, prefix) = (outer.depth + 1, "\(outer.prefix).\(index)")
  }

  /// The place of layer `index` inside of this one.
  func inner(_ index: Int) -> LayerPlace { LayerPlace(self, index) }

  /// The name of one of its tensors.
  func name(_ tensor: String) -> String { "\(prefix).\(tensor)" }

  /// How deep layers may be inside of each other.
  static let maxDepth = 2

  /// The number of layer `index` inside of layer `outer`: no two of a model have the same, as a list has at most
  /// `ModelSpec.maxLayers`; down to `maxDepth` they stay below 2^31, where the streams of random numbers begin that
  /// are not layers'.
  static func inner(_ outer: Int, _ index: Int) -> Int { (outer + 1) * ModelSpec.maxLayers + index }
}
