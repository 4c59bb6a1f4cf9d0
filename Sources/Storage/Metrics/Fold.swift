// Folding: from segments (as points arrived) to chunks (as they are read).
//
// The chunks of a series follow one another in its order, and points of one place (step and timestamp) are
// never in two chunks. So each new point has one chunk where it belongs: the last one that begins at or before
// it, or the first one. Appending, which is nearly all there is, touches the last chunk alone.

/// Result of folding a slice.
struct FoldedSlice {
  var points = 0
  var isComplete = false
}

extension Connection {
  /// Points in a full chunk.
  static let chunkPoints = 1024
  /// Segments in a slice.
  private static let sliceSegments = 2000

  /// Folds the oldest segments of a run, about `budget` points; inside the writer's transaction.
  func foldSegments(run: Int64, budget: Int) throws -> FoldedSlice {
    try emptyInbox()
    var slice = FoldedSlice()
    var lastID: Int64 = 0
    var segments = 0
    var series: [Int64: PointColumns] = [:]
    slice.isComplete = true
    try eachSegment(run: run, limit: Connection.sliceSegments) { id, points, data in
      if slice.points >= budget {
        slice.isComplete = false
        return false
      }
      try PointCodec.appendSegment(data, to: &series)
      lastID = id
      segments += 1
      slice.points += points
      return true
    }
    if segments == Connection.sliceSegments { slice.isComplete = false }
    if segments == 0 { return slice }
    for (keyID, points) in series {
      try fold(points.normalized(), into: SeriesID(run: run, key: keyID))
    }
    try execute("DELETE FROM segment WHERE run_id = ? AND id <= ?", .integer(run), .integer(lastID))
    return slice
  }

  /// The segments of a run in order of arrival, until `body` returns false.
  func eachSegment(
    run: Int64, limit: Int = .max, body: (Int64, Int, UnsafeRawBufferPointer) throws -> Bool
  ) throws {
    var goesOn = true
    let sql = """
      SELECT id, points, data FROM segment WHERE run_id = ?1
      UNION ALL SELECT id, points, data FROM inbox WHERE run_id = ?1 ORDER BY id LIMIT ?2
      """
    try each(sql, .integer(run), .integer(Int64(limit))) { row in
      guard goesOn else { return }
      goesOn = try row.withBlob(2) { try body(row.integer(0), Int(row.integer(1)), $0) }
    }
  }

  /// Keeps the writer's list of waiting segments true after a slice.
  func noteFolded(run: Int64, _ slice: FoldedSlice) {
    if slice.isComplete {
      memory.unfolded[run] = nil
      memory.mayShrink = true
    } else {
      memory.unfolded[run]?.points -= slice.points
    }
  }

  /// What waits in the file: the writer's list at the start.
  func unfoldedRuns() throws -> UnfoldedRuns {
    let now = monotonicNanoseconds()
    var runs = UnfoldedRuns()
    try each("SELECT run_id, sum(points) FROM segment GROUP BY run_id") { row in
      runs.add(Int(row.integer(1)), run: row.integer(0), now: now)
    }
    return runs
  }

  private func fold(_ points: PointColumns, into series: SeriesID) throws {
    var state = try seriesState(series) ?? SeriesState()
    try eachTarget(of: points, in: series) { target, rows in
      let part = rows == 0..<points.count ? points : points[rows]
      guard let target else {
        state.add(part)
        try store(part, in: series, isLast: true)
        return
      }
      let (all, added) = target.points.merged(with: part)
      if added.count == 0 { return }
      state.add(added)
      try execute("DELETE FROM chunk_data WHERE id = ?", .integer(target.dataID))
      try execute(
        "DELETE FROM chunk WHERE run_id = ? AND key_id = ? AND first_step = ? AND first_time = ?",
        .integer(series.run), .integer(series.key), .integer(target.place.step),
        .integer(target.place.timestamp))
      try store(all, in: series, isLast: target.isLast)
    }
    try store(state, of: series)
  }

