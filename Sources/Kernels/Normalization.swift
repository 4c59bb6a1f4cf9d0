// Normalization of channels over the rows of a batch. Sums go over chunks of rows whose size is a constant of the
// plan; the chunks' results are put together in their order, in double.

/// mean[j] and squares[j], the sum of (x[i, j] - mean[j])^2, over `rows` rows of `stride` floats: `stride` means,
/// then as many sums. The mean's rounding, which counts where a channel lies far from 0 for its deviation, is taken out in
/// the second pass. Reference: the corrected two-pass algorithm of Chan, Golub, LeVeque 1983.
public func batchMoments(
  _ rows: Int, _ stride: Int, _ x: UnsafePointer<Float>, _ moments: UnsafeMutablePointer<Float>
) {
  let share = 1 / Float(rows)
  var j = 0
  while j < stride {
    let pivot = columnSum(rows, stride, x + j) * share
    var (s0, s1, q0, q1) = (Vector.zero, Vector.zero, Vector.zero, Vector.zero)
    var (row, i) = (x + j, 0)
    while i + 2 <= rows {
      let (d0, d1) = (row.vector(0) - pivot, row.vector(stride) - pivot)
      s0 += d0
      s1 += d1
      q0 = q0.addingProduct(d0, d0)
      q1 = q1.addingProduct(d1, d1)
      row += 2 * stride
      i += 2
    }
    if i < rows {
      let d = row.vector(0) - pivot
      s0 += d
      q0 = q0.addingProduct(d, d)
    }
    let rest = s0 + s1
    moments.store(pivot.addingProduct(rest, share), j)
    moments.store((q0 + q1) - rest * rest * share, stride + j)
    j += laneCount
  }
}

/// Puts the moments of all chunks together. The last chunk may be short.
///
/// saved: mean, 1 / sqrt(variance + epsilon), scale and shift, `stride` floats each, where y = x * scale + shift;
/// the variance divides by n, that of the running statistics by n - 1. `counter` counts the batches.
/// Reference: Chan, Golub, LeVeque 1979; PyTorch's BatchNorm.
public func batchStatistics(
  _ rows: Int, _ chunk: Int, _ stride: Int, _ moments: UnsafePointer<Float>, _ weight: UnsafePointer<Float>,
  _ bias: UnsafePointer<Float>, _ epsilon: Float, _ momentum: Float, _ saved: UnsafeMutablePointer<Float>,
  _ runningMean: UnsafeMutablePointer<Float>, _ runningVariance: UnsafeMutablePointer<Float>,
  _ counter: UnsafeMutableRawPointer
) {
  let n = Double(rows)
  let batches = counter.load(as: Int64.self) &+ 1
  // Below 0: the plain mean over all batches.
  let share = momentum < 0 ? 1 / Double(batches) : Double(momentum)
  let kept = 1 - share
  for j in 0..<stride {
    var (sum, first, part) = (0.0, 0, moments + j)
    while first < rows {
      sum += Double(part[0]) * Double(min(chunk, rows - first))
      first += chunk
      part += 2 * stride
    }
    let mean = sum / n
    var squares = 0.0
    (first, part) = (0, moments + j)
    while first < rows {
      let distance = Double(part[0]) - mean
      squares += Double(part[stride]) + distance * distance * Double(min(chunk, rows - first))
      first += chunk
      part += 2 * stride
    }
    let inverse = 1 / (squares / n + Double(epsilon)).squareRoot()
    let scale = Double(weight[j]) * inverse
    saved[j] = Float(mean)
    saved[stride + j] = Float(inverse)
    saved[2 * stride + j] = Float(scale)
    saved[3 * stride + j] = Float(Double(bias[j]) - mean * scale)
    runningMean[j] = Float(kept * Double(runningMean[j]) + share * mean)
    runningVariance[j] = Float(kept * Double(runningVariance[j]) + share * squares / max(n - 1, 1))
  }
  counter.storeBytes(of: batches, as: Int64.self)
}

/// Scale and shift from the running statistics, for evaluation: y = x * scale + shift.
public func batchCoefficients(
  _ stride: Int, _ weight: UnsafePointer<Float>, _ bias: UnsafePointer<Float>, _ epsilon: Float,
  _ runningMean: UnsafePointer<Float>, _ runningVariance: UnsafePointer<Float>,
  _ coefficients: UnsafeMutablePointer<Float>
) {
  for j in 0..<stride {
    let scale = Double(weight[j]) / (Double(runningVariance[j]) + Double(epsilon)).squareRoot()
    coefficients[j] = Float(scale)
    coefficients[stride + j] = Float(Double(bias[j]) - Double(runningMean[j]) * scale)
  }
}

