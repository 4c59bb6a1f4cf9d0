// The points of a metric as they were logged, for clients that want all of them: by timestamp, then step, then value
// (NaN counts as 0), in pages.
//
// The chunks of a series are by step. A log whose times rise with its steps, which is nearly all there is, has its
// history in the same order, and each chunk's row says so: then a page costs the chunks that it lies in.

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
    if let limit,
      let page = try pageByChunks(SeriesID(run: run, key: keyID), key, offset: offset, limit: limit)
    {
      return page
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
    _ series: SeriesID, _ key: String, offset: Int, limit: Int
  ) throws -> HistoryPage? {
    let tail = try unfolded(run: series.run, only: series.key)[series.key]?.normalized() ?? PointColumns()
    guard tail.isInHistoryOrder, try isTail(tail, of: series) else { return nil }
    var wanted: [Int64] = []
    var (before, count, lastTime, isInOrder) = (0, 0, Int64.min, true)
    let end = limit > Int.max - offset ? Int.max : offset + limit
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
      if count <= offset || start >= end { return }
      if wanted.isEmpty { before = start }
      wanted.append(row.integer(4))
    }
    guard isInOrder, tail.count == 0 || tail.timestamps[0] >= lastTime else { return nil }
    if wanted.isEmpty { before = count }
    var points = PointColumns()
    for id in wanted {
      try each("SELECT data FROM chunk_data WHERE id = ?", .integer(id)) { row in
        try row.withBlob(0) { try PointCodec.appendChunk($0, to: &points) }
      }
    }
    let total = count + tail.count
    if end > count { points.append(tail) }
    let first = min(max(0, offset - before), points.count)
    let page = points[first..<min(points.count, first + min(limit, points.count))]
    var curve = Curve(key: key)
    (curve.count, curve.steps, curve.timestamps, curve.values) = (
      page.count, page.steps, page.timestamps, page.values
    )
    return HistoryPage(points: curve, hasMore: end < total)
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
