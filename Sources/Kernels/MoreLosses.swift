// Losses besides softmax cross entropy and the squared error: one pass over each row gives its loss and its gradient.

/// The absolute error, or where `delta` is above 0 Huber's: d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2),
/// with d = x - t. losses[row] = the sum over columns; dx = the slope times `scale`, padding becomes zero.
///
/// x, dx: [rows, columns], rows `xStride` floats apart; t: the same, `tStride` apart. `dx` may be nil.
/// Reference: Huber 1964.
public func robustError(
  _ rows: Int, _ columns: Int, _ x: UnsafePointer<Float>, _ xStride: Int, _ t: UnsafePointer<Float>,
  _ tStride: Int, _ delta: Float, _ scale: Float, _ losses: UnsafeMutablePointer<Float>,
  _ dx: UnsafeMutablePointer<Float>?
) {
  for row in 0..<rows {
    var sum = Vector.zero
    var j = 0
    while j < columns {
      let d = ((x + row * xStride).vector(j) - (t + row * tStride).vector(j))
        .replacing(with: 0, where: .!Lanes.within(columns, from: j))
      let size = d.replacing(with: -d, where: d .< 0)
      let sign = d.replacing(with: 1, where: d .> 0).replacing(with: -1, where: d .< 0)
      if delta > 0 {
        let isSmall = size .<= delta
        sum += ((size - delta * 0.5) * delta).replacing(with: d * d * 0.5, where: isSmall)
        if let dx {
          (dx + row * xStride).store((sign * delta).replacing(with: d, where: isSmall) * scale, j)
        }
      } else {
        sum += size
        if let dx { (dx + row * xStride).store(sign * scale, j) }
      }
      j += laneCount
    }
    losses[row] = Lanes.sum(sum)
  }
}

/// Binary cross entropy of logits: max(z, 0) - z y + log(1 + e^-|z|), summed over columns; dz = (sigmoid(z) - y) scale,
/// padding becomes zero. With one column y is the label, 0 or 1; with more it is 1 in the label's column, else 0. Both
/// are multiplied by `positiveWeight` where y is 1.
///
/// hits[row] = 1 where the sign of the one logit, or the first largest of them, is the label's. A label outside of the
/// classes makes the row not-a-number. `dz` may be nil. Reference: PyTorch's binary_cross_entropy_with_logits.
public func binaryCrossEntropy(
  _ rows: Int, _ columns: Int, _ z: UnsafePointer<Float>, _ stride: Int, _ labels: UnsafePointer<Int32>,
  _ scale: Float, _ positiveWeight: Float, _ losses: UnsafeMutablePointer<Float>,
  _ hits: UnsafeMutablePointer<Float>, _ dz: UnsafeMutablePointer<Float>?
) {
  for row in 0..<rows {
    let label = Int(labels[row])
    let source = z + row * stride
    let isKnown = label >= 0 && label < max(columns, 2)
    // The column whose target is 1; none where the one logit's label is 0.
    let positive = columns == 1 ? label - 1 : label
    var (sum, best, bestLogit) = (Vector.zero, 0, -Float.infinity)
    var j = 0
    while j < columns {
      let inside = Lanes.within(columns, from: j)
      let logits = source.vector(j).replacing(with: 0, where: .!inside)
      let isPositive = Lanes.numbers .== SIMD16(repeating: Int32(truncatingIfNeeded: positive &- j))
      let target = Vector.zero.replacing(with: 1, where: isPositive)
      let weight = Vector(repeating: 1).replacing(with: positiveWeight, where: isPositive)
      let size = logits.replacing(with: -logits, where: logits .< 0)
      let loss = (positivePart(logits) - logits * target + logarithmOfOneMore(exponential(-size))) * weight
      sum += loss.replacing(with: 0, where: .!inside)
      if let dz {
        let slope = (logistic(logits) - target) * weight * (isKnown ? scale : .nan)
        (dz + row * stride).store(slope.replacing(with: 0, where: .!inside), j)
      }
      j += laneCount
    }
    for column in 0..<columns where source[column] > bestLogit {
      (best, bestLogit) = (column, source[column])
    }
    let answer = columns == 1 ? (source[0] > 0 ? 1 : 0) : best
    losses[row] = isKnown ? Lanes.sum(sum) : .nan
    hits[row] = isKnown && answer == label ? 1 : 0
  }
}

