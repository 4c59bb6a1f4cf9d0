// What a batch did to the units of a layer.

/// fired[j] = 1 where x[row, j] > 0 in any row, else 0. `columns` is a multiple of 16.
public func firedColumns(
  _ rows: Int, _ columns: Int, _ x: UnsafePointer<Float>, _ stride: Int, _ fired: UnsafeMutablePointer<Float>
) {
  var j = 0
  while j < columns {
    var largest = Vector.zero
    var row = x + j
    for _ in 0..<rows {
      let value = row.vector(0)
      largest = largest.replacing(with: value, where: value .> largest)
      row += stride
    }
    fired.store(Vector.zero.replacing(with: 1, where: largest .> 0), j)
    j += laneCount
  }
}
