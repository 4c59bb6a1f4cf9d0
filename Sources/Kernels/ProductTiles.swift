// The tiles of a matrix product and of a convolution: a few rows by 32 or by 16 columns whose sums stay in registers
// while the summed dimension is walked.

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

/// Rows of C, 32 columns each, in tiles of twelve, eight, four, two and one.
@inline(__always) func wideTiles(
  _ rows: Int, _ walk: TileWalk, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
  _ c: UnsafeMutablePointer<Float>, _ cRow: Int, _ bias: UnsafePointer<Float>, _ ends: TileEnds
) {
  var i = 0
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
    narrowTile1(walk, a + i * walk.aRow, b, c + i * cRow, bias, ends)
    narrowTile1(walk, a + i * walk.aRow, b + 16, c + i * cRow + 16, bias + 16, ends)
  }
}

/// Rows of C, sixteen columns each, in tiles of twelve where the machine has 32 registers, four, two and one.
@inline(__always) func narrowTiles(
  _ isWide: Bool, _ rows: Int, _ walk: TileWalk, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
  _ c: UnsafeMutablePointer<Float>, _ cRow: Int, _ bias: UnsafePointer<Float>, _ ends: TileEnds
) {
  var i = 0
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
  if i < rows { narrowTile1(walk, a + i * walk.aRow, b, c + i * cRow, bias, ends) }
}

/// The positive part of a tile that was just written; in the registers it would be so much code that the compiler no
/// longer keeps the sums there.
@inline(__always) private func rectifyRows(
  _ rows: Int, _ width: Int, _ c: UnsafeMutablePointer<Float>, _ cRow: Int
) {
  for i in 0..<rows {
    c.store(positivePart(c.vector(i * cRow)), i * cRow)
    if width == 32 { c.store(positivePart(c.vector(i * cRow + 16)), i * cRow + 16) }
  }
}

private func wideTile12(
  _ walk: TileWalk, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>,
  _ cRow: Int, _ bias: UnsafePointer<Float>, _ ends: TileEnds
) {
  var x, y, z: WideRows
  if ends.loads {
    (x, y, z) = (WideRows(c, cRow), WideRows(c + 4 * cRow, cRow), WideRows(c + 8 * cRow, cRow))
  } else {
    x = ends.hasBias ? WideRows(bias.vector(0), bias.vector(16)) : WideRows(.zero, .zero)
    (y, z) = (x, x)
  }
  let (aRow, aInner, bInner) = (walk.aRow, walk.aInner, walk.bInner)
  var (a0, a4, a8, row) = (a, a + 4 * aRow, a + 8 * aRow, b)
  for _ in 0..<walk.lines {
    for _ in 0..<walk.inner {
      let (b0, b1) = (row.vector(0), row.vector(16))
      x.add(a0, aRow, b0, b1)
      y.add(a4, aRow, b0, b1)
      z.add(a8, aRow, b0, b1)
      a0 += aInner
      a4 += aInner
      a8 += aInner
      row += bInner
    }
    a0 += walk.aStep
    a4 += walk.aStep
    a8 += walk.aStep
  }
  x.store(c, cRow)
  y.store(c + 4 * cRow, cRow)
  z.store(c + 8 * cRow, cRow)
  if ends.rectifies { rectifyRows(12, 32, c, cRow) }
}

private func wideTile8(
  _ walk: TileWalk, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>,
  _ cRow: Int, _ bias: UnsafePointer<Float>, _ ends: TileEnds
) {
  var x, y: WideRows
  if ends.loads {
    (x, y) = (WideRows(c, cRow), WideRows(c + 4 * cRow, cRow))
  } else {
    x = ends.hasBias ? WideRows(bias.vector(0), bias.vector(16)) : WideRows(.zero, .zero)
    y = x
  }
  let (aRow, aInner, bInner) = (walk.aRow, walk.aInner, walk.bInner)
  var (a0, a4, row) = (a, a + 4 * aRow, b)
  for _ in 0..<walk.lines {
    for _ in 0..<walk.inner {
      let (b0, b1) = (row.vector(0), row.vector(16))
      x.add(a0, aRow, b0, b1)
      y.add(a4, aRow, b0, b1)
      a0 += aInner
      a4 += aInner
      row += bInner
    }
    a0 += walk.aStep
    a4 += walk.aStep
  }
  x.store(c, cRow)
  y.store(c + 4 * cRow, cRow)
  if ends.rectifies { rectifyRows(8, 32, c, cRow) }
}

private func wideTile4(
  _ walk: TileWalk, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>,
  _ cRow: Int, _ bias: UnsafePointer<Float>, _ ends: TileEnds
) {
  var x =
    ends.loads
    ? WideRows(c, cRow)
    : ends.hasBias ? WideRows(bias.vector(0), bias.vector(16)) : WideRows(.zero, .zero)
  let (aRow, aInner, bInner) = (walk.aRow, walk.aInner, walk.bInner)
  var (a0, row) = (a, b)
  for _ in 0..<walk.lines {
    for _ in 0..<walk.inner {
      x.add(a0, aRow, row.vector(0), row.vector(16))
      a0 += aInner
      row += bInner
    }
    a0 += walk.aStep
  }
  x.store(c, cRow)
  if ends.rectifies { rectifyRows(4, 32, c, cRow) }
}

