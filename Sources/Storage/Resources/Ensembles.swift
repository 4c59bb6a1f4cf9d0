// Ensembles: which runs' models belong together, and what was found of them. Requests and results are JSON texts
// here.

/// Where an ensemble stands.
public enum EnsembleState: String, Sendable, Equatable, CaseIterable {
  /// Its members train, or are evaluated.
  case running
  /// Its result is there.
  case finished
  /// A member failed.
  case failed
  /// Ended by a person.
  case cancelled
}

/// One model of an ensemble.
public struct EnsembleMember: Sendable, Equatable {
  /// Its run.
  public var runUID: String
  /// Which checkpoint of the run: a step or a label.
  public var checkpoint: String

  /// A checkpoint of a run.
  public init(runUID: String, checkpoint: String) {
    self.runUID = runUID
    self.checkpoint = checkpoint
  }
}

/// An ensemble as it is stored.
public struct EnsembleRecord: Sendable, Equatable {
  /// Counts up from 1.
  public var id: Int64
  /// Where it stands.
  public var state: EnsembleState
  /// Why it failed.
  public var error: String?
  /// What was asked for, as JSON text.
  public var request: String
  /// What was found, as JSON text.
  public var result: String?
  /// ms since 1970.
  public var createdAt: Int64
  /// ms since 1970.
  public var endedAt: Int64?
  /// Its members so far, in order.
  public var members: [EnsembleMember]
}

extension Connection {
  /// Makes a running ensemble without members and gives its id.
  public func createEnsemble(request: String, createdAt: Int64) throws -> Int64 {
    try execute(
      "INSERT INTO ensemble(state, request, created_at) VALUES ('running', ?, ?)", .text(request),
      .integer(createdAt))
    return lastInsertedID
  }

  /// Adds the next member.
  public func addMember(_ member: EnsembleMember, toEnsemble id: Int64) throws {
    try execute(
      """
      INSERT INTO ensemble_member(ensemble_id, number, run_uid, checkpoint)
      SELECT ?1, count(*), ?2, ?3 FROM ensemble_member WHERE ensemble_id = ?1
      """, .integer(id), .text(member.runUID), .text(member.checkpoint))
  }

  /// Ends a running ensemble; false, and no change, when it has ended before. Throws `.notFound`.
  public func endEnsemble(
    _ id: Int64, as state: EnsembleState, error: String? = nil, result: String? = nil, at time: Int64
  ) throws -> Bool {
    try execute(
      "UPDATE ensemble SET state = ?, error = ?, result = ?, ended_at = ? WHERE id = ? AND state = 'running'",
      .text(state.rawValue), .optional(error), .optional(result), .integer(time), .integer(id))
    if changes > 0 { return true }
    if try ensemble(id) == nil { throw StoreError.notFound("ensemble \(id)") }
    return false
  }

  /// An ensemble by id; nil when there is none.
  public func ensemble(_ id: Int64) throws -> EnsembleRecord? {
    try listEnsembles(limit: 1, before: id == .max ? id : id + 1).first { $0.id == id }
  }

  /// Ensembles, newest first: those in a state (nil: all) with ids below `before`.
  public func listEnsembles(state: EnsembleState? = nil, limit: Int, before: Int64? = nil) throws
    -> [EnsembleRecord]
  {
    let scope = state == nil ? "?1 IS NULL" : "state = ?1"
    let found = try all(
      """
      SELECT id, state, error, request, result, created_at, ended_at FROM ensemble
      WHERE \(scope) AND id < ?2 ORDER BY id DESC LIMIT ?3
      """, .optional(state?.rawValue), .integer(before ?? .max), .integer(Int64(limit))
    ) { row in
      EnsembleRecord(
        id: row.integer(0), state: EnsembleState(rawValue: row.text(1)) ?? .failed,
        error: row.optionalText(2), request: row.text(3), result: row.optionalText(4),
        createdAt: row.integer(5), endedAt: row.optionalInteger(6), members: [])
    }
    return try found.map { record in
      var record = record
      record.members = try all(
        "SELECT run_uid, checkpoint FROM ensemble_member WHERE ensemble_id = ? ORDER BY number",
        .integer(record.id)
      ) { EnsembleMember(runUID: $0.text(0), checkpoint: $0.text(1)) }
      return record
    }
  }
}

extension Store {
  /// An ensemble by id; nil when there is none.
  public func ensemble(_ id: Int64) throws -> EnsembleRecord? { try read { try $0.ensemble(id) } }

  /// Ensembles, newest first; see `Connection.listEnsembles`.
  public func listEnsembles(state: EnsembleState? = nil, limit: Int, before: Int64? = nil) throws
    -> [EnsembleRecord]
  {
    try read { try $0.listEnsembles(state: state, limit: limit, before: before) }
  }

  /// Ends a running ensemble; see `Connection.endEnsemble`.
  public func endEnsemble(
    _ id: Int64, as state: EnsembleState, error: String? = nil, result: String? = nil, at time: Int64
  ) throws -> Bool {
    try write { try $0.endEnsemble(id, as: state, error: error, result: result, at: time) }
  }
}
