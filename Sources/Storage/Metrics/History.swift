// The points of a metric as they were logged, for clients that want all of them: by timestamp, then step, then value
// (NaN counts as 0), in pages.
//
// The chunks of a series are by step. A log whose times rise with its steps, which is nearly all there is, has its
// history in the same order, and each chunk's row says so: then a page costs the chunks that it lies in. Of other logs
// each chunk's row says the span of its times: chunks whose spans overlap are sorted together, and a page costs the
// chunks that share its times. (A run that was taken up again from an earlier step is such a log.)

/// A part of a history.
public struct HistoryPage: Sendable {
  /// The points, never sampled.
  public var points: Curve
  /// Whether others follow.
  public var hasMore: Bool
}

extension Connection {
  /// At most `limit` points of a metric (nil: all) after the first `offset`; none for an unknown run or key.
  public func history(run uid: String, key: String, offset: Int = 0, limit: Int? = nil) throws -> HistoryPage
  {
    guard let run = try integer("SELECT id FROM run WHERE uid = ?", .text(uid)),
      let keyID = try integer("SELECT id FROM metric_key WHERE name = ?", .text(key))
    else {
      return HistoryPage(points: Curve(key: key), hasMore: false)
    }
    if let limit {
      let series = SeriesID(run: run, key: keyID)
      let tail = try unfolded(run: run, only: keyID)[keyID]?.normalized() ?? PointColumns()
      let end = limit > Int.max - offset ? Int.max : offset + limit
      if try isTail(tail, of: series),
        let page = try pageByChunks(series, tail, offset..<end) ?? pageByTimes(series, tail, offset..<end)
      {
        var curve = Curve(key: key)
        (curve.count, curve.steps, curve.timestamps, curve.values) = (
          page.points.count, page.points.steps, page.points.timestamps, page.points.values
        )
        return HistoryPage(points: curve, hasMore: end < page.total)
      }
    }
    let curve = try self.curve(
      run: run, key: key, maxPoints: 0, from: .min, to: .max, directPoints: Connection.directPoints)
    let sorted = curve.sorted { left, right in
      (curve.timestamps[left], curve.steps[left], comparable(curve.values[left]))
        < (curve.timestamps[right], curve.steps[right], comparable(curve.values[right]))
    }
    let start = min(offset, sorted.steps.count)
    let end = min(sorted.steps.count, limit.map { start + min($0, sorted.steps.count) } ?? sorted.steps.count)
    return HistoryPage(points: sorted.rows(start..<end), hasMore: end < sorted.steps.count)
  }

  /// The page when the history is in the order of the chunks; nil when it is not.
  private func pageByChunks(
    _ series: SeriesID, _ tail: PointColumns, _ page: Range<Int>
  ) throws -> (points: PointColumns, total: Int)? {
    guard tail.isInHistoryOrder else { return nil }
    var wanted: [Int64] = []
    var (before, count, lastTime, isInOrder) = (0, 0, Int64.min, true)
    try each(
      """
      SELECT count, first_time, last_time, in_order, data_id FROM chunk WHERE run_id = ? AND key_id = ?
      ORDER BY first_step, first_time
      """, .integer(series.run), .integer(series.key)
    ) { row in
      let (start, size) = (count, Int(row.integer(0)))
      isInOrder = isInOrder && row.integer(3) == 1 && row.integer(1) >= lastTime
      lastTime = row.integer(2)
      count += size
      if count <= page.lowerBound || start >= page.upperBound { return }
      if wanted.isEmpty { before = start }
      wanted.append(row.integer(4))
    }
    guard isInOrder, tail.count == 0 || tail.timestamps[0] >= lastTime else { return nil }
    if wanted.isEmpty { before = count }
    var points = PointColumns()
    for id in wanted { try appendChunk(id, to: &points) }
    if page.upperBound > count { points.append(tail) }
    return (points.rows(of: page, from: before), count + tail.count)
  }

  /// The page of a history in any order; nil when a chunk does not know its times.
  private func pageByTimes(
    _ series: SeriesID, _ tail: PointColumns, _ page: Range<Int>
  ) throws -> (points: PointColumns, total: Int)? {
    var spans: [TimeSpan] = []
    var isKnown = true
    try each(
      "SELECT min_time, max_time, count, data_id, max_time IS NULL FROM chunk WHERE run_id = ? AND key_id = ?",
      .integer(series.run), .integer(series.key)
    ) { row in
      isKnown = isKnown && row.integer(4) == 0
      spans.append(
        TimeSpan(
          earliest: row.integer(0), latest: row.integer(1), count: Int(row.integer(2)), chunk: row.integer(3))
      )
    }
    guard isKnown else { return nil }
    if let earliest = tail.timestamps.min(), let latest = tail.timestamps.max() {
      spans.append(TimeSpan(earliest: earliest, latest: latest, count: tail.count, chunk: nil))
    }
    spans.sort { $0.earliest < $1.earliest }
    var points = PointColumns()
    var (before, total) = (0, 0)
    for group in overlapping(spans) {
      let start = total
      total += spans[group].reduce(0) { $0 + $1.count }
      if total <= page.lowerBound || start >= page.upperBound { continue }
      if points.count == 0 { before = start }
      var together = PointColumns()
      for span in spans[group] {
        if let chunk = span.chunk { try appendChunk(chunk, to: &together) } else { together.append(tail) }
      }
      points.append(together.inHistoryOrder())
    }
    return (points.rows(of: page, from: before), total)
  }

