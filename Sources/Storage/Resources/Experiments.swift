// Experiments: the folders of runs. Experiment 0, "Default", is there from the start.

/// A key with its value: a parameter or a tag.
public struct KeyValue: Sendable, Equatable {
  /// The name.
  public var key: String
  /// The text.
  public var value: String

  /// A pair.
  public init(_ key: String, _ value: String) {
    self.key = key
    self.value = value
  }
}

/// Whether an experiment or a run is shown; deleting is reversible in MLflow.
public enum Lifecycle: String, Sendable, Equatable, CaseIterable {
  /// Shown.
  case active
  /// Hidden, but stored.
  case deleted
}

/// An experiment.
public struct ExperimentRecord: Sendable, Equatable {
  /// Counts up from 0.
  public var id: Int64
  /// Unique, also among the deleted.
  public var name: String
  /// Where its runs' artifacts are when not in the usual place.
  public var artifactLocation: String?
  /// Shown or deleted.
  public var lifecycle: Lifecycle
  /// Time of creation, ms since 1970.
  public var createdAt: Int64
  /// Time of the last change, ms since 1970.
  public var updatedAt: Int64
  /// Tags by key.
  public var tags: [KeyValue]
}

extension Connection {
  private static let experimentColumns = "id, name, artifact_location, lifecycle, created_at, updated_at"

  /// Makes an experiment and returns its id. Throws `.conflict` when the name is taken, also by a deleted one.
  public func createExperiment(
    name: String, time: Int64, artifactLocation: String? = nil, tags: [KeyValue] = []
  ) throws -> Int64 {
    if name.isEmpty { throw StoreError.conflict("an experiment needs a name") }
    if try integer("SELECT id FROM experiment WHERE name = ?", .text(name)) != nil {
      throw StoreError.conflict("experiment '\(name)' exists already")
    }
    try execute(
      "INSERT INTO experiment(name, artifact_location, created_at, updated_at) VALUES (?,?,?,?)",
      .text(name), .optional(artifactLocation), .integer(time), .integer(time))
    let id = lastInsertedID
    for tag in tags { try putExperimentTag(tag, id: id) }
    return id
  }

  /// The id of the experiment of that name, made when there is none; a deleted one comes back.
  public func ensureExperiment(_ name: String, time: Int64) throws -> Int64 {
    guard let found = try experiment(named: name) else { return try createExperiment(name: name, time: time) }
    if found.lifecycle == .deleted { try setExperiment(found.id, lifecycle: .active, time: time) }
    return found.id
  }

  /// An experiment by id, deleted or not; nil when there is none.
  public func experiment(_ id: Int64) throws -> ExperimentRecord? {
    try oneExperiment("id = ?", .integer(id))
  }

  /// An experiment by name, deleted or not; nil when there is none.
  public func experiment(named name: String) throws -> ExperimentRecord? {
    try oneExperiment("name = ?", .text(name))
  }

  /// Experiments by id; nil lists the active and the deleted.
  public func listExperiments(lifecycle: Lifecycle? = .active) throws -> [ExperimentRecord] {
    let found = try all(
      "SELECT \(Connection.experimentColumns) FROM experiment WHERE ?1 IS NULL OR lifecycle = ?1 ORDER BY id",
      .optional(lifecycle?.rawValue), map: Connection.experimentRow)
    return try found.map(withTags)
  }

  /// Changes what is given. Throws `.notFound`, and `.conflict` when the name is taken.
  public func setExperiment(_ id: Int64, name: String? = nil, lifecycle: Lifecycle? = nil, time: Int64) throws
  {
    if let name {
      let taken = try integer(
        "SELECT id FROM experiment WHERE name = ? AND id <> ?", .text(name), .integer(id))
      if taken != nil || name.isEmpty { throw StoreError.conflict("experiment '\(name)' exists already") }
    }
    try execute(
      """
      UPDATE experiment SET name = coalesce(?, name), lifecycle = coalesce(?, lifecycle), updated_at = ?
      WHERE id = ?
      """, .optional(name), .optional(lifecycle?.rawValue), .integer(time), .integer(id))
    if changes == 0 { throw StoreError.notFound("experiment \(id)") }
  }

  /// Writes tags of an experiment; later values replace earlier ones. Throws `.notFound`.
  public func setExperimentTags(_ tags: [KeyValue], id: Int64, time: Int64) throws {
    try setExperiment(id, time: time)
    for tag in tags { try putExperimentTag(tag, id: id) }
  }

  /// Removes a tag; false when it was not there.
  public func deleteExperimentTag(_ key: String, id: Int64) throws -> Bool {
    try execute("DELETE FROM experiment_tag WHERE experiment_id = ? AND key = ?", .integer(id), .text(key))
    return changes > 0
  }

  private func putExperimentTag(_ tag: KeyValue, id: Int64) throws {
    try execute(
      "INSERT OR REPLACE INTO experiment_tag(experiment_id, key, value) VALUES (?,?,?)",
      .integer(id), .text(tag.key), .text(tag.value))
  }

  private func oneExperiment(_ condition: String, _ value: SQLValue) throws -> ExperimentRecord? {
    try first(
      "SELECT \(Connection.experimentColumns) FROM experiment WHERE \(condition)", value,
      map: Connection.experimentRow
    ).map(withTags)
  }

  private func withTags(_ experiment: ExperimentRecord) throws -> ExperimentRecord {
    var experiment = experiment
    experiment.tags = try all(
      "SELECT key, value FROM experiment_tag WHERE experiment_id = ? ORDER BY key", .integer(experiment.id)
    ) { KeyValue($0.text(0), $0.text(1)) }
    return experiment
  }

  private static func experimentRow(_ row: Row) -> ExperimentRecord {
    ExperimentRecord(
      id: row.integer(0), name: row.text(1), artifactLocation: row.optionalText(2),
      lifecycle: Lifecycle(rawValue: row.text(3)) ?? .active, createdAt: row.integer(4),
      updatedAt: row.integer(5), tags: [])
  }
}

extension Store {
  /// Makes an experiment; see `Connection.createExperiment`.
  public func createExperiment(name: String, time: Int64) throws -> Int64 {
    try write { try $0.createExperiment(name: name, time: time) }
  }

  /// The id of the experiment of that name, made when there is none.
  public func ensureExperiment(_ name: String, time: Int64) throws -> Int64 {
    try write { try $0.ensureExperiment(name, time: time) }
  }

  /// An experiment by id; nil when there is none.
  public func experiment(_ id: Int64) throws -> ExperimentRecord? { try read { try $0.experiment(id) } }

  /// An experiment by name; nil when there is none.
  public func experiment(named name: String) throws -> ExperimentRecord? {
    try read { try $0.experiment(named: name) }
  }

  /// Experiments by id; nil lists the active and the deleted.
  public func listExperiments(lifecycle: Lifecycle? = .active) throws -> [ExperimentRecord] {
    try read { try $0.listExperiments(lifecycle: lifecycle) }
  }
}
