// Normalization of rows: each row to mean 0 and variance 1, or to root mean square 1, times a weight.
// Rows are padded with zeros; so are weights and biases.

/// y = (x - mean) r weight + bias with r = 1 / sqrt(variance + epsilon), the variance divided by `columns`; without
/// `isCentered` the mean counts as 0. statistics: [rows, 2], mean and r. `bias` may be nil.
/// References: Ba, Kiros, Hinton 2016; Zhang, Sennrich 2019.
public func normalizeRows(
  _ rows: Int, _ columns: Int, _ stride: Int, _ x: UnsafePointer<Float>, _ weight: UnsafePointer<Float>,
  _ bias: UnsafePointer<Float>?, _ epsilon: Float, _ isCentered: Bool, _ y: UnsafeMutablePointer<Float>,
  _ statistics: UnsafeMutablePointer<Float>
) {
  let count = Float(columns)
  for row in 0..<rows {
    let (source, target) = (x + row * stride, y + row * stride)
    var mean: Float = 0
    if isCentered {
      var sum = Vector.zero
      var j = 0
      while j < columns {
        sum += source.vector(j)
        j += laneCount
      }
      mean = Lanes.sum(sum) / count
    }
    var squares = Vector.zero
    var j = 0
    while j < columns {
      let distance = (source.vector(j) - mean).replacing(with: 0, where: .!Lanes.within(columns, from: j))
      squares = squares.addingProduct(distance, distance)
      j += laneCount
    }
    let scale = 1 / (Lanes.sum(squares) / count + epsilon).squareRoot()
    j = 0
    while j < columns {
      let normal = (source.vector(j) - mean) * scale
      target.store((bias?.vector(j) ?? .zero).addingProduct(normal, weight.vector(j)), j)
      j += laneCount
    }
    statistics[2 * row] = mean
    statistics[2 * row + 1] = scale
  }
}

/// dx = r (dn - mean dn - n mean(dn n)) with dn = dy weight and n = (x - mean) r; without `isCentered` mean dn is left
/// out. `added`, laid out as dx, is added where it is not nil: what reaches x on another way.
public func normalizeRowsGradient(
  _ rows: Int, _ columns: Int, _ stride: Int, _ dy: UnsafePointer<Float>, _ x: UnsafePointer<Float>,
  _ weight: UnsafePointer<Float>, _ statistics: UnsafePointer<Float>, _ isCentered: Bool,
  _ added: UnsafePointer<Float>?, _ dx: UnsafeMutablePointer<Float>
) {
  let share = 1 / Float(columns)
  for row in 0..<rows {
    let (dyRow, xRow, dxRow) = (dy + row * stride, x + row * stride, dx + row * stride)
    let (mean, scale) = (statistics[2 * row], statistics[2 * row + 1])
    // dy's padding is 0, so what is computed there adds nothing.
    var (sum, product) = (Vector.zero, Vector.zero)
    var j = 0
    while j < columns {
      let dn = dyRow.vector(j) * weight.vector(j)
      sum += dn
      product = product.addingProduct(dn, (xRow.vector(j) - mean) * scale)
      j += laneCount
    }
    let meanGradient = isCentered ? Lanes.sum(sum) * share : 0
    let meanProduct = Lanes.sum(product) * share
    j = 0
    while j < columns {
      let dn = dyRow.vector(j) * weight.vector(j)
      let normal = (xRow.vector(j) - mean) * scale
      let inner = (dn - meanGradient).addingProduct(normal, Vector(repeating: -meanProduct))
      let gradient = (inner * scale).replacing(with: 0, where: .!Lanes.within(columns, from: j))
      if let added {
        dxRow.store(gradient + (added + row * stride).vector(j), j)
      } else {
        dxRow.store(gradient, j)
      }
      j += laneCount
    }
  }
}

/// dweight = sum over rows of dy (x - mean) r, dbias = sum of dy, for `columns` columns, a multiple of 16. `dbias` may be
/// nil.
public func normalizeRowsParameterGradients(
  _ rows: Int, _ columns: Int, _ stride: Int, _ dy: UnsafePointer<Float>, _ x: UnsafePointer<Float>,
  _ statistics: UnsafePointer<Float>, _ dweight: UnsafeMutablePointer<Float>,
  _ dbias: UnsafeMutablePointer<Float>?
) {
  dweight.update(repeating: 0, count: columns)
  dbias?.update(repeating: 0, count: columns)
  for row in 0..<rows {
    let (dyRow, xRow) = (dy + row * stride, x + row * stride)
    let (mean, scale) = (statistics[2 * row], statistics[2 * row + 1])
    var j = 0
    while j < columns {
      let d = dyRow.vector(j)
      dweight.store(dweight.vector(j).addingProduct(d, (xRow.vector(j) - mean) * scale), j)
      if let dbias { dbias.store(dbias.vector(j) + d, j) }
      j += laneCount
    }
  }
}
