// Losses: one pass over each row gives its loss and its gradient.

/// Softmax and cross entropy of rows of logits against class numbers.
///
/// logits, dlogits: [rows, classes], rows `stride` floats apart; labels: [rows]. Per row, with lp the logarithm of
/// the softmax, y the label and e the smoothing:
///   losses[row] = -(1 - e) lp[y] - e / classes * sum of lp;
///   dlogits = (softmax - q) * scale, with q = e / classes, and 1 - e more at y; padding becomes zero;
///   hits[row] = 1 where y is the first largest logit, else 0.
/// A label outside of the classes makes the row's loss and gradient not-a-number. `dlogits` may be nil.
/// Reference: PyTorch's cross_entropy.
public func softmaxCrossEntropy(
  _ rows: Int, _ classes: Int, _ logits: UnsafePointer<Float>, _ stride: Int, _ labels: UnsafePointer<Int32>,
  _ smoothing: Float, _ scale: Float, _ losses: UnsafeMutablePointer<Float>,
  _ hits: UnsafeMutablePointer<Float>, _ dlogits: UnsafeMutablePointer<Float>?
) {
  let uniform = smoothing / Float(classes)
  for row in 0..<rows {
    let z = logits + row * stride
    let label = Int(labels[row])
    let isKnown = label >= 0 && label < classes
    let largest = rowMaximum(classes, z)

    // The exponentials wait in the gradient's place for their sum.
    var (sum, shifted) = (Vector.zero, Vector.zero)
    var j = 0
    while j < classes {
      let inside = Lanes.within(classes, from: j)
      let distance = (z.vector(j) - largest).replacing(with: 0, where: .!inside)
      let power = exponential(distance).replacing(with: 0, where: .!inside)
      sum += power
      shifted += distance
      if let dlogits { (dlogits + row * stride).store(power, j) }
      j += laneCount
    }
    let total = Lanes.sum(sum)
    let logTotal = logarithm(Vector(repeating: total))[0]
    let own = isKnown ? z[label] - largest : .nan
    losses[row] = logTotal - (1 - smoothing) * own - uniform * Lanes.sum(shifted)
    hits[row] = isKnown && isFirstMaximum(label, z, largest) ? 1 : 0

    if let dlogits {
      let dz = dlogits + row * stride
      let invalid: Float = isKnown ? 0 : .nan
      j = 0
      while j < classes {
        let gradient = (dz.vector(j) / total - uniform + invalid) * scale
        dz.store(gradient.replacing(with: 0, where: .!Lanes.within(classes, from: j)), j)
        j += laneCount
      }
      if isKnown { dz[label] -= (1 - smoothing) * scale }
    }
  }
}

@inline(__always) private func rowMaximum(_ columns: Int, _ z: UnsafePointer<Float>) -> Float {
  var largest = Vector(repeating: -.infinity)
  var j = 0
  while j < columns {
    let value = z.vector(j)
    largest.replace(with: value, where: (value .> largest) .& Lanes.within(columns, from: j))
    j += laneCount
  }
  return Lanes.maximum(largest)
}

@inline(__always) private func isFirstMaximum(
  _ label: Int, _ z: UnsafePointer<Float>, _ largest: Float
) -> Bool {
  guard z[label] == largest else { return false }
  var j = 0
  while j < label {
    if z[j] == largest { return false }
    j += 1
  }
  return true
}

/// Squared error of rows: losses[row] = sum over columns of (x - t)^2; dx = (x - t) * scale, padding becomes zero.
///
/// x, dx: [rows, columns], rows `xStride` floats apart; t: the same, `tStride` apart. `dx` may be nil.
public func squaredError(
  _ rows: Int, _ columns: Int, _ x: UnsafePointer<Float>, _ xStride: Int, _ t: UnsafePointer<Float>,
  _ tStride: Int, _ scale: Float, _ losses: UnsafeMutablePointer<Float>, _ dx: UnsafeMutablePointer<Float>?
) {
  for row in 0..<rows {
    var sum = Vector.zero
    var j = 0
    while j < columns {
      let distance = ((x + row * xStride).vector(j) - (t + row * tStride).vector(j))
        .replacing(with: 0, where: .!Lanes.within(columns, from: j))
      sum = sum.addingProduct(distance, distance)
      if let dx { (dx + row * xStride).store(distance * scale, j) }
      j += laneCount
    }
    losses[row] = Lanes.sum(sum)
  }
}
