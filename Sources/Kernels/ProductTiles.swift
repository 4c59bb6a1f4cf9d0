// The tiles of a matrix product and of a convolution: a few rows by 32 or by 16 columns whose sums stay in registers
// while the summed dimension is walked. One function walks for all of them; each tile is a call of it that the compiler
// makes a function of its own.

/// Where a tile's accumulators begin and what happens to them at the end.
struct TileEnds {
  /// Where the block of the summed dimension is not the first, or the product accumulates.
  var loads: Bool
  /// Added first, when not loading; zeros without bias.
  var hasBias: Bool
  var rectifies: Bool
}

/// How a tile walks the summed dimension: `lines` times `inner` steps. B's rows follow each other throughout; in A
/// a line begins elsewhere than where the one before it ended.
struct TileWalk {
  var lines = 1
  var inner: Int
  /// Floats from one row of A to the next, and from one step to the next.
  var aRow, aInner: Int
  /// Added to A's address after a line.
  var aStep = 0
  var bInner: Int
}

/// Rows of C, 32 columns each. Tiles of fourteen rows in the place of some of twelve leave nothing over of an even
/// number of rows; fewer than those need go in tiles of twelve, eight, four and two.
@inline(__always) func wideTiles(
  _ rows: Int, _ walk: TileWalk, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
  _ c: UnsafeMutablePointer<Float>, _ cRow: Int, _ bias: UnsafePointer<Float>, _ ends: TileEnds
) {
  var (i, fourteens) = (0, fourteenRowTiles(rows))
  while fourteens > 0 {
    wideTile14(walk, a + i * walk.aRow, b, c + i * cRow, cRow, bias, ends)
    i += 14
    fourteens -= 1
  }
  while i + 12 <= rows {
    wideTile12(walk, a + i * walk.aRow, b, c + i * cRow, cRow, bias, ends)
    i += 12
  }
  if i + 8 <= rows {
    wideTile8(walk, a + i * walk.aRow, b, c + i * cRow, cRow, bias, ends)
    i += 8
  }
  if i + 4 <= rows {
    wideTile4(walk, a + i * walk.aRow, b, c + i * cRow, cRow, bias, ends)
    i += 4
  }
  if i + 2 <= rows {
    wideTile2(walk, a + i * walk.aRow, b, c + i * cRow, cRow, bias, ends)
    i += 2
  }
  if i < rows {
    narrowTile1(walk, a + i * walk.aRow, b, c + i * cRow, cRow, bias, ends)
    narrowTile1(walk, a + i * walk.aRow, b + 16, c + i * cRow + 16, cRow, bias + 16, ends)
  }
}

/// Rows of C, sixteen columns each; on machines with 32 registers in tiles of fourteen and twelve, then of four, two
/// and one.
@inline(__always) func narrowTiles(
  _ isWide: Bool, _ rows: Int, _ walk: TileWalk, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
  _ c: UnsafeMutablePointer<Float>, _ cRow: Int, _ bias: UnsafePointer<Float>, _ ends: TileEnds
) {
  var (i, fourteens) = (0, isWide ? fourteenRowTiles(rows) : 0)
  while fourteens > 0 {
    narrowTile14(walk, a + i * walk.aRow, b, c + i * cRow, cRow, bias, ends)
    i += 14
    fourteens -= 1
  }
  while isWide, i + 12 <= rows {
    narrowTile12(walk, a + i * walk.aRow, b, c + i * cRow, cRow, bias, ends)
    i += 12
  }
  while i + 4 <= rows {
    narrowTile4(walk, a + i * walk.aRow, b, c + i * cRow, cRow, bias, ends)
    i += 4
  }
  if i + 2 <= rows {
    narrowTile2(walk, a + i * walk.aRow, b, c + i * cRow, cRow, bias, ends)
    i += 2
  }
  if i < rows { narrowTile1(walk, a + i * walk.aRow, b, c + i * cRow, cRow, bias, ends) }
}

/// How many tiles of fourteen rows make the rest, after tiles of twelve, less than two; 0 where there are too few rows.
@inline(__always) private func fourteenRowTiles(_ rows: Int) -> Int {
  let count = rows % 12 / 2
  return rows >= 14 * count ? count : 0
}

/// Where four groups of four rows of A are.
struct RowGroups {
  var a0, a4, a8, a12: UnsafePointer<Float>
  /// Floats from one row to the next.
  let stride: Int

