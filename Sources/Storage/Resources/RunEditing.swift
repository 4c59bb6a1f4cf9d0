// Writing to runs under MLflow's rules: only active runs and experiments take writes, a run's name and its tag
// `mlflow.runName` are one thing, and deleting an experiment deletes its runs.

/// The tag that carries a run's name.
public let runNameTag = "mlflow.runName"

/// What one request records of a run; all of it or nothing.
public struct RunEntries: Sendable {
  /// Points.
  public var metrics = MetricBatch()
  /// Parameters, each key once.
  public var params: [KeyValue] = []
  /// Tags; of equal keys the last one holds.
  public var tags: [KeyValue] = []

  /// Nothing yet.
  public init() {}
}

/// A parameter that was logged before with another value.
public struct ParamConflict: Sendable, Equatable {
  /// The name.
  public var key: String
  /// What is stored.
  public var was: String
  /// What was refused.
  public var new: String

  /// A conflict.
  public init(key: String, was: String, new: String) {
    self.key = key
    self.was = was
    self.new = new
  }
}

extension RunEntries {
  /// The points as they will be stored, and the rest.
  fileprivate var drafted: (PointCodec.Draft, RunEntries) {
    var rest = self
    rest.metrics = MetricBatch()
    return (PointCodec.Draft(metrics), rest)
  }
}

extension Connection {
  /// The row id of a run that takes writes. Throws `.notFound`, and `.conflict` for a deleted one.
  @discardableResult
  func activeRunID(_ uid: String) throws -> Int64 {
    if let id = memory.activeRunIDs[uid] { return id }
    let found = try first("SELECT id, lifecycle FROM run WHERE uid = ?", .text(uid)) {
      ($0.integer(0), $0.text(1))
    }
    guard let (id, lifecycle) = found else { throw StoreError.notFound("run '\(uid)'") }
    guard lifecycle == Lifecycle.active.rawValue else {
      throw StoreError.conflict(
        "The run \(uid) must be in the 'active' state. Current state is \(lifecycle).")
    }
    if memory.activeRunIDs.count >= 4096 { memory.activeRunIDs.removeAll() }
    memory.activeRunIDs[uid] = id
    return id
  }

  /// Throws as `activeRunID` does unless the run takes writes.
  public func requireActiveRun(_ uid: String) throws { try activeRunID(uid) }

  /// An experiment that takes writes. Throws `.notFound`, and `.conflict` for a deleted one.
  @discardableResult
  public func requireActiveExperiment(_ id: Int64) throws -> ExperimentRecord {
    guard let found = try experiment(id) else { throw StoreError.notFound("experiment \(id)") }
    guard found.lifecycle == .active else {
      throw StoreError.conflict(
        "The experiment \(id) must be in the 'active' state. Current state is \(found.lifecycle.rawValue).")
    }
    return found
  }

  /// Records points, parameters and tags of an active run. Throws `.notFound`, `.conflict`, `.parameterChanged`.
  public func log(_ entries: RunEntries, run uid: String) throws {
    try log(PointCodec.Draft(entries.metrics), entries, run: uid)
  }

  fileprivate func log(_ draft: PointCodec.Draft, _ entries: RunEntries, run uid: String) throws {
    try activeRunID(uid)
    try logParams(entries.params, run: uid)
    try append(draft, run: uid)
    try putTags(entries.tags, run: uid)
  }

  /// Writes tags of an active run; the tag of the name renames the run, unless it is empty.
  func putTags(_ tags: [KeyValue], run uid: String) throws {
    for tag in tags {
      if tag.key == runNameTag {
        if tag.value.isEmpty { continue }
        try setRun(uid, name: tag.value)
      }
      try setTags([tag], run: uid)
    }
  }

  /// Those of some parameters that were logged before with another value, in order.
  public func conflicts(of params: [KeyValue], run uid: String) throws -> [ParamConflict] {
    let run = try runID(uid)
    return try params.compactMap { param in
      let sql = "SELECT value FROM param WHERE run_id = ? AND key = ?"
      guard let was = try first(sql, .integer(run), .text(param.key), map: { $0.text(0) }),
        !was.utf8.elementsEqual(param.value.utf8)
      else { return nil }
      return ParamConflict(key: param.key, was: was, new: param.value)
    }
  }

  /// Changes what is given of an active run; an empty name changes nothing. Throws `.notFound`, `.conflict`.
  public func updateRun(_ uid: String, status: RunStatus?, endTime: Int64?, name: String?) throws {
    try activeRunID(uid)
    let name = name?.isEmpty == true ? nil : name
    try setRun(uid, status: status, endTime: endTime, name: name)
    if let name { try setTags([KeyValue(runNameTag, name)], run: uid) }
  }

  /// Hides a run or brings it back; either may be repeated. Throws `.notFound`.
  public func setRun(_ uid: String, deleted: Bool, time: Int64) throws {
    try setRun(uid, lifecycle: deleted ? .deleted : .active)
    try execute(
      "UPDATE run SET deleted_at = ? WHERE uid = ?", .optional(deleted ? time : nil), .text(uid))
  }

  /// Hides an active experiment with all its runs, or brings a hidden one back with all of them.
  ///
  /// Throws `.notFound` when there is none in the state to be left.
  public func setExperiment(_ id: Int64, deleted: Bool, time: Int64) throws {
    guard let found = try experiment(id), (found.lifecycle == .deleted) != deleted else {
      throw StoreError.notFound("\(deleted ? "active" : "deleted") experiment \(id)")
    }
    try setExperiment(id, lifecycle: deleted ? .deleted : .active, time: time)
    let deletedAt = SQLValue.optional(deleted ? time : nil)
    try execute("UPDATE experiment SET deleted_at = ? WHERE id = ?", deletedAt, .integer(id))
    try execute(
      "UPDATE run SET lifecycle = ?, deleted_at = ? WHERE experiment_id = ?",
      .text(deleted ? "deleted" : "active"), deletedAt, .integer(id))
    memory.activeRunIDs.removeAll()
  }
}

extension Store {
  /// Records points, parameters and tags of an active run, all or nothing; on the disk when it returns.
  ///
  /// Throws `.notFound`, `.conflict` for a deleted run, `.parameterChanged`, `.busy`.
  public func log(_ entries: RunEntries, run: String) throws {
    let (draft, rest) = entries.drafted
    try write(cost: draft.cost) { try $0.log(draft, rest, run: run) }
  }

  /// The same without waiting: `done` gets the error, or nil once it is on the disk, and must not hold up the thread
  /// that calls it. Throws `.busy`.
  public func logLater(
    _ entries: RunEntries, run: String, done: @escaping @Sendable ((any Error)?) -> Void
  ) throws {
    let (draft, rest) = entries.drafted
    try writeLater(cost: draft.cost, { try $0.log(draft, rest, run: run) }, done: done)
  }
}
