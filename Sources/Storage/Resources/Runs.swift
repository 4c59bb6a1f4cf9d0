// Runs with their parameters and tags.

/// MLflow's run states.
public enum RunStatus: String, Sendable, Equatable, CaseIterable {
  /// Points arrive.
  case running = "RUNNING"
  /// Waits, or is paused.
  case scheduled = "SCHEDULED"
  /// Ended as planned.
  case finished = "FINISHED"
  /// Ended by an error.
  case failed = "FAILED"
  /// Ended by a person.
  case killed = "KILLED"
}

/// A run as it is made.
public struct NewRun: Sendable {
  /// 32 hex digits, see `newRunID`.
  public var uid: String
  /// The experiment's id.
  public var experimentID: Int64
  /// The name that people see.
  public var name: String
  /// Who started it.
  public var userID: String
  /// The first status.
  public var status: RunStatus
  /// ms since 1970; nil when it has not started.
  public var startTime: Int64?
  /// Parameters, each key once.
  public var params: [KeyValue]
  /// Tags; of equal keys the last one holds.
  public var tags: [KeyValue]

  /// A run to be made.
  public init(
    uid: String = newRunID(), experimentID: Int64 = 0, name: String, userID: String = "",
    status: RunStatus = .running, startTime: Int64? = nil, params: [KeyValue] = [], tags: [KeyValue] = []
  ) {
    self.uid = uid
    self.experimentID = experimentID
    self.name = name
    self.userID = userID
    self.status = status
    self.startTime = startTime
    self.params = params
    self.tags = tags
  }
}

/// A run as it is stored.
public struct RunRecord: Sendable, Equatable {
  /// Counts up in order of creation: the cursor of `listRuns`.
  public var number: Int64
  /// 32 hex digits.
  public var uid: String
  /// The experiment's id.
  public var experimentID: Int64
  /// The experiment's name.
  public var experimentName: String
  /// The experiment's place for artifacts when it is not the usual one.
  public var artifactLocation: String?
  /// The name that people see.
  public var name: String
  /// Who started it.
  public var userID: String
  /// How it stands.
  public var status: RunStatus
  /// ms since 1970.
  public var startTime: Int64?
  /// ms since 1970.
  public var endTime: Int64?
  /// Shown or deleted.
  public var lifecycle: Lifecycle
  /// Parameters by key.
  public var params: [KeyValue] = []
  /// Tags by key.
  public var tags: [KeyValue] = []
  /// Metrics by key; empty when they were not asked for.
  public var metrics: [MetricSummary] = []
  /// The latest value of each metric, by key; empty when they were not asked for.
  public var latest: [LatestMetric] = []
}

/// A random run id: 32 hex digits.
public func newRunID() -> String {
  var generator = SystemRandomNumberGenerator()
  let digits = (0..<2).map { _ in
    let text = String(generator.next(), radix: 16)
    return String(repeating: "0", count: 16 - text.count) + text
  }
  return digits.joined()
}

extension Connection {
  private static let runSelect = """
    SELECT run.id, uid, experiment_id, experiment.name, experiment.artifact_location, run.name, user_id, status,
      start_time, end_time, run.lifecycle
    FROM run JOIN experiment ON experiment.id = experiment_id
    """

  /// Makes a run and returns its number. Throws `.notFound` for the experiment, `.conflict` for a used uid.
  @discardableResult
  public func createRun(_ run: NewRun) throws -> Int64 {
    if try integer("SELECT id FROM experiment WHERE id = ?", .integer(run.experimentID)) == nil {
      throw StoreError.notFound("experiment \(run.experimentID)")
    }
    if run.uid.isEmpty { throw StoreError.conflict("a run needs an id") }
    if try integer("SELECT id FROM run WHERE uid = ?", .text(run.uid)) != nil {
      throw StoreError.conflict("run '\(run.uid)' exists already")
    }
    try execute(
      "INSERT INTO run(uid, experiment_id, name, user_id, status, start_time) VALUES (?,?,?,?,?,?)",
      .text(run.uid), .integer(run.experimentID), .text(run.name), .text(run.userID),
      .text(run.status.rawValue), .optional(run.startTime))
    let id = lastInsertedID
    try logParams(run.params, run: run.uid)
    try setTags(run.tags, run: run.uid)
    return id
  }

  /// A run with the latest value of each metric, deleted or not; nil when there is none.
  public func runWithLatest(_ uid: String) throws -> RunRecord? {
    try first("\(Connection.runSelect) WHERE uid = ?", .text(uid), map: Connection.runRow).map(withLatest)
  }

