// Flat memory, and where each parameter lies in it.

/// A block of floats on a cache line's border, zero at first; freed with its last owner.
public final class Arena {
  /// How many floats.
  public let floats: Int
  /// The first of them.
  public let pointer: UnsafeMutablePointer<Float>

  /// Allocates `floats` zeros.
  public init(floats: Int) {
    self.floats = floats
    let bytes = max(64, floats * MemoryLayout<Float>.stride)
    let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
    pointer = memory.initializeMemory(as: Float.self, repeating: 0, count: max(16, floats))
  }

  deinit { UnsafeMutableRawPointer(pointer).deallocate() }

  /// Copies as many floats as both have.
  public func copy(from other: Arena) {
    pointer.update(from: other.pointer, count: min(floats, other.floats))
  }
}

/// Where the parameters of a model lie in a flat arena. Parameters, gradients and each slot of an optimizer are
/// arenas of one layout, so that clipping, decay and updates are one pass.
///
/// A matrix is stored transposed, [in, out], its rows padded with zeros to a multiple of sixteen floats; a vector
/// is one such row. The weight of a convolution, [out, in, height, width], is stored as the matrix
/// [height * width * in, out]; a table, whose rows are looked up, as it is. `read` and `write` translate from and to
/// PyTorch's order.
public struct ParameterLayout: Sendable, Equatable {
  /// One parameter.
  public struct Entry: Sendable, Equatable {
    /// Its name in PyTorch's `state_dict`: `0.weight`.
    public let name: String
    /// Its shape in PyTorch: [out, in], [out, in, height, width] or [n]; [] for a counter.
    public let shape: [Int]
    /// Its first float in an arena.
    public let offset: Int
    /// Whether it is stored as in PyTorch, a row of [rows, columns] after the other, for rows to be looked up.
    public let isTable: Bool

    /// How many numbers it has.
    public var count: Int { shape.reduce(1, *) }
    /// How many floats it takes in an arena, padding included.
    public var floats: Int { rows * stride }
    /// The floats it takes in an arena.
    public var range: Range<Int> { offset..<offset + floats }

    /// Rows as stored.
    var rows: Int { isTable ? shape[0] : shape.dropFirst().reduce(1, *) }
    /// Columns as stored, without padding.
    var columns: Int { isTable ? shape[1] : shape.first ?? 1 }
    /// Floats from one stored row to the next.
    var stride: Int { padded(columns) }

    /// From one row's number to the next's, and from one column's, in PyTorch's order.
    fileprivate var order: (row: Int, column: Int) { isTable ? (columns, 1) : (1, rows) }

    /// Where each row of PyTorch's order is stored; nil where the order is the same.
    fileprivate var rowOrder: [Int]? {
      guard shape.count == 4 else { return nil }
      let (channels, taps) = (shape[1], shape[2] * shape[3])
      return (0..<rows).map { $0 % taps * channels + $0 / taps }
    }
  }

  /// All parameters in the order of their declaration.
  public private(set) var entries: [Entry] = []
  /// Floats of an arena of this layout.
  public private(set) var floats = 0

  /// A layout without parameters.
  init() {}

  /// Bytes of an arena of this layout.
  public var bytes: Int { floats * MemoryLayout<Float>.stride }

  /// The number of the parameter with this name.
  public func index(of name: String) -> Int? {
    entries.firstIndex { $0.name == name }
  }

  /// A parameter's numbers in PyTorch's order.
  public func read(_ index: Int, from arena: Arena) -> [Float] {
    let entry = entries[index]
    let stored = arena.pointer + entry.offset
    let (order, place) = (entry.rowOrder, entry.order)
    return [Float](unsafeUninitializedCapacity: entry.count) { values, count in
      for column in 0..<entry.columns {
        for row in 0..<entry.rows {
          values[column * place.column + row * place.row] =
            stored[(order?[row] ?? row) * entry.stride + column]
        }
      }
      count = entry.count
    }
  }

  /// Stores a parameter's numbers, given in PyTorch's order; throws when there are too many or too few.
  public func write(_ values: [Float], to index: Int, in arena: Arena) throws(GraphError) {
    let entry = entries[index]
    guard values.count == entry.count else {
      throw GraphError(
        "parameter \(entry.name)",
        "expected \(entry.count) numbers for shape \(entry.shape), got \(values.count)")
    }
    let stored = arena.pointer + entry.offset
    let (order, place) = (entry.rowOrder, entry.order)
    for column in 0..<entry.columns {
      for row in 0..<entry.rows {
        stored[(order?[row] ?? row) * entry.stride + column] = values[column * place.column + row * place.row]
      }
    }
  }

  /// The count that a counter, an entry of shape [], holds.
  public func readCounter(_ index: Int, from arena: Arena) -> Int64 {
    UnsafeRawPointer(arena.pointer + entries[index].offset).load(as: Int64.self)
  }

  /// Sets a counter.
  public func writeCounter(_ count: Int64, to index: Int, in arena: Arena) {
    UnsafeMutableRawPointer(arena.pointer + entries[index].offset).storeBytes(of: count, as: Int64.self)
  }

  /// Adds a parameter and gives its number.
  mutating func append(_ name: String, _ shape: [Int], isTable: Bool = false) -> Int {
    let entry = Entry(name: name, shape: shape, offset: floats, isTable: isTable)
    entries.append(entry)
    floats += entry.floats
    return entries.count - 1
  }
}