  private func appendChunk(_ id: Int64, to points: inout PointColumns) throws {
    try each("SELECT data FROM chunk_data WHERE id = ?", .integer(id)) { row in
      try row.withBlob(0) { try PointCodec.appendChunk($0, to: &points) }
    }
  }

  /// Every point of a metric by step, then timestamp, then value; none for an unknown run or key.
  public func historyByStep(run uid: String, key: String, from: Int64, to: Int64) throws -> Curve {
    guard let run = try integer("SELECT id FROM run WHERE uid = ?", .text(uid)) else {
      return Curve(key: key)
    }
    let curve = try self.curve(
      run: run, key: key, maxPoints: 0, from: from, to: to, directPoints: Connection.directPoints)
    return curve.sorted { left, right in
      (curve.steps[left], curve.timestamps[left], comparable(curve.values[left]))
        < (curve.steps[right], curve.timestamps[right], comparable(curve.values[right]))
    }
  }
}

/// A value as it takes part in an order, where NaN counts as 0.
private func comparable(_ value: Double) -> Double { value.isNaN ? 0 : value }

extension PointColumns {
  /// Whether points that are in the order of their series are in the order of histories as well.
  var isInHistoryOrder: Bool { isInHistoryOrder(0..<count) }

  /// The same of some rows.
  func isInHistoryOrder(_ rows: Range<Int>) -> Bool {
    for right in rows.dropFirst() {
      let left = right - 1
      if (timestamps[right], steps[right], comparable(values[right]))
        < (timestamps[left], steps[left], comparable(values[left]))
      {
        return false
      }
    }
    return true
  }

  /// The points in the order of histories; those of one place and value stay as they arrived.
  fileprivate func inHistoryOrder() -> PointColumns {
    if isInHistoryOrder { return self }
    let order = (0..<count).sorted { left, right in
      let a = (timestamps[left], steps[left], comparable(values[left]))
      let b = (timestamps[right], steps[right], comparable(values[right]))
      return a == b ? left < right : a < b
    }
    var sorted = PointColumns(capacity: count)
    for row in order { sorted.append(step: steps[row], timestamp: timestamps[row], value: values[row]) }
    return sorted
  }

  /// The rows of a page of the whole, of which these begin at `start`.
  fileprivate func rows(of page: Range<Int>, from start: Int) -> PointColumns {
    let first = min(max(0, page.lowerBound - start), count)
    return self[first..<min(count, first + min(page.count, count))]
  }
}

/// The times of a chunk, or of the points that are in none (nil).
private struct TimeSpan {
  var earliest: Int64
  var latest: Int64
  var count: Int
  var chunk: Int64?
}

/// Divides spans that are in the order of their beginnings where one begins after all before it have ended.
private func overlapping(_ spans: [TimeSpan]) -> [Range<Int>] {
  var groups: [Range<Int>] = []
  var (start, latest) = (0, Int64.min)
  for (index, span) in spans.enumerated() {
    if index > start, span.earliest > latest {
      groups.append(start..<index)
      start = index
    }
    latest = max(latest, span.latest)
  }
  return spans.isEmpty ? [] : groups + [start..<spans.count]
}

extension Curve {
  /// Some of the rows.
  fileprivate func rows(_ rows: Range<Int>) -> Curve {
    if rows == 0..<steps.count { return self }
    var part = self
    part.count = rows.count
    part.steps = Array(steps[rows])
    part.timestamps = Array(timestamps[rows])
    part.values = Array(values[rows])
    return part
  }

  /// The rows in the order of `precedes`; those that are in order already stay where they are.
  fileprivate func sorted(_ precedes: (Int, Int) -> Bool) -> Curve {
    let isSorted = (1..<max(steps.count, 1)).allSatisfy { !precedes($0, $0 - 1) }
    if isSorted { return self }
    let order = steps.indices.sorted(by: precedes)
    var curve = self
    curve.steps = order.map { steps[$0] }
    curve.timestamps = order.map { timestamps[$0] }
    curve.values = order.map { values[$0] }
    return curve
  }
}
