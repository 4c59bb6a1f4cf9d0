// Bringing examples from a data set to where a plan reads them.

extension KernelTable {
  /// Row i of `to`, `stride` floats after the one before, becomes row `rows[i]` of the floats, of which each has
  /// `columns`.
  public func gather(
    _ rows: UnsafeBufferPointer<Int32>, of floats: UnsafeBufferPointer<Float>, columns: Int,
    to: UnsafeMutablePointer<Float>, stride: Int
  ) {
    guard let first = rows.baseAddress, let floats = floats.baseAddress else { return }
    gatherRows(rows.count, columns, floats, first, to, stride)
  }

  /// The same of bytes, which stand for `byte / 255`.
  public func gather(
    _ rows: UnsafeBufferPointer<Int32>, of bytes: UnsafeBufferPointer<UInt8>, columns: Int,
    to: UnsafeMutablePointer<Float>, stride: Int
  ) {
    guard let first = rows.baseAddress, let bytes = bytes.baseAddress else { return }
    gatherBytes(rows.count, columns, bytes, first, to, stride)
  }

  /// Brings rows, `stride` floats apart, to mean 0 and scale 1, of which each column has its own; what is not a number
  /// becomes 0.
  public func standardize(
    _ x: UnsafeMutablePointer<Float>, rows: Int, stride: Int, mean: UnsafeBufferPointer<Float>,
    scale: UnsafeBufferPointer<Float>
  ) {
    guard let first = mean.baseAddress, let factors = scale.baseAddress else { return }
    standardizeRows(rows, min(mean.count, scale.count), first, factors, x, stride)
  }
}
