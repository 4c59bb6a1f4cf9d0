// Grid and random search. Random search finds more values of the parameter that matters (Bergstra, Bengio 2012).

import Autodiff
import JSON

/// The hyperparameters of one trial: paths and values, in the order of the search space.
public typealias Trial = [(path: String, value: JSON)]

extension SearchSpace {
  /// How many trials the grid has; nil when a parameter is not a list of values or a range of whole numbers, or
  /// when the number overflows.
  public var gridSize: Int? {
    var size = 1
    for parameter in parameters {
      guard let count = parameter.distribution.gridCount else { return nil }
      let (product, overflow) = size.multipliedReportingOverflow(by: count)
      if overflow { return nil }
      size = product
    }
    return size
  }

  /// Trial `number` of the grid, 0 to `gridSize` - 1, the last parameter changing fastest; nil beyond.
  public func gridTrial(_ number: Int) -> Trial? {
    guard let size = gridSize, number >= 0, number < size else { return nil }
    var rest = number
    var trial: Trial = []
    for parameter in parameters.reversed() {
      guard let count = parameter.distribution.gridCount else { return nil }
      trial.append((parameter.path, parameter.distribution.gridValue(rest % count)))
      rest /= count
    }
    return trial.reversed()
  }

  /// Trial `number` of a random search: a pure function of the seed, the number and the parameter's place.
  public func randomTrial(_ number: Int, seed: UInt64) -> Trial {
    let random = Philox(seed: seed, stream: Self.stream, step: UInt64(number))
    return parameters.enumerated().map { index, parameter in
      (parameter.path, parameter.distribution.draw(random, UInt64(index)))
    }
  }

  /// Away from the streams of training, whose seeds may be the same.
  private static let stream: UInt32 = 0x9000_0000
}

extension Distribution {
  /// How many values a grid takes; nil for a continuum.
  fileprivate var gridCount: Int? {
    switch self {
    case .values(let list): list.count
    case .intUniform(let range), .intLogUniform(let range): range.count
    case .uniform, .logUniform, .normal, .logNormal: nil
    }
  }

  fileprivate func gridValue(_ index: Int) -> JSON {
    switch self {
    case .values(let list): list[index]
    case .intUniform(let range), .intLogUniform(let range): JSON(range.lowerBound + index)
    case .uniform, .logUniform, .normal, .logNormal: .null  // never asked: gridCount is nil
    }
  }

  /// The value for the random numbers of one place.
  fileprivate func draw(_ random: Philox, _ place: UInt64) -> JSON {
    let uniform = random.uniformDouble(place)
    switch self {
    case .values(let list): return list[min(list.count - 1, Int(uniform * Double(list.count)))]
    case .uniform(let range): return JSON(between(range, uniform))
    case .logUniform(let range): return JSON(logBetween(range, uniform))
    case .intUniform(let range):
      let width = Double(range.upperBound) - Double(range.lowerBound) + 1
      return JSON(min(range.upperBound, range.lowerBound + Int(uniform * width)))
    case .intLogUniform(let range):
      // Half a unit on both sides, so that the ends are as likely as their neighbours.
      let wide = Double(range.lowerBound) - 0.5...Double(range.upperBound) + 0.5
      return JSON(min(range.upperBound, max(range.lowerBound, Int(logBetween(wide, uniform).rounded()))))
    case .normal(let mean, let deviation): return JSON(mean + deviation * random.normal(place))
    case .logNormal(let mean, let deviation):
      return JSON(ExactMath.exp(mean + deviation * random.normal(place)))
    }
  }
}

private func between(_ range: ClosedRange<Double>, _ uniform: Double) -> Double {
  min(range.upperBound, range.lowerBound + (range.upperBound - range.lowerBound) * uniform)
}

private func logBetween(_ range: ClosedRange<Double>, _ uniform: Double) -> Double {
  let exponent = between(ExactMath.log(range.lowerBound)...ExactMath.log(range.upperBound), uniform)
  return min(range.upperBound, max(range.lowerBound, ExactMath.exp(exponent)))
}
