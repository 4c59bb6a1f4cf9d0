// Bringing examples from a data set to where a plan reads them.

extension FlatPasses {
  /// Row i of `to`, `stride` floats after the one before, becomes row `rows[i]` of the floats, of which each has
  /// `columns`.
  public func gather(
    _ rows: UnsafeBufferPointer<Int32>, of floats: UnsafeBufferPointer<Float>, columns: Int,
    to: UnsafeMutablePointer<Float>, stride: Int
  ) {
    guard let first = rows.baseAddress, let floats = floats.baseAddress else { return }
    let source = UnsafeMutablePointer(mutating: floats)
    gather(.gatherRows, rows.count, source, Self.words(first), to, columns, stride, bytes: 4 * columns)
  }

  /// The same of bytes, which stand for `byte / 255`.
  public func gather(
    _ rows: UnsafeBufferPointer<Int32>, of bytes: UnsafeBufferPointer<UInt8>, columns: Int,
    to: UnsafeMutablePointer<Float>, stride: Int
  ) {
    guard let first = rows.baseAddress, let bytes = bytes.baseAddress else { return }
    gather(
      .gatherBytes, rows.count, Self.words(bytes), Self.words(first), to, columns, stride, bytes: columns)
  }

  /// Brings rows, `stride` floats apart, to mean 0 and scale 1, of which each column has its own; what is not a number
  /// becomes 0.
  public func standardize(
    _ x: UnsafeMutablePointer<Float>, rows: Int, stride: Int, mean: UnsafeBufferPointer<Float>,
    scale: UnsafeBufferPointer<Float>
  ) {
    guard let first = mean.baseAddress, let factors = scale.baseAddress else { return }
    let columns = min(mean.count, scale.count)
    run(
      .standardizeRows, Split(rows, unit: 8, nanoseconds: rows * columns / 8),
      (x, UnsafeMutablePointer(mutating: first), UnsafeMutablePointer(mutating: factors), nil),
      sizes: SIMD8(columns, stride, 0, 0, 0, 0, 0, 0))
  }

  /// Rows lie anywhere in the data: a byte takes a third of a nanosecond to come.
  private func gather(
    _ opcode: Opcode, _ count: Int, _ from: UnsafeMutablePointer<Float>, _ rows: UnsafeMutablePointer<Float>,
    _ to: UnsafeMutablePointer<Float>, _ columns: Int, _ stride: Int, bytes: Int
  ) {
    run(
      opcode, Split(count, unit: 8, nanoseconds: count * bytes / 3), (from, rows, to, nil),
      sizes: SIMD8(columns, stride, 0, 0, 0, 0, 0, 0))
  }

  /// An address as commands have it.
  private static func words(_ pointer: UnsafeRawPointer) -> UnsafeMutablePointer<Float> {
    UnsafeMutableRawPointer(mutating: pointer).assumingMemoryBound(to: Float.self)
  }
}