  @inline(__always) init(_ a: UnsafePointer<Float>, _ stride: Int) {
    (a0, a4, a8, a12) = (a, a + 4 * stride, a + 8 * stride, a + 12 * stride)
    self.stride = stride
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
  /// Rows and columns.
  static var size: (rows: Int, columns: Int) { get }
  /// Those that C holds.
  init(_ c: UnsafeMutablePointer<Float>, _ stride: Int)
  /// Each row the same sixteen or 32 numbers.
  init(left: Vector, right: Vector)
  /// Adds the product of one column of A with one row of B.
  mutating func add(_ a: RowGroups, _ b: UnsafePointer<Float>)
  func store(_ c: UnsafeMutablePointer<Float>, _ stride: Int)
}

@inline(__always) private func tile<Sums: TileSums>(
  _: Sums.Type, _ walk: TileWalk, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
  _ c: UnsafeMutablePointer<Float>, _ cRow: Int, _ bias: UnsafePointer<Float>, _ ends: TileEnds
) {
  let (rows, columns) = Sums.size
  var sums: Sums
  if ends.loads {
    sums = Sums(c, cRow)
  } else if ends.hasBias {
    sums = Sums(left: bias.vector(0), right: columns == 32 ? bias.vector(16) : .zero)
  } else {
    sums = Sums(left: .zero, right: .zero)
  }
  var (groups, row) = (RowGroups(a, walk.aRow), b)
  for _ in 0..<walk.lines {
    for _ in 0..<walk.inner {
      sums.add(groups, row)
      groups.advance(walk.aInner)
      row += walk.bInner
    }
    groups.advance(walk.aStep)
  }
  sums.store(c, cRow)
  // In the registers this would be so much code that the compiler no longer keeps the sums there.
  if ends.rectifies {
    for i in 0..<rows {
      c.store(positivePart(c.vector(i * cRow)), i * cRow)
      if columns == 32 { c.store(positivePart(c.vector(i * cRow + 16)), i * cRow + 16) }
    }
  }
}

private func wideTile14(
  _ walk: TileWalk, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>,
  _ cRow: Int, _ bias: UnsafePointer<Float>, _ ends: TileEnds
) {
  tile(Wide14.self, walk, a, b, c, cRow, bias, ends)
}

private func wideTile12(
  _ walk: TileWalk, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>,
  _ cRow: Int, _ bias: UnsafePointer<Float>, _ ends: TileEnds
) {
  tile(Wide12.self, walk, a, b, c, cRow, bias, ends)
}

private func wideTile8(
  _ walk: TileWalk, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>,
  _ cRow: Int, _ bias: UnsafePointer<Float>, _ ends: TileEnds
) {
  tile(Wide8.self, walk, a, b, c, cRow, bias, ends)
}

private func wideTile4(
  _ walk: TileWalk, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>,
  _ cRow: Int, _ bias: UnsafePointer<Float>, _ ends: TileEnds
) {
  tile(Wide4.self, walk, a, b, c, cRow, bias, ends)
}

private func wideTile2(
  _ walk: TileWalk, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>,
  _ cRow: Int, _ bias: UnsafePointer<Float>, _ ends: TileEnds
) {
  tile(Wide2.self, walk, a, b, c, cRow, bias, ends)
}

private func narrowTile14(
  _ walk: TileWalk, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>,
  _ cRow: Int, _ bias: UnsafePointer<Float>, _ ends: TileEnds
) {
  tile(Narrow14.self, walk, a, b, c, cRow, bias, ends)
}

private func narrowTile12(
  _ walk: TileWalk, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>,
  _ cRow: Int, _ bias: UnsafePointer<Float>, _ ends: TileEnds
) {
  tile(Narrow12.self, walk, a, b, c, cRow, bias, ends)
}

private func narrowTile4(
  _ walk: TileWalk, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>,
  _ cRow: Int, _ bias: UnsafePointer<Float>, _ ends: TileEnds
) {
  tile(Narrow4.self, walk, a, b, c, cRow, bias, ends)
}

private func narrowTile2(
  _ walk: TileWalk, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>,
  _ cRow: Int, _ bias: UnsafePointer<Float>, _ ends: TileEnds
) {
  tile(Narrow2.self, walk, a, b, c, cRow, bias, ends)
}

private func narrowTile1(
  _ walk: TileWalk, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>,
  _ cRow: Int, _ bias: UnsafePointer<Float>, _ ends: TileEnds
) {
  tile(Narrow1.self, walk, a, b, c, cRow, bias, ends)
}
