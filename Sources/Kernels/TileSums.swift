// The sums of the tiles that products and convolutions walk: a few rows by 32 or by sixteen columns, put together from
// groups of four, two and one row. Plain structs of vectors, which the compiler keeps in registers whole; generic over
// types of this module only, so that the three compilations share no symbol.

/// A few rows of sixteen columns.
protocol RowSums {
  static var rows: Int { get }
  /// Each row the same.
  init(repeating value: Vector)
  /// Those at `c`, `stride` floats apart.
  init(_ c: UnsafeMutablePointer<Float>, _ stride: Int)
  /// Adds the product of one column of A (rows `stride` apart) with one row of B.
  mutating func add(_ a: UnsafePointer<Float>, _ stride: Int, _ b: Vector)
  func store(_ c: UnsafeMutablePointer<Float>, _ stride: Int)
}

/// Four rows of sixteen columns.
struct FourRows: RowSums {
  var r0, r1, r2, r3: Vector

  @inline(__always) static var rows: Int { 4 }

  @inline(__always) init(repeating value: Vector) {
    (r0, r1, r2, r3) = (value, value, value, value)
  }

  @inline(__always) init(_ c: UnsafeMutablePointer<Float>, _ stride: Int) {
    (r0, r1) = (c.vector(0), c.vector(stride))
    (r2, r3) = (c.vector(2 * stride), c.vector(3 * stride))
  }

  /// The first `rows` of them; zeros for the others.
  @inline(__always) init(_ c: UnsafeMutablePointer<Float>, _ stride: Int, rows: Int) {
    r0 = rows > 0 ? c.vector(0) : .zero
    r1 = rows > 1 ? c.vector(stride) : .zero
    r2 = rows > 2 ? c.vector(2 * stride) : .zero
    r3 = rows > 3 ? c.vector(3 * stride) : .zero
  }

  @inline(__always) mutating func add(_ a: UnsafePointer<Float>, _ stride: Int, _ b: Vector) {
    r0 = r0.addingProduct(a[0], b)
    r1 = r1.addingProduct(a[stride], b)
    r2 = r2.addingProduct(a[2 * stride], b)
    r3 = r3.addingProduct(a[3 * stride], b)
  }

  @inline(__always) func store(_ c: UnsafeMutablePointer<Float>, _ stride: Int) {
    c.store(r0, 0)
    c.store(r1, stride)
    c.store(r2, 2 * stride)
    c.store(r3, 3 * stride)
  }

  /// Stores the first `rows` of them, of which there is at least one.
  @inline(__always) func store(_ c: UnsafeMutablePointer<Float>, _ stride: Int, rows: Int) {
    c.store(r0, 0)
    if rows > 1 { c.store(r1, stride) }
    if rows > 2 { c.store(r2, 2 * stride) }
    if rows > 3 { c.store(r3, 3 * stride) }
  }
}

/// Two rows of sixteen columns.
struct TwoRows: RowSums {
  var r0, r1: Vector

  @inline(__always) static var rows: Int { 2 }

  @inline(__always) init(repeating value: Vector) { (r0, r1) = (value, value) }

  @inline(__always) init(_ c: UnsafeMutablePointer<Float>, _ stride: Int) {
    (r0, r1) = (c.vector(0), c.vector(stride))
  }

  @inline(__always) mutating func add(_ a: UnsafePointer<Float>, _ stride: Int, _ b: Vector) {
    r0 = r0.addingProduct(a[0], b)
    r1 = r1.addingProduct(a[stride], b)
  }

  @inline(__always) func store(_ c: UnsafeMutablePointer<Float>, _ stride: Int) {
    c.store(r0, 0)
    c.store(r1, stride)
  }
}

/// A row of sixteen columns.
struct OneRow: RowSums {
  var r0: Vector

  @inline(__always) static var rows: Int { 1 }

  @inline(__always) init(repeating value: Vector) { r0 = value }

  @inline(__always) init(_ c: UnsafeMutablePointer<Float>, _ stride: Int) { r0 = c.vector(0) }

  @inline(__always) mutating func add(_ a: UnsafePointer<Float>, _ stride: Int, _ b: Vector) {
    r0 = r0.addingProduct(a[0], b)
  }

  @inline(__always) func store(_ c: UnsafeMutablePointer<Float>, _ stride: Int) { c.store(r0, 0) }
}

/// Where four groups of four rows of A are: one address each, which leaves the processor nothing to compute for a row.
struct RowGroups {
  private var a0, a4, a8, a12: UnsafePointer<Float>
  /// Floats from one row to the next.
  let stride: Int