/// total[0] = 1 over the sum of the weights of the rows' labels, which is added up in double and in order and is also
/// stored as the third of `results`, where those are not nil.
public func labelWeights(
  _ rows: Int, _ classes: Int, _ labels: UnsafePointer<Int32>, _ weights: UnsafePointer<Float>,
  _ total: UnsafeMutablePointer<Float>, _ results: UnsafeMutablePointer<Double>?
) {
  var sum = 0.0
  for row in 0..<rows {
    let label = Int(labels[row])
    if label >= 0 && label < classes { sum += Double(weights[label]) }
  }
  total[0] = Float(1 / sum)
  if let results { results[2] = sum }
}

/// Softmax cross entropy with a weight w for each class: with y the label, e the smoothing and lp the logarithm of the
/// softmax, losses[row] = -(1 - e) w[y] lp[y] - e / classes * the sum of w lp;
/// dlogits = ((1 - e) w[y] (p - 1 at y) + e / classes * (the sum of w times p - w)) total[0], padding zero.
/// A row whose label is -100 counts for nothing: loss, hit and gradient are 0.
/// Otherwise as `softmaxCrossEntropy`. Reference: PyTorch's cross_entropy.
public func weightedCrossEntropy(
  _ rows: Int, _ classes: Int, _ logits: UnsafePointer<Float>, _ stride: Int, _ labels: UnsafePointer<Int32>,
  _ weights: UnsafePointer<Float>, _ smoothing: Float, _ total: UnsafePointer<Float>,
  _ losses: UnsafeMutablePointer<Float>, _ hits: UnsafeMutablePointer<Float>,
  _ dlogits: UnsafeMutablePointer<Float>?
) {
  let uniform = smoothing / Float(classes)
  var all = Vector.zero
  var j = 0
  while j < classes {
    all += weights.vector(j)
    j += laneCount
  }
  let weightSum = Lanes.sum(all)
  for row in 0..<rows {
    let z = logits + row * stride
    let label = Int(labels[row])
    if label == -100 {
      (losses[row], hits[row]) = (0, 0)
      if let dlogits {
        var j = 0
        while j < classes {
          (dlogits + row * stride).store(Vector.zero, j)
          j += laneCount
        }
      }
      continue
    }
    let isKnown = label >= 0 && label < classes
    var (best, largest) = (0, -Float.infinity)
    for column in 0..<classes where z[column] > largest { (best, largest) = (column, z[column]) }
    var (sum, shifted) = (Vector.zero, Vector.zero)
    j = 0
    while j < classes {
      let inside = Lanes.within(classes, from: j)
      let distance = (z.vector(j) - largest).replacing(with: 0, where: .!inside)
      sum += exponential(distance).replacing(with: 0, where: .!inside)
      shifted = shifted.addingProduct(distance, weights.vector(j))
      j += laneCount
    }
    let powers = Lanes.sum(sum)
    let logTotal = logarithm(Vector(repeating: powers))[0]
    let weight = isKnown ? weights[label] : .nan
    let own = isKnown ? z[label] - largest : .nan
    losses[row] =
      (1 - smoothing) * weight * (logTotal - own) + uniform * (weightSum * logTotal - Lanes.sum(shifted))
    hits[row] = isKnown && best == label ? 1 : 0
    guard let dlogits else { continue }
    let dz = dlogits + row * stride
    let share = (1 - smoothing) * weight + uniform * weightSum
    j = 0
    while j < classes {
      let inside = Lanes.within(classes, from: j)
      let power = exponential((z.vector(j) - largest).replacing(with: 0, where: .!inside))
      let slope = (power / powers * share - weights.vector(j) * uniform) * total[0]
      dz.store(slope.replacing(with: 0, where: .!inside), j)
      j += laneCount
    }
    if isKnown { dz[label] -= (1 - smoothing) * weight * total[0] }
  }
}