  /// The run of a row id with what belongs to it. Throws `.notFound`.
  func run(number: Int64, withMetrics: Bool) throws -> RunRecord {
    let found = try first(
      "\(Connection.runSelect) WHERE run.id = ?", .integer(number), map: Connection.runRow)
    guard let found else { throw StoreError.notFound("run \(number)") }
    return withMetrics ? try completed(found, withMetrics: true) : try withLatest(found)
  }

  private func withLatest(_ run: RunRecord) throws -> RunRecord {
    var run = try completed(run, withMetrics: false)
    run.latest = try latestMetrics(run: run.number)
    return run
  }

  /// A run by uid, deleted or not; nil when there is none.
  public func run(_ uid: String, withMetrics: Bool = true) throws -> RunRecord? {
    try first("\(Connection.runSelect) WHERE uid = ?", .text(uid), map: Connection.runRow)
      .map { try completed($0, withMetrics: withMetrics) }
  }

  /// Runs, newest first: those of an experiment (nil: all) made before the run of number `before`.
  public func listRuns(
    experiment: Int64? = nil, lifecycle: Lifecycle? = .active, limit: Int, before: Int64? = nil,
    withMetrics: Bool = true
  ) throws -> [RunRecord] {
    let scope = experiment == nil ? "?1 IS NULL" : "experiment_id = ?1"
    let found = try all(
      """
      \(Connection.runSelect)
      WHERE \(scope) AND (?2 IS NULL OR run.lifecycle = ?2) AND run.id < ?3 ORDER BY run.id DESC LIMIT ?4
      """, .optional(experiment), .optional(lifecycle?.rawValue), .integer(before ?? .max),
      .integer(Int64(limit)), map: Connection.runRow)
    return try found.map { try completed($0, withMetrics: withMetrics) }
  }

  /// Changes what is given. Throws `.notFound`.
  public func setRun(
    _ uid: String, status: RunStatus? = nil, startTime: Int64? = nil, endTime: Int64? = nil,
    name: String? = nil, lifecycle: Lifecycle? = nil
  ) throws {
    try execute(
      """
      UPDATE run SET status = coalesce(?, status), start_time = coalesce(?, start_time),
        end_time = coalesce(?, end_time), name = coalesce(?, name), lifecycle = coalesce(?, lifecycle)
      WHERE uid = ?
      """, .optional(status?.rawValue), .optional(startTime), .optional(endTime), .optional(name),
      .optional(lifecycle?.rawValue), .text(uid))
    if changes == 0 { throw StoreError.notFound("run '\(uid)'") }
    if lifecycle != nil { memory.activeRunIDs[uid] = nil }
  }

  /// Writes parameters; the same value again is no change. Throws `.notFound`, `.parameterChanged`.
  public func logParams(_ params: [KeyValue], run uid: String) throws {
    let run = try knownRunID(uid)
    for param in params {
      try execute(
        "INSERT INTO param(run_id, key, value) VALUES (?,?,?) ON CONFLICT DO NOTHING",
        .integer(run), .text(param.key), .text(param.value))
      if changes > 0 { continue }
      let sql = "SELECT value FROM param WHERE run_id = ? AND key = ?"
      let was = try first(sql, .integer(run), .text(param.key)) { $0.text(0) } ?? ""
      // Compared as bytes: Swift's == takes different spellings of one character for the same.
      guard was.utf8.elementsEqual(param.value.utf8) else {
        throw StoreError.parameterChanged(key: param.key, was: was, new: param.value)
      }
    }
  }

  /// Writes tags; later values replace earlier ones. Throws `.notFound`.
  public func setTags(_ tags: [KeyValue], run uid: String) throws {
    let run = try knownRunID(uid)
    for tag in tags {
      try execute(
        "INSERT OR REPLACE INTO tag(run_id, key, value) VALUES (?,?,?)",
        .integer(run), .text(tag.key), .text(tag.value))
    }
  }

  /// Removes a tag; false when it was not there. Throws `.notFound` for the run.
  public func deleteTag(_ key: String, run uid: String) throws -> Bool {
    try execute("DELETE FROM tag WHERE run_id = ? AND key = ?", .integer(try knownRunID(uid)), .text(key))
    return changes > 0
  }

  /// The row id of a run; throws `.notFound`.
  func runID(_ uid: String) throws -> Int64 {
    guard let id = try integer("SELECT id FROM run WHERE uid = ?", .text(uid)) else {
      throw StoreError.notFound("run '\(uid)'")
    }
    return id
  }

  /// The same, from the writer's memory where it can be.
  func knownRunID(_ uid: String) throws -> Int64 {
    if let id = memory.runIDs[uid] { return id }
    let id = try runID(uid)
    // Runs come and go; the memory holds those that are written to now.
    if memory.runIDs.count >= 4096 { memory.runIDs.removeAll() }
    memory.runIDs[uid] = id
    return id
  }

