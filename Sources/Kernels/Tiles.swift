// Register tiles of a matrix product: four rows by 32 or by 16 columns, composed by `ProductTiles.swift` into the
// tiles that products walk. Plain structs of vectors, which the compiler keeps in registers whole.

/// Four rows of sixteen columns.
struct NarrowRows {
  var r0, r1, r2, r3: Vector

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

  /// Stores the first `rows` of them, of which there is at least one.
  @inline(__always) func store(_ c: UnsafeMutablePointer<Float>, _ stride: Int, rows: Int) {
    c.store(r0, 0)
    if rows > 1 { c.store(r1, stride) }
    if rows > 2 { c.store(r2, 2 * stride) }
    if rows > 3 { c.store(r3, 3 * stride) }
  }

  /// Adds the product of one column of A (four rows, `stride` apart) with one row of B.
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
}

/// Two rows of sixteen columns.
struct PairRows {
  var r0, r1: Vector

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

/// Four rows of 32 columns.
struct WideRows {
  var left, right: NarrowRows

  @inline(__always) init(_ left: Vector, _ right: Vector) {
    self.left = NarrowRows(repeating: left)
    self.right = NarrowRows(repeating: right)
  }

  @inline(__always) init(_ c: UnsafeMutablePointer<Float>, _ stride: Int) {
    left = NarrowRows(c, stride)
    right = NarrowRows(c + laneCount, stride)
  }

  @inline(__always) mutating func add(
    _ a: UnsafePointer<Float>, _ stride: Int, _ b0: Vector, _ b1: Vector
  ) {
    left.add(a, stride, b0)
    right.add(a, stride, b1)
  }

  @inline(__always) func store(_ c: UnsafeMutablePointer<Float>, _ stride: Int) {
    left.store(c, stride)
    right.store(c + laneCount, stride)
  }
}

/// Two rows of 32 columns.
struct WidePair {
  var left, right: PairRows

  @inline(__always) init(_ left: Vector, _ right: Vector) {
    self.left = PairRows(repeating: left)
    self.right = PairRows(repeating: right)
  }

  @inline(__always) init(_ c: UnsafeMutablePointer<Float>, _ stride: Int) {
    left = PairRows(c, stride)
    right = PairRows(c + laneCount, stride)
  }

  @inline(__always) mutating func add(
    _ a: UnsafePointer<Float>, _ stride: Int, _ b0: Vector, _ b1: Vector
  ) {
    left.add(a, stride, b0)
    right.add(a, stride, b1)
  }

  @inline(__always) func store(_ c: UnsafeMutablePointer<Float>, _ stride: Int) {
    left.store(c, stride)
    right.store(c + laneCount, stride)
  }
}

/// A row of sixteen columns.
struct SingleRow {
  var r0: Vector

  @inline(__always) init(repeating value: Vector) { r0 = value }

  @inline(__always) init(_ c: UnsafeMutablePointer<Float>, _ stride: Int) { r0 = c.vector(0) }

  @inline(__always) mutating func add(_ a: UnsafePointer<Float>, _ stride: Int, _ b: Vector) {
    r0 = r0.addingProduct(a[0], b)
  }

  @inline(__always) func store(_ c: UnsafeMutablePointer<Float>, _ stride: Int) { c.store(r0, 0) }
}

/// max(x, 0), with PyTorch's ReLU of not-a-number: not-a-number.
@inline(__always) func positivePart(_ x: Vector) -> Vector {
  x.replacing(with: 0, where: x .< 0)
}