private func wideTile2(
  _ walk: TileWalk, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>,
  _ cRow: Int, _ bias: UnsafePointer<Float>, _ ends: TileEnds
) {
  var x: PairRows
  var y: PairRows
  if ends.loads {
    (x, y) = (PairRows(c, cRow), PairRows(c + 16, cRow))
  } else {
    x = PairRows(repeating: ends.hasBias ? bias.vector(0) : .zero)
    y = PairRows(repeating: ends.hasBias ? bias.vector(16) : .zero)
  }
  let (aRow, aInner, bInner) = (walk.aRow, walk.aInner, walk.bInner)
  var (a0, row) = (a, b)
  for _ in 0..<walk.lines {
    for _ in 0..<walk.inner {
      x.add(a0, aRow, row.vector(0))
      y.add(a0, aRow, row.vector(16))
      a0 += aInner
      row += bInner
    }
    a0 += walk.aStep
  }
  x.store(c, cRow)
  y.store(c + 16, cRow)
  if ends.rectifies { rectifyRows(2, 32, c, cRow) }
}

private func narrowTile12(
  _ walk: TileWalk, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>,
  _ cRow: Int, _ bias: UnsafePointer<Float>, _ ends: TileEnds
) {
  var x, y, z: NarrowRows
  if ends.loads {
    (x, y, z) = (NarrowRows(c, cRow), NarrowRows(c + 4 * cRow, cRow), NarrowRows(c + 8 * cRow, cRow))
  } else {
    x = NarrowRows(repeating: ends.hasBias ? bias.vector(0) : .zero)
    (y, z) = (x, x)
  }
  let (aRow, aInner, bInner) = (walk.aRow, walk.aInner, walk.bInner)
  var (a0, a4, a8, row) = (a, a + 4 * aRow, a + 8 * aRow, b)
  for _ in 0..<walk.lines {
    for _ in 0..<walk.inner {
      let b0 = row.vector(0)
      x.add(a0, aRow, b0)
      y.add(a4, aRow, b0)
      z.add(a8, aRow, b0)
      a0 += aInner
      a4 += aInner
      a8 += aInner
      row += bInner
    }
    a0 += walk.aStep
    a4 += walk.aStep
    a8 += walk.aStep
  }
  x.store(c, cRow)
  y.store(c + 4 * cRow, cRow)
  z.store(c + 8 * cRow, cRow)
  if ends.rectifies { rectifyRows(12, 16, c, cRow) }
}

private func narrowTile4(
  _ walk: TileWalk, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>,
  _ cRow: Int, _ bias: UnsafePointer<Float>, _ ends: TileEnds
) {
  var x =
    ends.loads
    ? NarrowRows(c, cRow) : NarrowRows(repeating: ends.hasBias ? bias.vector(0) : .zero)
  let (aRow, aInner, bInner) = (walk.aRow, walk.aInner, walk.bInner)
  var (a0, row) = (a, b)
  for _ in 0..<walk.lines {
    for _ in 0..<walk.inner {
      x.add(a0, aRow, row.vector(0))
      a0 += aInner
      row += bInner
    }
    a0 += walk.aStep
  }
  x.store(c, cRow)
  if ends.rectifies { rectifyRows(4, 16, c, cRow) }
}

private func narrowTile2(
  _ walk: TileWalk, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>,
  _ cRow: Int, _ bias: UnsafePointer<Float>, _ ends: TileEnds
) {
  var x =
    ends.loads
    ? PairRows(c, cRow) : PairRows(repeating: ends.hasBias ? bias.vector(0) : .zero)
  let (aRow, aInner, bInner) = (walk.aRow, walk.aInner, walk.bInner)
  var (a0, row) = (a, b)
  for _ in 0..<walk.lines {
    for _ in 0..<walk.inner {
      x.add(a0, aRow, row.vector(0))
      a0 += aInner
      row += bInner
    }
    a0 += walk.aStep
  }
  x.store(c, cRow)
  if ends.rectifies { rectifyRows(2, 16, c, cRow) }
}

private func narrowTile1(
  _ walk: TileWalk, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>,
  _ bias: UnsafePointer<Float>, _ ends: TileEnds
) {
  var x = ends.loads ? c.vector(0) : ends.hasBias ? bias.vector(0) : .zero
  var (a0, row) = (a, b)
  for _ in 0..<walk.lines {
    for _ in 0..<walk.inner {
      x = x.addingProduct(a0[0], row.vector(0))
      a0 += walk.aInner
      row += walk.bInner
    }
    a0 += walk.aStep
  }
  if ends.rectifies { x = positivePart(x) }
  c.store(x, 0)
}
