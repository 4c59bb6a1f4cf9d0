import Autodiff
import JSON

/// Each channel with mean 0 and variance 1 over the batch, times a weight, plus a bias; in evaluation with the running
/// statistics of training. PyTorch: BatchNorm2d, and BatchNorm1d of features (Ioffe, Szegedy 2015).
struct BatchNormLayer: Layer {
  static let type = "batch_norm"

  let eps: Double
  /// The newest statistics' part in the running ones; nil for the plain mean over all batches.
  let momentum: Double?
  let initialization: Initialization

  init(_ fields: FieldReader) throws(SpecError) {
    eps = try fields.number("eps", .notNegative, default: 1e-5)
    momentum = try fields.numberOrNone("momentum", .share, default: 0.1)
    let initialization = try fields.object("init")
    self.initialization = try initialization.method(.initializations, default: "default")
    guard self.initialization.isForVectors else {
      throw initialization.error("type", must: "default, normal, uniform, zeros or constant for a batch_norm")
    }
  }

  /// With PyTorch's defaults.
  init() {
    (eps, momentum, initialization) = (1e-5, 0.1, .standard)
  }

  var encoded: JSONObject {
    [
      "type": .string(Self.type), "eps": .number(eps), "momentum": momentum.map { .number($0) } ?? .null,
      "init": .object(initialization.encoded),
    ]
  }

  func resolve(input: [Int], _ place: LayerPlace) throws(SpecError) -> LayerShape {
    guard input.count == 1 || input.count == 3 else {
      throw SpecError(
        place.path,
        "(\(Self.type)) expected shape [features] or [channels, height, width], got shape \(input)")
    }
    let (count, initialization) = (input[0], self.initialization)
    func constant(_ value: Float) -> @Sendable (RandomStream, Int) -> [Float] {
      { _, _ in [Float](repeating: value, count: count) }
    }
    let weight: @Sendable (RandomStream, Int) -> [Float] = { random, index in
      guard !initialization.isStandard else { return [Float](repeating: 1, count: count) }
      return initialization.weights(count: count, fanIn: count, fanOut: count, random, parameter: index)
    }
    return LayerShape(
      output: input,
      parameters: [
        ParameterSpec(name: place.name("weight"), shape: [count], initial: weight),
        ParameterSpec(name: place.name("bias"), shape: [count], initial: constant(0)),
        ParameterSpec(name: place.name("running_mean"), shape: [count], isBuffer: true, initial: constant(0)),
        ParameterSpec(name: place.name("running_var"), shape: [count], isBuffer: true, initial: constant(1)),
        ParameterSpec(name: place.name("num_batches_tracked"), shape: [], isBuffer: true) { _, _ in [0] },
      ])
  }

  func add(to graph: inout Graph, _ x: Node, _ parameters: [Node], index: Int) throws(GraphError) -> Node {
    try graph.batchNorm(
      x, weight: parameters[0], bias: parameters[1], runningMean: parameters[2],
      runningVariance: parameters[3], batches: parameters[4], epsilon: eps, momentum: momentum)
  }
}