  private func completed(_ run: RunRecord, withMetrics: Bool) throws -> RunRecord {
    var run = run
    run.params = try pairs("SELECT key, value FROM param WHERE run_id = ? ORDER BY key", run.number)
    run.tags = try pairs("SELECT key, value FROM tag WHERE run_id = ? ORDER BY key", run.number)
    if withMetrics { run.metrics = try summaries(run: run.number) }
    return run
  }

  private func pairs(_ sql: String, _ run: Int64) throws -> [KeyValue] {
    try all(sql, .integer(run)) { KeyValue($0.text(0), $0.text(1)) }
  }

  private static func runRow(_ row: Row) -> RunRecord {
    RunRecord(
      number: row.integer(0), uid: row.text(1), experimentID: row.integer(2), experimentName: row.text(3),
      artifactLocation: row.optionalText(4), name: row.text(5), userID: row.text(6),
      status: RunStatus(rawValue: row.text(7)) ?? .failed, startTime: row.optionalInteger(8),
      endTime: row.optionalInteger(9), lifecycle: Lifecycle(rawValue: row.text(10)) ?? .active)
  }
}

extension Store {
  /// Makes a run and returns its number; see `Connection.createRun`.
  @discardableResult
  public func createRun(_ run: NewRun) throws -> Int64 { try write { try $0.createRun(run) } }

  /// A run by uid; nil when there is none.
  public func run(_ uid: String) throws -> RunRecord? { try read { try $0.run(uid) } }

  /// Runs, newest first; see `Connection.listRuns`.
  public func listRuns(experiment: Int64? = nil, limit: Int, before: Int64? = nil) throws -> [RunRecord] {
    try read { try $0.listRuns(experiment: experiment, limit: limit, before: before) }
  }

  /// Changes a run's status and end. Throws `.notFound`.
  public func setRun(_ uid: String, status: RunStatus, end: Int64? = nil) throws {
    try write { try $0.setRun(uid, status: status, endTime: end) }
  }

  /// Writes parameters, all or none. Throws `.notFound`, `.parameterChanged`.
  public func logParams(_ params: [KeyValue], run: String) throws {
    try write { try $0.logParams(params, run: run) }
  }

  /// Writes tags. Throws `.notFound`.
  public func setTags(_ tags: [KeyValue], run: String) throws {
    try write { try $0.setTags(tags, run: run) }
  }

  /// Removes a run with everything of it, for good; its pages go back to the disk when the writer is idle.
  ///
  /// Large runs go in slices, so that others can write meanwhile; after a crash in the middle the run is hidden
  /// (`.deleted`) and the call may be repeated. Throws `.notFound`.
  public func deleteRun(_ uid: String) throws {
    try write { try $0.setRun(uid, lifecycle: .deleted) }
    let run = try read { try $0.run(uid, withMetrics: false) }
    if let folder = run?.artifactFolder { try deleteArtifacts(folder) }
    while try write({ try $0.deleteSlice(ofRun: uid) }) {}
  }
}

extension Connection {
  /// Deletes some rows of a run, the run itself at last; false when it is gone.
  func deleteSlice(ofRun uid: String) throws -> Bool {
    let run = try runID(uid)
    memory.mayShrink = true
    try emptyInbox()
    let few = 2000
    // The bytes of the chunks and then their rows: both name the same ones.
    let chunks = "FROM chunk WHERE run_id = ?1 ORDER BY key_id, first_step, first_time LIMIT ?2"
    let slices = [
      ["DELETE FROM segment WHERE id IN (SELECT id FROM segment WHERE run_id = ?1 LIMIT ?2)"],
      [
        "DELETE FROM chunk_data WHERE id IN (SELECT data_id \(chunks))",
        """
        DELETE FROM chunk WHERE run_id = ?1
          AND (key_id, first_step, first_time) IN (SELECT key_id, first_step, first_time \(chunks))
        """,
      ],
      [
        """
        DELETE FROM log_line WHERE run_id = ?1
          AND number IN (SELECT number FROM log_line WHERE run_id = ?1 LIMIT ?2)
        """
      ],
    ]
    for slice in slices {
      for sql in slice { try execute(sql, .integer(run), .integer(Int64(few))) }
      // Fewer than that: there are no more, and what a live run adds later is met by the same transaction.
      if changes >= few { return true }
    }
    try execute("DELETE FROM series WHERE run_id = ?", .integer(run))
    try execute("DELETE FROM latest_metric WHERE run_id = ?", .integer(run))
    // The bytes of checkpoints follow in slices of their own.
    try doom("run_id = ?", .integer(run))
    try execute("DELETE FROM run WHERE id = ?", .integer(run))
    memory.forget()
    memory.unfolded[run] = nil
    return false
  }
}
