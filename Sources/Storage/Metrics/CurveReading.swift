// Reading curves: every point of a series in some steps, or, of a long series, its buckets from the numbers that
// each chunk's row keeps, so that only the chunks on the edge of a bucket are decoded.

/// What the row of a chunk says of its points.
struct ChunkHeader {
  var place: Place
  var lastStep: Int64
  var count: Int
  var sums: ValueSums
  /// Where the points are; 0 before they are stored.
  var dataID: Int64

  static let columns =
    "first_step, first_time, last_step, count, numbers, sum_bits, min_bits, max_bits, data_id"
  static let columnCount: Int32 = 9

  init(_ points: PointColumns, _ rows: Range<Int>) {
    place = rows.isEmpty ? Place(step: 0, timestamp: 0) : points.place(rows.lowerBound)
    lastStep = rows.isEmpty ? 0 : points.steps[rows.upperBound - 1]
    count = rows.count
    let sums = ValueSums(points.values[rows])
    self.sums = ValueSums(numbers: sums.numbers, sum: sums.sum, low: sums.low, high: sums.high)
    dataID = 0
  }

  /// From the first columns of a row, selected as `columns`.
  init(_ row: Row) {
    place = Place(step: row.integer(0), timestamp: row.integer(1))
    lastStep = row.integer(2)
    count = Int(row.integer(3))
    sums = ValueSums(numbers: Int(row.integer(4)), sum: row.bits(5), low: row.bits(6), high: row.bits(7))
    dataID = row.integer(8)
  }

  /// True when the rows say the same of their points, bit for bit: a sum may be NaN.
  func agrees(with right: ChunkHeader) -> Bool {
    let left = self
    return left.place == right.place && left.lastStep == right.lastStep && left.count == right.count
      && left.sums.numbers == right.sums.numbers && left.sums.sum.bitPattern == right.sums.sum.bitPattern
      && left.sums.low.bitPattern == right.sums.low.bitPattern
      && left.sums.high.bitPattern == right.sums.high.bitPattern
  }
}

extension Connection {
  /// Points above which a series is sampled without decoding all of it.
  static let directPoints = 131_072
  /// Points up to which a series is searched for what was recorded anew: the search holds all of them.
  static let partedPoints = 4_194_304

  /// The curve of one metric by step, then timestamp, then arrival; empty when there is no such metric.
  ///
  /// With more than `maxPoints` points (0: no limit) in the steps asked for, buckets of neighbouring steps take
  /// their place; see `Curve`. With `parting`, points that were recorded anew after the run went back stand apart, in
  /// series of up to 4,194,304 points. Throws `.notFound` for an unknown run.
  public func curve(
    run uid: String, key: String, maxPoints: Int = 0, fromStep: Int64? = nil, toStep: Int64? = nil,
    smoothing: Smoothing? = nil, parting: Bool = false
  ) throws -> Curve {
    try curve(
      run: runID(uid), key: key, maxPoints: maxPoints, from: fromStep ?? .min, to: toStep ?? .max,
      directPoints: Connection.directPoints, smoothing: smoothing, parting: parting)
  }

  func curve(
    run: Int64, key: String, maxPoints: Int, from: Int64, to: Int64, directPoints: Int,
    smoothing: Smoothing? = nil, parting: Bool = false
  ) throws -> Curve {
    let keyID = try integer("SELECT id FROM metric_key WHERE name = ?", .text(key))
    guard let keyID, from <= to else { return Curve(key: key) }
    let series = SeriesID(run: run, key: keyID)
    let later = try unfolded(run: run, only: keyID)[keyID]?.normalized() ?? PointColumns()
    let start = smoothing?.start(before: from) ?? from
    if parting, let pieces = try pieces(series, later) {
      let newest = pieces.newest.steps(from: start, to: to)
      var curve = Curve(key: key, newest, from: from, maxPoints: maxPoints, smoothing: smoothing)
      curve.resumed = pieces.resumed.filter { (from...to).contains($0) }
      curve.replaced = pieces.replaced.map { $0.steps(from: from, to: to) }.filter { $0.count > 0 }
        .map { Curve(key: key, $0, maxPoints: maxPoints) }
      curve.count += curve.replaced.reduce(0) { $0 + $1.count }
      return curve
    }
    let part = ChunkRange(series: series, from: from, to: to)
    let whole = ChunkRange(series: series, from: start, to: to)
    let tail = later.steps(from: start, to: to)
    if maxPoints > 0, try storedPoints(part) > max(directPoints, maxPoints), try isTail(later, of: series) {
      return try sampled(whole, from: from, key: key, tail: tail, buckets: maxPoints, smoothing: smoothing)
    }
    let points = try storedPoints(whole, mergedWith: tail)
    return Curve(key: key, points, from: from, maxPoints: maxPoints, smoothing: smoothing)
  }