  @inline(__always) init(_ a: UnsafePointer<Float>, _ stride: Int) {
    (a0, a4, a8, a12) = (a, a + 4 * stride, a + 8 * stride, a + 12 * stride)
    self.stride = stride
  }

  /// The address of a row that begins a group.
  @inline(__always) subscript(_ row: Int) -> UnsafePointer<Float> {
    switch row {
    case 0: a0
    case 4: a4
    case 8: a8
    default: a12
    }
  }

  @inline(__always) mutating func advance(_ floats: Int) {
    a0 += floats
    a4 += floats
    a8 += floats
    a12 += floats
  }
}

/// The sums of a tile.
protocol TileSums {
  static var size: (rows: Int, columns: Int) { get }
  /// Those that C holds.
  init(_ c: UnsafeMutablePointer<Float>, _ stride: Int)
  /// Each row the same sixteen or 32 numbers.
  init(left: Vector, right: Vector)
  /// Adds the product of one column of A, from `row` on, with one row of B.
  mutating func add(_ a: RowGroups, from row: Int, left: Vector, right: Vector)
  func store(_ c: UnsafeMutablePointer<Float>, _ stride: Int)
}

/// Sixteen columns.
struct Narrow<Rows: RowSums>: TileSums {
  private var left: Rows

  @inline(__always) static var size: (rows: Int, columns: Int) { (Rows.rows, 16) }

  @inline(__always) init(_ c: UnsafeMutablePointer<Float>, _ stride: Int) { left = Rows(c, stride) }

  @inline(__always) init(left: Vector, right: Vector) { self.left = Rows(repeating: left) }

  @inline(__always) mutating func add(_ a: RowGroups, from row: Int, left: Vector, right: Vector) {
    self.left.add(a[row], a.stride, left)
  }

  @inline(__always) func store(_ c: UnsafeMutablePointer<Float>, _ stride: Int) { left.store(c, stride) }
}

/// 32 columns.
struct Wide<Rows: RowSums>: TileSums {
  private var left, right: Rows

  @inline(__always) static var size: (rows: Int, columns: Int) { (Rows.rows, 32) }

  @inline(__always) init(_ c: UnsafeMutablePointer<Float>, _ stride: Int) {
    left = Rows(c, stride)
    right = Rows(c + laneCount, stride)
  }

  @inline(__always) init(left: Vector, right: Vector) {
    self.left = Rows(repeating: left)
    self.right = Rows(repeating: right)
  }

  @inline(__always) mutating func add(_ a: RowGroups, from row: Int, left: Vector, right: Vector) {
    self.left.add(a[row], a.stride, left)
    self.right.add(a[row], a.stride, right)
  }

  @inline(__always) func store(_ c: UnsafeMutablePointer<Float>, _ stride: Int) {
    left.store(c, stride)
    right.store(c + laneCount, stride)
  }
}

/// One tile above another.
struct Stack<Upper: TileSums, Lower: TileSums>: TileSums {
  private var upper: Upper
  private var lower: Lower

  @inline(__always) static var size: (rows: Int, columns: Int) {
    (Upper.size.rows + Lower.size.rows, Upper.size.columns)
  }

  @inline(__always) init(_ c: UnsafeMutablePointer<Float>, _ stride: Int) {
    upper = Upper(c, stride)
    lower = Lower(c + Upper.size.rows * stride, stride)
  }

  @inline(__always) init(left: Vector, right: Vector) {
    upper = Upper(left: left, right: right)
    lower = Lower(left: left, right: right)
  }

  @inline(__always) mutating func add(_ a: RowGroups, from row: Int, left: Vector, right: Vector) {
    upper.add(a, from: row, left: left, right: right)
    lower.add(a, from: row + Upper.size.rows, left: left, right: right)
  }

  @inline(__always) func store(_ c: UnsafeMutablePointer<Float>, _ stride: Int) {
    upper.store(c, stride)
    lower.store(c + Upper.size.rows * stride, stride)
  }
}

typealias Wide2 = Wide<TwoRows>
typealias Wide4 = Wide<FourRows>
typealias Wide8 = Stack<Wide4, Wide4>
typealias Wide12 = Stack<Wide8, Wide4>
typealias Wide14 = Stack<Wide12, Wide2>

typealias Narrow1 = Narrow<OneRow>
typealias Narrow2 = Narrow<TwoRows>
typealias Narrow4 = Narrow<FourRows>
typealias Narrow12 = Stack<Stack<Narrow4, Narrow4>, Narrow4>
typealias Narrow14 = Stack<Narrow12, Narrow2>