/// y = x * scale + shift, the positive part of it with `rectifies`; scale and shift are `stride` floats each.
public func batchNormalize(
  _ rows: Int, _ stride: Int, _ x: UnsafePointer<Float>, _ coefficients: UnsafePointer<Float>,
  _ rectifies: Bool, _ y: UnsafeMutablePointer<Float>
) {
  var j = 0
  while j < stride {
    let (scale, shift) = (coefficients.vector(j), coefficients.vector(stride + j))
    var place = j
    for _ in 0..<rows {
      let value = shift.addingProduct(x.vector(place), scale)
      y.store(rectifies ? positivePart(value) : value, place)
      place += stride
    }
    j += laneCount
  }
}

/// sums over rows of dz and of dz * (x - mean), `stride` floats each, with dz = dy, or where `y` is given, the
/// output of a ReLU that follows, dy where y > 0.
public func batchGradientSums(
  _ rows: Int, _ stride: Int, _ dy: UnsafePointer<Float>, _ x: UnsafePointer<Float>,
  _ saved: UnsafePointer<Float>, _ y: UnsafePointer<Float>?, _ sums: UnsafeMutablePointer<Float>
) {
  var j = 0
  while j < stride {
    let mean = saved.vector(j)
    var (a0, a1, b0, b1) = (Vector.zero, Vector.zero, Vector.zero, Vector.zero)
    var (place, i) = (j, 0)
    while i + 2 <= rows {
      var (z0, z1) = (dy.vector(place), dy.vector(place + stride))
      if let y { (z0, z1) = (reluSlope(z0, y.vector(place)), reluSlope(z1, y.vector(place + stride))) }
      a0 += z0
      a1 += z1
      b0 = b0.addingProduct(z0, x.vector(place) - mean)
      b1 = b1.addingProduct(z1, x.vector(place + stride) - mean)
      place += 2 * stride
      i += 2
    }
    if i < rows {
      var z0 = dy.vector(place)
      if let y { z0 = reluSlope(z0, y.vector(place)) }
      a0 += z0
      b0 = b0.addingProduct(z0, x.vector(place) - mean)
    }
    sums.store(a0 + a1, j)
    sums.store(b0 + b1, stride + j)
    j += laneCount
  }
}

/// Puts the sums of all chunks together: the gradients of weight and bias, and three coefficients, `stride` floats
/// each, with which dx = a dz + b (x - mean) + c.
public func batchGradientCombine(
  _ rows: Int, _ chunks: Int, _ stride: Int, _ sums: UnsafePointer<Float>, _ weight: UnsafePointer<Float>,
  _ saved: UnsafePointer<Float>, _ dweight: UnsafeMutablePointer<Float>, _ dbias: UnsafeMutablePointer<Float>,
  _ coefficients: UnsafeMutablePointer<Float>
) {
  let n = Double(rows)
  for j in 0..<stride {
    var (sum, product, part) = (0.0, 0.0, sums + j)
    for _ in 0..<chunks {
      sum += Double(part[0])
      product += Double(part[stride])
      part += 2 * stride
    }
    let inverse = Double(saved[stride + j])
    let scale = Double(weight[j]) * inverse
    dweight[j] = Float(product * inverse)
    dbias[j] = Float(sum)
    coefficients[j] = Float(scale)
    coefficients[stride + j] = Float(-scale * inverse * inverse * product / n)
    coefficients[2 * stride + j] = Float(-scale * sum / n)
  }
}

/// dx = a dz + b (x - mean) + c, with dz as in `batchGradientSums`.
public func batchGradient(
  _ rows: Int, _ stride: Int, _ dy: UnsafePointer<Float>, _ x: UnsafePointer<Float>,
  _ saved: UnsafePointer<Float>, _ coefficients: UnsafePointer<Float>, _ y: UnsafePointer<Float>?,
  _ dx: UnsafeMutablePointer<Float>
) {
  var j = 0
  while j < stride {
    let mean = saved.vector(j)
    let (a, b) = (coefficients.vector(j), coefficients.vector(stride + j))
    let c = coefficients.vector(2 * stride + j)
    var place = j
    for _ in 0..<rows {
      var dz = dy.vector(place)
      if let y { dz = reluSlope(dz, y.vector(place)) }
      dx.store(c.addingProduct(b, x.vector(place) - mean).addingProduct(a, dz), place)
      place += stride
    }
    j += laneCount
  }
}
