// Flat memory, and where each parameter lies in it.

import Glibc

/// A block of floats on a cache line's border, zero at first; freed with its last owner.
///
/// A large one takes memory only where it is written, and is made of large pages where the system has them, of which
/// the processor's table of addresses holds all that a step touches.
public final class Arena {
  /// How many floats.
  public let floats: Int
  /// The first of them.
  public let pointer: UnsafeMutablePointer<Float>
  /// Bytes asked of the system for this arena alone; 0 for a small one.
  private let mapped: Int

  /// Bytes of a large page.
  private static let pageBytes = 1 << 21

  /// Allocates `floats` zeros.
  public init(floats: Int) {
    self.floats = floats
    let bytes = max(64, floats * MemoryLayout<Float>.stride)
    if bytes >= Self.pageBytes, let memory = Self.map(bytes) {
      mapped = bytes
      pointer = memory.bindMemory(to: Float.self, capacity: floats)
    } else {
      mapped = 0
      let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
      pointer = memory.initializeMemory(as: Float.self, repeating: 0, count: max(16, floats))
    }
  }

  deinit {
    if mapped > 0 { munmap(pointer, mapped) } else { UnsafeMutableRawPointer(pointer).deallocate() }
  }

  /// Zeros that begin at a large page's border; nil where the system has no room.
  private static func map(_ bytes: Int) -> UnsafeMutableRawPointer? {
    let whole = bytes + pageBytes
    guard let start = mmap(nil, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
      start != MAP_FAILED
    else { return nil }
    let page = Int(getpagesize())
    let before = (pageBytes - Int(bitPattern: start) % pageBytes) % pageBytes
    let used = (bytes + page - 1) / page * page
    if before > 0 { munmap(start, before) }
    munmap(start + before + used, whole - before - used)
    madvise(start + before, used, MADV_HUGEPAGE)
    return start + before
  }

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

    /// Size of its first dimension, along which it can be read and written in pieces.
    public var lines: Int { isTable ? rows : columns }
    /// Numbers of a line.
    public var lineCount: Int { isTable ? columns : rows }

    /// The lines in pieces of at most `floats` numbers, and at least a line.
    public func pieces(of floats: Int) -> [Range<Int>] {
      let size = max(1, floats / max(1, lineCount))
      return Swift.stride(from: 0, to: lines, by: size).map { $0..<min($0 + size, lines) }
    }

    /// Calls `body` with the place of each number of `lines` among them, and its place in an arena.
    @inline(__always) fileprivate func forEachPlace(of lines: Range<Int>, _ body: (Int, Int) -> Void) {
      if isTable {
        for row in lines {
          for column in 0..<columns {
            body((row - lines.lowerBound) * columns + column, offset + row * stride + column)
          }
        }
        return
      }
      // A cache line of each stored row at a time.
      let order = rowOrder
      for first in Swift.stride(from: lines.lowerBound, to: lines.upperBound, by: 16) {
        let last = min(first + 16, lines.upperBound)
        for row in 0..<rows {
          let stored = offset + (order?[row] ?? row) * stride
          for column in first..<last { body((column - lines.lowerBound) * rows + row, stored + column) }
        }
      }
    }

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
    read(index, lines: 0..<entries[index].lines, from: arena)
  }

  /// The numbers of some of a parameter's lines, in PyTorch's order.
  public func read(_ index: Int, lines: Range<Int>, from arena: Arena) -> [Float] {
    let entry = entries[index]
    return [Float](unsafeUninitializedCapacity: lines.count * entry.lineCount) { values, count in
      entry.forEachPlace(of: lines) { place, stored in values[place] = arena.pointer[stored] }
      count = lines.count * entry.lineCount
    }
  }

  /// Stores a parameter's numbers, given in PyTorch's order; throws when there are too many or too few.
  public func write(_ values: [Float], to index: Int, in arena: Arena) throws(GraphError) {
    try write(values, to: index, lines: 0..<entries[index].lines, in: arena)
  }

  /// Stores the numbers of some of a parameter's lines, given in PyTorch's order; throws when there are too many or too
  /// few.
  public func write(_ values: [Float], to index: Int, lines: Range<Int>, in arena: Arena) throws(GraphError) {
    let entry = entries[index]
    guard values.count == lines.count * entry.lineCount else {
      throw GraphError(
        "parameter \(entry.name)",
        "expected \(lines.count * entry.lineCount) numbers for shape \(entry.shape), got \(values.count)")
    }
    values.withUnsafeBufferPointer { values in
      entry.forEachPlace(of: lines) { place, stored in arena.pointer[stored] = values[place] }
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
