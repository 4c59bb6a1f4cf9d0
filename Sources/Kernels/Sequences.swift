// Sequences: a batch of them is [batch, time, width], one time step a row, each row padded to a multiple of 16.

/// Copies `rows` rows of `parts` parts of `columns` floats; in both places rows and parts have strides of their own.
/// The padding of `to`, after each part and after the last part of a row, is set to 0.
public func repack(
  _ rows: Int, _ parts: Int, _ columns: Int, _ from: UnsafePointer<Float>, _ fromRow: Int, _ fromPart: Int,
  _ to: UnsafeMutablePointer<Float>, _ toRow: Int, _ toPart: Int
) {
  for row in 0..<rows {
    var (source, target) = (from + row * fromRow, to + row * toRow)
    let end = target + toRow
    for _ in 0..<parts {
      target.update(from: source, count: columns)
      if toPart > columns { (target + columns).update(repeating: 0, count: toPart - columns) }
      source += fromPart
      target += toPart
    }
    if target < end { target.update(repeating: 0, count: end - target) }
  }
}

/// y[row] = table[token of row], for `rows` rows from `first` on; row r is time step r % steps of example r / steps,
/// whose tokens are floats, `tokenStride` apart from one example's to the next. table: [vocabulary, ...], rows of
/// `stride` floats as y's. What is no token of the vocabulary gives not-a-number.
public func embed(
  _ first: Int, _ rows: Int, _ steps: Int, _ tokenStride: Int, _ vocabulary: Int, _ stride: Int,
  _ tokens: UnsafePointer<Float>, _ table: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>
) {
  for row in first..<first + rows {
    let token = tokens[row / steps * tokenStride + row % steps]
    let target = y + row * stride
    if token >= 0 && token < Float(vocabulary) {
      target.update(from: table + Int(token) * stride, count: stride)
    } else {
      target.update(repeating: .nan, count: stride)
    }
  }
}

/// dtable[token] = the sum of dy over the token's rows, going upwards, for `columns` of its columns, a multiple of 16.
public func embedGradient(
  _ rows: Int, _ columns: Int, _ steps: Int, _ tokenStride: Int, _ vocabulary: Int, _ stride: Int,
  _ tokens: UnsafePointer<Float>, _ dy: UnsafePointer<Float>, _ dtable: UnsafeMutablePointer<Float>
) {
  for token in 0..<vocabulary { (dtable + token * stride).update(repeating: 0, count: columns) }
  for row in 0..<rows {
    let token = tokens[row / steps * tokenStride + row % steps]
    guard token >= 0 && token < Float(vocabulary) else { continue }
    let (source, target) = (dy + row * stride, dtable + Int(token) * stride)
    var j = 0
    while j < columns {
      target.store(target.vector(j) + source.vector(j), j)
      j += laneCount
    }
  }
}

/// y[row] = x[row] + table[row % steps] for `rows` rows from `first` on, all of `stride` floats.
public func addPositions(
  _ first: Int, _ rows: Int, _ steps: Int, _ stride: Int, _ x: UnsafePointer<Float>,
  _ table: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>
) {
  for row in first..<first + rows {
    let (source, position, target) = (x + row * stride, table + row % steps * stride, y + row * stride)
    var j = 0
    while j < stride {
      target.store(source.vector(j) + position.vector(j), j)
      j += laneCount
    }
  }
}

/// dtable[step] = the sum over `batch` examples of dy[example, step], for `count` steps from `first` on.
public func positionsGradient(
  _ first: Int, _ count: Int, _ batch: Int, _ steps: Int, _ stride: Int, _ dy: UnsafePointer<Float>,
  _ dtable: UnsafeMutablePointer<Float>
) {
  for step in first..<first + count {
    var j = 0
    while j < stride {
      var sum = Vector.zero
      for example in 0..<batch { sum += (dy + (example * steps + step) * stride).vector(j) }
      (dtable + step * stride).store(sum, j)
      j += laneCount
    }
  }
}
