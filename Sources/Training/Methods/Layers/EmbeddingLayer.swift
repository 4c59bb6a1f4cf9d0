import Autodiff
import JSON

/// A row of numbers for each token: [time] becomes [time, dim]. The first layer of a model of text.
/// PyTorch: Embedding; rows begin as N(0, 1) unless `init` says otherwise.
struct EmbeddingLayer: Layer {
  static let type = "embedding"

  /// Nil: as many as the text has tokens.
  let vocab: Int?
  let dim: Int
  let initialization: Initialization

  init(_ fields: FieldReader) throws(SpecError) {
    vocab = try fields.integerOrNone("vocab", 1...1_048_576)
    dim = try fields.integer("dim", 1...65536)
    initialization = try fields.object("init").method(.initializations, default: "default")
  }

  init(dim: Int) {
    vocab = nil
    self.dim = dim
    initialization = .standard
  }

  var encoded: JSONObject {
    [
      "type": .string(Self.type), "vocab": vocab.map { JSON($0) } ?? .null, "dim": JSON(dim),
      "init": .object(initialization.encoded),
    ]
  }

  func resolve(input: [Int], _ place: LayerPlace) throws(SpecError) -> LayerShape {
    guard input.count == 1, place.index == 0 else {
      throw SpecError(
        place.path, "must be the first layer, whose input are tokens, not numbers of shape \(input)")
    }
    guard let rows = vocab ?? place.vocabulary else {
      throw SpecError("\(place.path).vocab", "is required where the data set is no text")
    }
    if let tokens = place.vocabulary, rows < tokens {
      throw SpecError("\(place.path).vocab", "must be at least \(tokens), the text's tokens, got \(rows)")
    }
    let (dim, initialization) = (self.dim, self.initialization)
    let table = ParameterSpec(name: place.name("weight"), shape: [rows, dim], isTable: true) {
      random, index in
      initialization.table(rows, dim, random, parameter: index)
    }
    return LayerShape(output: input + [dim], parameters: [table])
  }

  func add(to graph: inout Graph, _ x: Node, _ parameters: [Node], index: Int) throws(GraphError) -> Node {
    try graph.embedding(x, table: parameters[0])
  }
}

/// Adds to each time step what says where it stands: a learned row, or sines and cosines of growing wavelengths.
/// References: Gehring et al. 2017; Vaswani et al. 2017, section 3.5.
struct PositionalLayer: Layer {
  static let type = "positional"

  let isLearned: Bool
  let initialization: Initialization

  init(_ fields: FieldReader) throws(SpecError) {
    isLearned = try fields.choice("kind", ["learned", "sinusoidal"], default: "learned") == "learned"
    initialization = try fields.object("init").method(.initializations, default: "default")
  }

  /// Learned positions.
  init() {
    isLearned = true
    initialization = .standard
  }

  var encoded: JSONObject {
    [
      "type": .string(Self.type), "kind": isLearned ? "learned" : "sinusoidal",
      "init": .object(initialization.encoded),
    ]
  }

  func resolve(input: [Int], _ place: LayerPlace) throws(SpecError) -> LayerShape {
    let (steps, width) = try place.sequence(input)
    guard isLearned else { return LayerShape(output: input) }
    let initialization = self.initialization
    let table = ParameterSpec(name: place.name("weight"), shape: [steps, width], isTable: true) {
      random, index in initialization.table(steps, width, random, parameter: index)
    }
    return LayerShape(output: input, parameters: [table])
  }

  func add(to graph: inout Graph, _ x: Node, _ parameters: [Node], index: Int) throws(GraphError) -> Node {
    isLearned ? try graph.learnedPositions(x, table: parameters[0]) : try graph.sinusoidalPositions(x)
  }
}

extension Initialization {
  /// The rows of an embedding: N(0, 1) by default, as PyTorch's.
  func table(_ rows: Int, _ dim: Int, _ random: RandomStream, parameter index: Int) -> [Float] {
    guard distribution == .standard else {
      return weights(count: rows * dim, fanIn: dim, fanOut: rows, random, parameter: index)
    }
    return (0..<rows * dim).map { Float(random.normal(index, $0)) }
  }
}
