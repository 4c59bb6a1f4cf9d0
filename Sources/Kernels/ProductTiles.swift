// The tiles of a matrix product and of a convolution: a few rows by 32 or by 16 columns whose sums stay in registers
// while the summed dimension is walked. One function walks for all of them.

import CPrefetch

/// Where a tile's accumulators begin and what happens to them at the end.
struct TileEnds {
  /// Where the block of the summed dimension is not the first, or the product accumulates.
  var loads: Bool
  /// Added first, when not loading; zeros without bias.
  var hasBias: Bool
  var rectifies: Bool
  /// Whether C is so large that its rows are far from the core: each tile asks for them while it multiplies.
  var isFar = false
  /// Floats from C to the matrix that the epilogue reads afterwards, far away too; 0 where there is none.
  var operandOffset = 0
}

/// How many rows of B ahead of the one it multiplies a tile asks for that copies them.
private let rowsAhead = 32

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
/// number of rows; fewer than those need go in tiles of twelve, eight, four and two. Where `panel` is, the first tile, of
/// twelve rows at least, copies the rows of B there as it reads them, and the others read them from there.
@inline(__always) func wideTiles(
  _ rows: Int, _ walk: TileWalk, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
  _ c: UnsafeMutablePointer<Float>, _ cRow: Int, _ bias: UnsafePointer<Float>, _ ends: TileEnds,
  panel: UnsafeMutablePointer<Float>? = nil
) {
  var (i, walk, b) = (0, walk, b)
  let fourteens = fourteenRowTiles(rows)
  if let panel {
    if fourteens > 0 {
      packingTile(Wide14.self, &i, &walk, a, &b, c, cRow, bias, ends, panel)
    } else {
      packingTile(Wide12.self, &i, &walk, a, &b, c, cRow, bias, ends, panel)
    }
  }
  tiles(Wide14.self, fourteens - i / 14, &i, walk, a, b, c, cRow, bias, ends)
  tiles(Wide12.self, (rows - i) / 12, &i, walk, a, b, c, cRow, bias, ends)
  tiles(Wide8.self, (rows - i) / 8, &i, walk, a, b, c, cRow, bias, ends)
  tiles(Wide4.self, (rows - i) / 4, &i, walk, a, b, c, cRow, bias, ends)
  tiles(Wide2.self, (rows - i) / 2, &i, walk, a, b, c, cRow, bias, ends)
  if i < rows {
    tile(Narrow1.self, walk, a + i * walk.aRow, b, c + i * cRow, cRow, bias, ends)
    tile(Narrow1.self, walk, a + i * walk.aRow, b + 16, c + i * cRow + 16, cRow, bias + 16, ends)
  }
}

/// Rows of C, sixteen columns each; on machines with 32 registers in tiles of fourteen and twelve, then of four, two
/// and one.
@inline(__always) func narrowTiles(
  _ isWide: Bool, _ rows: Int, _ walk: TileWalk, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
  _ c: UnsafeMutablePointer<Float>, _ cRow: Int, _ bias: UnsafePointer<Float>, _ ends: TileEnds
) {
  var i = 0
  if isWide {
    tiles(Narrow14.self, fourteenRowTiles(rows), &i, walk, a, b, c, cRow, bias, ends)
    tiles(Narrow12.self, (rows - i) / 12, &i, walk, a, b, c, cRow, bias, ends)
  }
  tiles(Narrow4.self, (rows - i) / 4, &i, walk, a, b, c, cRow, bias, ends)
  tiles(Narrow2.self, (rows - i) / 2, &i, walk, a, b, c, cRow, bias, ends)
  tiles(Narrow1.self, rows - i, &i, walk, a, b, c, cRow, bias, ends)
}

/// `count` tiles from row `i` on, which ends behind them.
@inline(__always) private func tiles<Sums: TileSums>(
  _: Sums.Type, _ count: Int, _ i: inout Int, _ walk: TileWalk, _ a: UnsafePointer<Float>,
  _ b: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>, _ cRow: Int, _ bias: UnsafePointer<Float>,
  _ ends: TileEnds
) {
  for _ in 0..<count {
    tile(Sums.self, walk, a + i * walk.aRow, b, c + i * cRow, cRow, bias, ends)
    i += Sums.size.rows
  }
}

/// The first tile, which copies B's rows to `panel`; from then on they are read there.
@inline(__always) private func packingTile<Sums: TileSums>(
  _: Sums.Type, _ i: inout Int, _ walk: inout TileWalk, _ a: UnsafePointer<Float>,
  _ b: inout UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>, _ cRow: Int,
  _ bias: UnsafePointer<Float>, _ ends: TileEnds, _ panel: UnsafeMutablePointer<Float>
) {
  packingTile(Sums.self, walk, a, b, c, cRow, bias, ends, panel)
  i = Sums.size.rows
  b = UnsafePointer(panel)
  walk.bInner = Sums.size.columns
}

/// How many tiles of fourteen rows make the rest, after tiles of twelve, less than two; 0 where there are too few rows.
@inline(__always) private func fourteenRowTiles(_ rows: Int) -> Int {
  let count = rows % 12 / 2
  return rows >= 14 * count ? count : 0
}

/// One tile. Not inlined: for each `Sums` the compiler makes a function of its own, in which they fill the registers.
@inline(never) private func tile<Sums: TileSums>(
  _: Sums.Type, _ walk: TileWalk, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
  _ c: UnsafeMutablePointer<Float>, _ cRow: Int, _ bias: UnsafePointer<Float>, _ ends: TileEnds
) {
  walkTile(Sums.self, walk, a, b, c, cRow, bias, ends, packs: false, c)
}

/// `tile` that copies B's rows: they come from farther away than the multipliers wait for, and a pass of its own would
/// have nothing to do meanwhile.
@inline(never) private func packingTile<Sums: TileSums>(
  _: Sums.Type, _ walk: TileWalk, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
  _ c: UnsafeMutablePointer<Float>, _ cRow: Int, _ bias: UnsafePointer<Float>, _ ends: TileEnds,
  _ panel: UnsafeMutablePointer<Float>
) {
  walkTile(Sums.self, walk, a, b, c, cRow, bias, ends, packs: true, panel)
}

@inline(__always) private func walkTile<Sums: TileSums>(
  _: Sums.Type, _ walk: TileWalk, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
  _ c: UnsafeMutablePointer<Float>, _ cRow: Int, _ bias: UnsafePointer<Float>, _ ends: TileEnds, packs: Bool,
  _ panel: UnsafeMutablePointer<Float>
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
  if ends.isFar {
    // What is loaded is needed already: then the tile below.
    var line = c + (ends.loads ? rows * cRow : 0)
    for _ in 0..<rows {
      prefetch(line)
      if columns == 32 { prefetch(line + 16) }
      if ends.operandOffset != 0 {
        prefetchLater(line + ends.operandOffset)
        if columns == 32 { prefetchLater(line + ends.operandOffset + 16) }
      }
      line += cRow
    }
  }
  var (groups, row, copy) = (RowGroups(a, walk.aRow), b, panel)
  for _ in 0..<walk.lines {
    for _ in 0..<walk.inner {
      let (left, right) = (row.vector(0), columns == 32 ? row.vector(16) : .zero)
      if packs {
        let ahead = row + rowsAhead * walk.bInner
        prefetch(ahead)
        if columns == 32 { prefetch(ahead + 16) }
        copy.store(left, 0)
        if columns == 32 { copy.store(right, 16) }
        copy += columns
      }
      sums.add(groups, from: 0, left: left, right: right)
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
