// What is said of an ensemble beside its own prediction.

/// Mean and standard deviation of some numbers.
public struct Moments: Sendable, Equatable {
  /// The mean.
  public let mean: Double
  /// The standard deviation of a sample: the sum of squares is divided by one less than there are numbers.
  public let deviation: Double

  /// Moments of at least one number; the deviation of one is 0.
  public init(_ values: [Double]) {
    let count = Double(values.count)
    let mean = values.reduce(0, +) / count
    let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    self.mean = mean
    deviation = values.count > 1 ? (squares / (count - 1)).squareRoot() : 0
  }
}

/// The expected squared error of a regression in three parts, which add up to it (Geman, Bienenstock, Doursat 1992).
///
/// With members f_1 ... f_B, their mean f and targets y, by example: the error is the mean of (y - f_b)^2 over examples
/// and members. `variance` is the mean of (f_b - f)^2; what is left, the mean of (y - f)^2, is noise and squared bias
/// together. `noise` is what no model of these features can predict, an estimate that is given; `bias_squared` is the
/// rest.
public struct BiasVariance: Sendable, Equatable {
  /// The mean squared error of the members.
  public let squaredError: Double
  /// What the mean of many members would still get wrong, beyond noise.
  public let biasSquared: Double
  /// How far the members are from their mean.
  public let variance: Double
  /// The variance of the targets around what could be predicted.
  public let noise: Double

  /// The parts, from each example's mean prediction, the variance of the predictions around it (dividing by their
  /// number) and target. A noise that is estimated larger than all of the mean's error is cut to it.
  public init(mean: [Double], variance: [Double], target: [Double], noise: Double) {
    let count = Double(mean.count)
    let error = zip(mean, target).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } / count
    self.variance = variance.reduce(0, +) / count
    self.noise = min(max(0, noise), error)
    biasSquared = error - self.noise
    squaredError = error + self.variance
  }
}

/// The variance of the noise on targets, from examples alone, by the Gamma test (Evans, Jones 2002): half the mean squared
/// difference of the targets of p-th nearest neighbours, p = 1...10, as a straight line of the mean squared distance
/// of their features; its value at distance 0. Examples with equal features tell it at once.
///
/// - Parameter features: `width` numbers for each target, of about the same scale.
/// - Returns: at least 0; 0 with fewer than 12 examples.
public func noiseVariance(features: [Double], width: Int, targets: [Double]) -> Double {
  let (count, neighbours) = (targets.count, 10)
  guard count > neighbours + 1 else { return 0 }
  var distances = [Double](repeating: 0, count: neighbours)
  var differences = distances
  for a in 0..<count {
    var nearest: [(distance: Double, index: Int)] = []
    for b in 0..<count where b != a {
      var distance = 0.0
      for column in 0..<width {
        let difference = features[a * width + column] - features[b * width + column]
        distance += difference * difference
      }
      guard nearest.count < neighbours || distance < nearest[neighbours - 1].distance else { continue }
      let place = nearest.firstIndex { $0.distance > distance } ?? nearest.count
      nearest.insert((distance, b), at: place)
      if nearest.count > neighbours { nearest.removeLast() }
    }
    for (p, neighbour) in nearest.enumerated() {
      distances[p] += neighbour.distance / Double(count)
      let difference = targets[a] - targets[neighbour.index]
      differences[p] += difference * difference / 2 / Double(count)
    }
  }
  let (x, y) = (Moments(distances).mean, Moments(differences).mean)
  let spread = distances.reduce(0) { $0 + ($1 - x) * ($1 - x) }
  guard spread > 0 else { return y }
  let slope = zip(distances, differences).reduce(0) { $0 + ($1.0 - x) * ($1.1 - y) } / spread
  return max(0, y - max(0, slope) * x)
}
