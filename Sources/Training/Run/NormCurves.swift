// The sizes of gradients, parameters and updates: of all together, and by layer.

/// Which curves they make, and their values at a step. All norms are roots of sums of squares.
struct NormCurves: Sendable {
  /// Each layer's number among all layers, and which of the model's parameters are its own.
  private let layers: [(index: Int, parameters: Range<Int>)]

  init(_ architecture: Architecture) {
    var first = 0
    var layers: [(Int, Range<Int>)] = []
    for (index, layer) in architecture.layers.enumerated() where layer.shape.trained > 0 {
      let parameters = first..<first + layer.shape.parameters.filter { !$0.isBuffer }.count
      layers.append((index, parameters))
      first = parameters.upperBound
    }
    self.layers = layers
  }

  /// `grad_norm`, `param_norm`, `update_ratio`, then by layer `grad_norm/N` and `update_ratio/N`.
  var keys: [String] {
    ["grad_norm", "param_norm", "update_ratio"] + layers.map { "grad_norm/\($0.index)" }
      + layers.map { "update_ratio/\($0.index)" }
  }

  /// The values in the order of `keys`, from sums of squares by parameter: of gradients before clipping, of what the
  /// update changed, and of the parameters before it. What is not given is not a number.
  func values(gradients: [Double], moved: [Double], before: [Double]) -> [Double] {
    func norm(_ squares: [Double], _ range: Range<Int>) -> Double {
      range.upperBound <= squares.count ? squares[range].reduce(0, +).squareRoot() : .nan
    }
    func ratio(_ range: Range<Int>) -> Double {
      let (step, size) = (norm(moved, range), norm(before, range))
      return step == 0 ? 0 : step / size
    }
    let all = 0..<(layers.last?.parameters.upperBound ?? 0)
    return [norm(gradients, all), norm(before, all), ratio(all)]
      + layers.map { norm(gradients, $0.parameters) }
      + layers.map { ratio($0.parameters) }
  }
}

extension Layer {
  /// Whether its units can be 0 for every example.
  var isRectifier: Bool { encoded["type"] == "relu" }
}
