// Metrics as callers see them: append points, read summaries and curves.
//
// An append is one row, whatever its keys, so its cost does not depend on how many series there are. Reading
// merges chunks with the run's segments that were not folded yet; both are read in one snapshot.

extension Connection {
  /// Records points of a run, in any order and any number of times. Throws `.notFound` for an unknown run.
  public func append(_ batch: MetricBatch, run uid: String) throws {
    try append(PointCodec.Draft(batch), run: uid)
  }

  func append(_ draft: PointCodec.Draft, run uid: String) throws {
    let run = try knownRunID(uid)
    if draft.count == 0 { return }
    let keyIDs = try draft.series.map { try metricKeyID($0.key) }
    for (series, keyID) in zip(draft.series, keyIDs) {
      try noteLatest(series.latest, of: SeriesID(run: run, key: keyID))
    }
    try putSegment(PointCodec.segment(draft, keyIDs: keyIDs), points: draft.count, run: run)
    memory.unfolded.add(draft.count, run: run, now: monotonicNanoseconds())
  }

  /// The summary of every metric of a run, by key. Throws `.notFound` for an unknown run.
  public func summaries(run uid: String) throws -> [MetricSummary] { try summaries(run: runID(uid)) }

  func summaries(run: Int64) throws -> [MetricSummary] {
    let states = try seriesStatesWithUnfolded(run: run)
    let summaries = try states.map { keyID, state in
      MetricSummary(key: try metricKeyName(keyID), state)
    }
    return summaries.sorted { $0.key < $1.key }
  }

  /// What is known of every series of a run, by key id.
  func seriesStatesWithUnfolded(run: Int64) throws -> [Int64: SeriesState] {
    var states = try seriesStates(run: run)
    for (keyID, points) in try unfolded(run: run) {
      let new = try unknownPoints(points.normalized(), in: SeriesID(run: run, key: keyID), states[keyID])
      var state = states[keyID] ?? SeriesState()
      state.add(new)
      states[keyID] = state
    }
    return states
  }

  /// The highest recorded step of every metric of a run.
  public func lastSteps(run uid: String) throws -> [String: Int64] {
    // Keys that are written differently are equal strings where they look the same.
    Dictionary(try summaries(run: uid).map { ($0.key, $0.lastStep) }, uniquingKeysWith: max)
  }

  /// The points in a run's segments, by key id, in order of arrival.
  func unfolded(run: Int64, only keyID: Int64? = nil) throws -> [Int64: PointColumns] {
    var series: [Int64: PointColumns] = [:]
    try eachSegment(run: run) { _, _, data in
      try PointCodec.appendSegment(data, only: keyID, to: &series)
      return true
    }
    return series
  }

  /// Those of some normalized points that the chunks of the series do not hold.
  private func unknownPoints(
    _ points: PointColumns, in series: SeriesID, _ folded: SeriesState?
  ) throws -> PointColumns {
    // A live log only ever appends: then no chunk need be read.
    guard let folded, points.count > 0, points.place(0) <= folded.lastPlace else { return points }
    var unknown = PointColumns()
    try eachTarget(of: points, in: series) { target, rows in
      unknown.append(target?.points.merged(with: points[rows]).added ?? points[rows])
    }
    return unknown
  }

  // MARK: Names

  private func metricKeyID(_ name: String) throws -> Int64 {
    if let id = memory.keyIDs[ExactText(name)] { return id }
    var id = try integer("SELECT id FROM metric_key WHERE name = ?", .text(name))
    if id == nil {
      if name.isEmpty { throw StoreError.conflict("a metric needs a name") }
      try execute("INSERT INTO metric_key(name) VALUES (?)", .text(name))
      id = lastInsertedID
    }
    memory.keyIDs[ExactText(name)] = id
    return id ?? 0
  }

  private func metricKeyName(_ id: Int64) throws -> String {
    let name = try first("SELECT name FROM metric_key WHERE id = ?", .integer(id)) { $0.text(0) }
    guard let name else { throw StoreError.corrupt("metric key \(id) has no name") }
    return name
  }

  // MARK: Checking

  /// What is wrong with stored points.
  func damagedMetrics() throws -> [String] {
    var damage: [String] = []
    let chunks = "chunk LEFT JOIN chunk_data ON id = data_id"
    try each("SELECT \(ChunkHeader.columns), data, run_id, key_id FROM \(chunks)") { row in
      let header = ChunkHeader(row)
      let data = ChunkHeader.columnCount
      let name = "metric chunk \(row.integer(data + 1))/\(row.integer(data + 2))/\(header.place.step)"
      var points = PointColumns()
      do {
        try row.withBlob(data) { try PointCodec.appendChunk($0, to: &points) }
        let isTrue = ChunkHeader(points, 0..<points.count).agrees(with: header)
        if !isTrue { damage.append("\(name): not what its row says") }
      } catch {
        damage.append("\(name): \(error)")
      }
    }
    try each("SELECT id, data FROM segment UNION ALL SELECT id, data FROM inbox") { row in
      var series: [Int64: PointColumns] = [:]
      do {
        try row.withBlob(1) { try PointCodec.appendSegment($0, to: &series) }
      } catch {
        damage.append("metric segment \(row.integer(0)): \(error)")
      }
    }
    return damage
  }
}

extension Store {
  /// Records points of a run; on the disk when it returns. Throws `.notFound` for an unknown run, `.busy`.
  public func append(_ batch: MetricBatch, run: String) throws {
    let draft = PointCodec.Draft(batch)
    try write(cost: draft.cost) { try $0.append(draft, run: run) }
  }

  /// Records points of a run; see `append(_: MetricBatch, run:)`.
  public func append(_ points: [MetricPoint], run: String) throws {
    try append(MetricBatch(points), run: run)
  }

  /// The summary of every metric of a run, by key. Throws `.notFound` for an unknown run.
  public func summaries(run: String) throws -> [MetricSummary] { try read { try $0.summaries(run: run) } }

  /// The highest recorded step of every metric of a run. Throws `.notFound` for an unknown run.
  public func lastSteps(run: String) throws -> [String: Int64] { try read { try $0.lastSteps(run: run) } }

  /// The curve of one metric; see `Connection.curve`.
  public func curve(
    run: String, key: String, maxPoints: Int = 0, fromStep: Int64? = nil, toStep: Int64? = nil,
    smoothing: Smoothing? = nil, parting: Bool = false
  ) throws -> Curve {
    try read {
      try $0.curve(
        run: run, key: key, maxPoints: maxPoints, fromStep: fromStep, toStep: toStep, smoothing: smoothing,
        parting: parting)
    }
  }
}