  /// Cuts points into chunks and inserts them. The last chunk of a series is filled before the next is begun;
  /// one in the middle is halved, so that both have room.
  private func store(_ points: PointColumns, in series: SeriesID, isLast: Bool) throws {
    let full = Connection.chunkPoints
    let pieces = (points.count + full - 1) / full
    let size = isLast ? full : (points.count + pieces - 1) / pieces
    var start = 0
    while start < points.count {
      var end = min(start + size, points.count)
      // Points of one place stay together.
      end = points.groupEnd(end - 1)
      let header = ChunkHeader(points, start..<end)
      try execute(
        "INSERT INTO chunk_data(data) VALUES (?)", .blob(PointCodec.chunk(points, start..<end)))
      try execute(
        """
        INSERT INTO chunk(run_id, key_id, first_step, first_time, last_step, count, numbers, sum_bits, min_bits,
          max_bits, data_id, last_time, in_order, min_time, max_time) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)
        """, .integer(series.run), .integer(series.key), .integer(header.place.step),
        .integer(header.place.timestamp), .integer(header.lastStep), .integer(Int64(header.count)),
        .integer(Int64(header.sums.numbers)), .bits(header.sums.sum), .bits(header.sums.low),
        .bits(header.sums.high), .integer(lastInsertedID), .integer(points.timestamps[end - 1]),
        .integer(points.isInHistoryOrder(start..<end) ? 1 : 0),
        .integer(points.timestamps[start..<end].min() ?? 0),
        .integer(points.timestamps[start..<end].max() ?? 0))
      start = end
    }
  }
}

/// A run and a metric key, by their row ids.
struct SeriesID: Hashable {
  var run: Int64
  var key: Int64
}

/// The chunk where some new points belong.
struct TargetChunk {
  var place: Place
  var dataID: Int64
  var points: PointColumns
  var isLast: Bool
}

extension Connection {
  /// Divides normalized points by the chunk where they belong; nil: the series has no chunk.
  func eachTarget(
    of points: PointColumns, in series: SeriesID, body: (TargetChunk?, Range<Int>) throws -> Void
  ) throws {
    var start = 0
    while start < points.count {
      guard var target = try chunk(for: points.place(start), in: series) else {
        return try body(nil, start..<points.count)
      }
      let next = try placeOfChunk(after: target.place, in: series)
      target.isLast = next == nil
      var end = points.count
      if let next {
        end = start
        while end < points.count && points.place(end) < next { end += 1 }
      }
      try body(target, start..<end)
      start = end
    }
  }

  private func chunk(for place: Place, in series: SeriesID) throws -> TargetChunk? {
    let select = """
      SELECT first_step, first_time, data_id, data FROM chunk JOIN chunk_data ON id = data_id
      WHERE run_id = ? AND key_id = ?
      """
    let (run, key) = (SQLValue.integer(series.run), SQLValue.integer(series.key))
    let found = try first(
      "\(select) AND (first_step, first_time) <= (?, ?) ORDER BY first_step DESC, first_time DESC LIMIT 1",
      run, key, .integer(place.step), .integer(place.timestamp), map: Connection.targetRow)
    return try found
      ?? first("\(select) ORDER BY first_step, first_time LIMIT 1", run, key, map: Connection.targetRow)
  }

  private static func targetRow(_ row: Row) throws -> TargetChunk {
    var points = PointColumns()
    try row.withBlob(3) { try PointCodec.appendChunk($0, to: &points) }
    let place = Place(step: row.integer(0), timestamp: row.integer(1))
    return TargetChunk(place: place, dataID: row.integer(2), points: points, isLast: false)
  }

  private func placeOfChunk(after place: Place, in series: SeriesID) throws -> Place? {
    try first(
      """
      SELECT first_step, first_time FROM chunk
      WHERE run_id = ? AND key_id = ? AND (first_step, first_time) > (?, ?)
      ORDER BY first_step, first_time LIMIT 1
      """, .integer(series.run), .integer(series.key), .integer(place.step), .integer(place.timestamp)
    ) { Place(step: $0.integer(0), timestamp: $0.integer(1)) }
  }
}
