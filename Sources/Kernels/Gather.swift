// Fetching a batch: rows of the data set, by their numbers.

/// to[i, :] = from[rows[i], :] for `count` rows of `columns` floats; `from` has no padding, `to` rows of `stride`.
public func gatherRows(
  _ count: Int, _ columns: Int, _ from: UnsafePointer<Float>, _ rows: UnsafePointer<Int32>,
  _ to: UnsafeMutablePointer<Float>, _ stride: Int
) {
  for i in 0..<count {
    (to + i * stride).update(from: from + Int(rows[i]) * columns, count: columns)
  }
}

/// to[i, :] = from[rows[i], :] / 255 for bytes; otherwise as `gatherRows`.
public func gatherBytes(
  _ count: Int, _ columns: Int, _ from: UnsafePointer<UInt8>, _ rows: UnsafePointer<Int32>,
  _ to: UnsafeMutablePointer<Float>, _ stride: Int
) {
  for i in 0..<count {
    let (row, target) = (from + Int(rows[i]) * columns, to + i * stride)
    for j in 0..<columns { target[j] = Float(row[j]) / 255 }
  }
}

/// x[i, j] = (x[i, j] - mean[j]) * scale[j] for `count` rows, `stride` floats apart; 0, the mean, where that is not a
/// number.
public func standardizeRows(
  _ count: Int, _ columns: Int, _ mean: UnsafePointer<Float>, _ scale: UnsafePointer<Float>,
  _ x: UnsafeMutablePointer<Float>, _ stride: Int
) {
  for i in 0..<count {
    let row = x + i * stride
    for j in 0..<columns {
      let value = (row[j] - mean[j]) * scale[j]
      row[j] = value == value ? value : 0
    }
  }
}

/// to[i] = from[rows[i]].
public func gatherLabels(
  _ count: Int, _ from: UnsafePointer<Int32>, _ rows: UnsafePointer<Int32>, _ to: UnsafeMutablePointer<Int32>
) {
  for i in 0..<count { to[i] = from[Int(rows[i])] }
}
