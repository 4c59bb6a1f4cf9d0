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
