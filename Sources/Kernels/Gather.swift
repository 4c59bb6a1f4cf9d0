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

/// to[i] = from[rows[i]].
public func gatherLabels(
  _ count: Int, _ from: UnsafePointer<Int32>, _ rows: UnsafePointer<Int32>, _ to: UnsafeMutablePointer<Int32>
) {
  for i in 0..<count { to[i] = from[Int(rows[i])] }
}
