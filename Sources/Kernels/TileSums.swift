// The sums of the tiles that products and convolutions walk; see `ProductTiles.swift`.

/// Fourteen rows of 32 columns.
struct Wide14: TileSums {
  var x: WideRows
  var y: WideRows
  var z: WideRows
  var w: WidePair

  @inline(__always) static var size: (rows: Int, columns: Int) { (14, 32) }

  @inline(__always) init(_ c: UnsafeMutablePointer<Float>, _ stride: Int) {
    x = WideRows(c, stride)
    y = WideRows(c + 4 * stride, stride)
    z = WideRows(c + 8 * stride, stride)
    w = WidePair(c + 12 * stride, stride)
  }

  @inline(__always) init(left: Vector, right: Vector) {
    x = WideRows(left, right)
    y = WideRows(left, right)
    z = WideRows(left, right)
    w = WidePair(left, right)
  }

  @inline(__always) mutating func add(_ a: RowGroups, _ b: UnsafePointer<Float>) {
    let (b0, b1) = (b.vector(0), b.vector(16))
    x.add(a.a0, a.stride, b0, b1)
    y.add(a.a4, a.stride, b0, b1)
    z.add(a.a8, a.stride, b0, b1)
    w.add(a.a12, a.stride, b0, b1)
  }

  @inline(__always) func store(_ c: UnsafeMutablePointer<Float>, _ stride: Int) {
    x.store(c, stride)
    y.store(c + 4 * stride, stride)
    z.store(c + 8 * stride, stride)
    w.store(c + 12 * stride, stride)
  }
}

/// Twelve rows of 32 columns.
struct Wide12: TileSums {
  var x: WideRows
  var y: WideRows
  var z: WideRows

  @inline(__always) static var size: (rows: Int, columns: Int) { (12, 32) }

  @inline(__always) init(_ c: UnsafeMutablePointer<Float>, _ stride: Int) {
    x = WideRows(c, stride)
    y = WideRows(c + 4 * stride, stride)
    z = WideRows(c + 8 * stride, stride)
  }

  @inline(__always) init(left: Vector, right: Vector) {
    x = WideRows(left, right)
    y = WideRows(left, right)
    z = WideRows(left, right)
  }

  @inline(__always) mutating func add(_ a: RowGroups, _ b: UnsafePointer<Float>) {
    let (b0, b1) = (b.vector(0), b.vector(16))
    x.add(a.a0, a.stride, b0, b1)
    y.add(a.a4, a.stride, b0, b1)
    z.add(a.a8, a.stride, b0, b1)
  }

  @inline(__always) func store(_ c: UnsafeMutablePointer<Float>, _ stride: Int) {
    x.store(c, stride)
    y.store(c + 4 * stride, stride)
    z.store(c + 8 * stride, stride)
  }
}

/// Eight rows of 32 columns.
struct Wide8: TileSums {
  var x: WideRows
  var y: WideRows

  @inline(__always) static var size: (rows: Int, columns: Int) { (8, 32) }

  @inline(__always) init(_ c: UnsafeMutablePointer<Float>, _ stride: Int) {
    x = WideRows(c, stride)
    y = WideRows(c + 4 * stride, stride)
  }

  @inline(__always) init(left: Vector, right: Vector) {
    x = WideRows(left, right)
    y = WideRows(left, right)
  }

  @inline(__always) mutating func add(_ a: RowGroups, _ b: UnsafePointer<Float>) {
    let (b0, b1) = (b.vector(0), b.vector(16))
    x.add(a.a0, a.stride, b0, b1)
    y.add(a.a4, a.stride, b0, b1)
  }

  @inline(__always) func store(_ c: UnsafeMutablePointer<Float>, _ stride: Int) {
    x.store(c, stride)
    y.store(c + 4 * stride, stride)
  }
}

/// Four rows of 32 columns.
struct Wide4: TileSums {
  var x: WideRows

  @inline(__always) static var size: (rows: Int, columns: Int) { (4, 32) }

  @inline(__always) init(_ c: UnsafeMutablePointer<Float>, _ stride: Int) { x = WideRows(c, stride) }

  @inline(__always) init(left: Vector, right: Vector) {
    x = WideRows(left, right)
  }

  @inline(__always) mutating func add(_ a: RowGroups, _ b: UnsafePointer<Float>) {
    let (b0, b1) = (b.vector(0), b.vector(16))
    x.add(a.a0, a.stride, b0, b1)
  }

  @inline(__always) func store(_ c: UnsafeMutablePointer<Float>, _ stride: Int) {
    x.store(c, stride)
  }
}

/// Two rows of 32 columns.
struct Wide2: TileSums {
  var x: WidePair

  @inline(__always) static var size: (rows: Int, columns: Int) { (2, 32) }

  @inline(__always) init(_ c: UnsafeMutablePointer<Float>, _ stride: Int) { x = WidePair(c, stride) }

  @inline(__always) init(left: Vector, right: Vector) {
    x = WidePair(left, right)
  }

  @inline(__always) mutating func add(_ a: RowGroups, _ b: UnsafePointer<Float>) {
    let (b0, b1) = (b.vector(0), b.vector(16))
    x.add(a.a0, a.stride, b0, b1)
  }