  /// The pieces of a series in which something was recorded anew, else nil; the rows of the chunks of one that was
  /// recorded in order say so.
  private func pieces(_ series: SeriesID, _ later: PointColumns) throws -> Pieces? {
    let whole = ChunkRange(series: series, from: .min, to: .max)
    guard try !isRecordedInOrder(whole, later), try storedPoints(whole) <= Connection.partedPoints else {
      return nil
    }
    return try storedPoints(whole, mergedWith: later).parted()
  }

  private func isRecordedInOrder(_ series: ChunkRange, _ later: PointColumns) throws -> Bool {
    guard later.isInHistoryOrder, try isTail(later, of: series.series) else { return false }
    var (last, isInOrder) = (Int64.min, true)
    try eachChunk("first_time, last_time, in_order", series) { row in
      isInOrder = isInOrder && row.integer(2) == 1 && row.integer(0) >= last
      last = row.integer(1)
    }
    return isInOrder && later.timestamps.first ?? .max >= last
  }

  // MARK: Every point

  private func storedPoints(_ part: ChunkRange, mergedWith later: PointColumns) throws -> PointColumns {
    var points = PointColumns(capacity: try storedPoints(part) + later.count)
    try eachChunk("data", from: "chunk JOIN chunk_data ON id = data_id", part) { row in
      try row.withBlob(0) { try PointCodec.appendChunk($0, to: &points) }
    }
    return points.steps(from: part.from, to: part.to).merged(with: later).all
  }

  // MARK: Buckets

  /// A part of a series in order: a chunk that need not be decoded unless a bucket ends in it, or points.
  private enum Piece {
    case chunk(ChunkHeader)
    case points(PointColumns)

    var range: StepRange? {
      switch self {
      case .chunk(let header):
        return StepRange(first: header.place.step, last: header.lastStep, count: header.count)
      case .points(let points):
        guard let first = points.steps.first, let last = points.steps.last else { return nil }
        return StepRange(first: first, last: last, count: points.count)
      }
    }
  }

  /// The buckets from `from` on; what is before it in the part is only smoothed over.
  private func sampled(
    _ part: ChunkRange, from: Int64, key: String, tail: PointColumns, buckets: Int, smoothing: Smoothing?
  ) throws -> Curve {
    var pieces: [Piece] = []
    var average = smoothing.map(MovingAverage.init)
    try eachChunk(ChunkHeader.columns, part) { row in
      let header = ChunkHeader(row)
      if header.place.step >= from && header.lastStep <= part.to { return pieces.append(.chunk(header)) }
      // A chunk that reaches out of the steps asked for is decoded now: its count is part of the answer.
      let (history, points) = try decoded(header).steps(from: part.from, to: part.to).split(at: from)
      average?.add(history)
      pieces.append(.points(points))
    }
    let (history, points) = tail.split(at: from)
    average?.add(history)
    pieces.append(.points(points))
    let shift = BucketSampler.shift(pieces.compactMap(\.range), buckets: buckets)
    var sampler = BucketSampler(key: key, shift: shift, average: average)
    for piece in pieces {
      switch piece {
      case .points(let points): sampler.add(points)
      case .chunk(let header):
        if smoothing == nil && BucketSampler.isOneBucket(header.place.step, header.lastStep, shift: shift)
          && header.sums.isSumUsable
        {
          sampler.add(header)
        } else {
          sampler.add(try decoded(header))
        }
      }
    }
    return sampler.finish()
  }

  /// True when all of some normalized points come after the chunks of the series.
  func isTail(_ later: PointColumns, of series: SeriesID) throws -> Bool {
    guard later.count > 0, let state = try seriesState(series) else { return true }
    return state.lastPlace < later.place(0)
  }

  private func decoded(_ chunk: ChunkHeader) throws -> PointColumns {
    var points = PointColumns(capacity: chunk.count)
    try each("SELECT data FROM chunk_data WHERE id = ?", .integer(chunk.dataID)) { row in
      try row.withBlob(0) { try PointCodec.appendChunk($0, to: &points) }
    }
    return points
  }

  // MARK: Chunks

  /// The chunks of a series that have a step in a closed range.
  private struct ChunkRange {
    var series: SeriesID
    var from: Int64
    var to: Int64
    static let condition = "WHERE run_id = ? AND key_id = ? AND last_step >= ? AND first_step <= ?"
  }

  private func storedPoints(_ part: ChunkRange) throws -> Int {
    let count = try integer(
      "SELECT sum(count) FROM chunk \(ChunkRange.condition)", .integer(part.series.run),
      .integer(part.series.key), .integer(part.from), .integer(part.to))
    return Int(count ?? 0)
  }

  private func eachChunk(
    _ columns: String, from source: String = "chunk", _ part: ChunkRange, body: (Row) throws -> Void
  ) throws {
    try each(
      "SELECT \(columns) FROM \(source) \(ChunkRange.condition) ORDER BY first_step, first_time",
      .integer(part.series.run), .integer(part.series.key), .integer(part.from), .integer(part.to),
      body: body)
  }
}