  @inline(__always) func store(_ c: UnsafeMutablePointer<Float>, _ stride: Int) {
    x.store(c, stride)
  }
}

/// Fourteen rows of sixteen columns.
struct Narrow14: TileSums {
  var x: NarrowRows
  var y: NarrowRows
  var z: NarrowRows
  var w: PairRows

  @inline(__always) static var size: (rows: Int, columns: Int) { (14, 16) }

  @inline(__always) init(_ c: UnsafeMutablePointer<Float>, _ stride: Int) {
    x = NarrowRows(c, stride)
    y = NarrowRows(c + 4 * stride, stride)
    z = NarrowRows(c + 8 * stride, stride)
    w = PairRows(c + 12 * stride, stride)
  }

  @inline(__always) init(left: Vector, right: Vector) {
    x = NarrowRows(repeating: left)
    y = NarrowRows(repeating: left)
    z = NarrowRows(repeating: left)
    w = PairRows(repeating: left)
  }

  @inline(__always) mutating func add(_ a: RowGroups, _ b: UnsafePointer<Float>) {
    let b0 = b.vector(0)
    x.add(a.a0, a.stride, b0)
    y.add(a.a4, a.stride, b0)
    z.add(a.a8, a.stride, b0)
    w.add(a.a12, a.stride, b0)
  }

  @inline(__always) func store(_ c: UnsafeMutablePointer<Float>, _ stride: Int) {
    x.store(c, stride)
    y.store(c + 4 * stride, stride)
    z.store(c + 8 * stride, stride)
    w.store(c + 12 * stride, stride)
  }
}

/// Twelve rows of sixteen columns.
struct Narrow12: TileSums {
  var x: NarrowRows
  var y: NarrowRows
  var z: NarrowRows

  @inline(__always) static var size: (rows: Int, columns: Int) { (12, 16) }

  @inline(__always) init(_ c: UnsafeMutablePointer<Float>, _ stride: Int) {
    x = NarrowRows(c, stride)
    y = NarrowRows(c + 4 * stride, stride)
    z = NarrowRows(c + 8 * stride, stride)
  }

  @inline(__always) init(left: Vector, right: Vector) {
    x = NarrowRows(repeating: left)
    y = NarrowRows(repeating: left)
    z = NarrowRows(repeating: left)
  }

  @inline(__always) mutating func add(_ a: RowGroups, _ b: UnsafePointer<Float>) {
    let b0 = b.vector(0)
    x.add(a.a0, a.stride, b0)
    y.add(a.a4, a.stride, b0)
    z.add(a.a8, a.stride, b0)
  }

  @inline(__always) func store(_ c: UnsafeMutablePointer<Float>, _ stride: Int) {
    x.store(c, stride)
    y.store(c + 4 * stride, stride)
    z.store(c + 8 * stride, stride)
  }
}

/// Four rows of sixteen columns.
struct Narrow4: TileSums {
  var x: NarrowRows

  @inline(__always) static var size: (rows: Int, columns: Int) { (4, 16) }

  @inline(__always) init(_ c: UnsafeMutablePointer<Float>, _ stride: Int) { x = NarrowRows(c, stride) }

  @inline(__always) init(left: Vector, right: Vector) {
    x = NarrowRows(repeating: left)
  }

  @inline(__always) mutating func add(_ a: RowGroups, _ b: UnsafePointer<Float>) {
    let b0 = b.vector(0)
    x.add(a.a0, a.stride, b0)
  }

  @inline(__always) func store(_ c: UnsafeMutablePointer<Float>, _ stride: Int) {
    x.store(c, stride)
  }
}

/// Two rows of sixteen columns.
struct Narrow2: TileSums {
  var x: PairRows

  @inline(__always) static var size: (rows: Int, columns: Int) { (2, 16) }

  @inline(__always) init(_ c: UnsafeMutablePointer<Float>, _ stride: Int) { x = PairRows(c, stride) }

  @inline(__always) init(left: Vector, right: Vector) {
    x = PairRows(repeating: left)
  }

  @inline(__always) mutating func add(_ a: RowGroups, _ b: UnsafePointer<Float>) {
    let b0 = b.vector(0)
    x.add(a.a0, a.stride, b0)
  }

  @inline(__always) func store(_ c: UnsafeMutablePointer<Float>, _ stride: Int) {
    x.store(c, stride)
  }
}

/// One row of sixteen columns.
struct Narrow1: TileSums {
  var x: SingleRow

  @inline(__always) static var size: (rows: Int, columns: Int) { (1, 16) }

  @inline(__always) init(_ c: UnsafeMutablePointer<Float>, _ stride: Int) { x = SingleRow(c, stride) }

  @inline(__always) init(left: Vector, right: Vector) {
    x = SingleRow(repeating: left)
  }

  @inline(__always) mutating func add(_ a: RowGroups, _ b: UnsafePointer<Float>) {
    let b0 = b.vector(0)
    x.add(a.a0, a.stride, b0)
  }

  @inline(__always) func store(_ c: UnsafeMutablePointer<Float>, _ stride: Int) {
    x.store(c, stride)
  }
}
