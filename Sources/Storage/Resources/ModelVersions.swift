// Versions of registered models.

/// The stages of a version, in MLflow's words.
public enum ModelStage: String, Sendable, Equatable, CaseIterable {
  /// The first one.
  case none = "None"
  /// Under trial.
  case staging = "Staging"
  /// In use.
  case production = "Production"
  /// Out of use.
  case archived = "Archived"
}

/// A version as it is made.
public struct NewModelVersion: Sendable {
  /// The model's name.
  public var model: String
  /// Where the model came from, as the client said.
  public var source: String
  /// Where its files are.
  public var storageLocation: String
  /// The run that made it; "" when there is none.
  public var runID: String
  /// A link to that run; "" when there is none.
  public var runLink: String
  /// Nil when it was not given.
  public var description: String?
  /// Tags; of equal keys the last one holds.
  public var tags: [KeyValue]

  /// A version to be made.
  public init(
    model: String, source: String, storageLocation: String, runID: String = "", runLink: String = "",
    description: String? = nil, tags: [KeyValue] = []
  ) {
    self.model = model
    self.source = source
    self.storageLocation = storageLocation
    self.runID = runID
    self.runLink = runLink
    self.description = description
    self.tags = tags
  }
}

/// A version of a registered model.
public struct ModelVersionRecord: Sendable, Equatable {
  var id: Int64
  var modelID: Int64
  /// The model's name.
  public var name: String
  /// Counts from 1; never used again.
  public var version: Int64
  /// ms since 1970.
  public var createdAt: Int64
  /// ms since 1970.
  public var updatedAt: Int64
  /// Nil when it was not given.
  public var description: String?
  /// Where it stands.
  public var stage: ModelStage
  /// Where the model came from, as the client said.
  public var source: String
  /// Where its files are.
  public var storageLocation: String
  /// The run that made it; "" when there is none.
  public var runID: String
  /// A link to that run; "" when there is none.
  public var runLink: String
  /// Tags by key.
  public var tags: [KeyValue] = []
  /// Names that mean this version; filled only where MLflow fills it.
  public var aliases: [String] = []
}

extension Connection {
  static let versionSelect = """
    SELECT model_version.id, model_id, name, version, model_version.created_at AS created_at,
      model_version.updated_at AS updated_at, model_version.description, stage, source, storage_location, run_id,
      run_link
    FROM model_version JOIN registered_model ON registered_model.id = model_id
    """

  /// Makes the next version of a model. Throws `.notFound` for the model.
  public func createModelVersion(_ new: NewModelVersion, time: Int64) throws -> ModelVersionRecord {
    let model = try modelID(new.model)
    let version = try integer("SELECT next_version FROM registered_model WHERE id = ?", .integer(model)) ?? 1
    try execute(
      "UPDATE registered_model SET next_version = ?, updated_at = ? WHERE id = ?", .integer(version + 1),
      .integer(time), .integer(model))
    try execute(
      """
      INSERT INTO model_version(model_id, version, created_at, updated_at, description, stage, source,
        storage_location, run_id, run_link) VALUES (?,?,?,?,?,'None',?,?,?,?)
      """, .integer(model), .integer(version), .integer(time), .integer(time), .optional(new.description),
      .text(new.source), .text(new.storageLocation), .text(new.runID), .text(new.runLink))
    let id = lastInsertedID
    for tag in new.tags { try putTag(tag, "model_version_tag", "version_id", id) }
    return try requiredVersion(new.model, version)
  }

  /// A version with tags and aliases; nil when there is none.
  public func modelVersion(_ name: String, _ version: Int64) throws -> ModelVersionRecord? {
    let found = try first(
      "\(Connection.versionSelect) WHERE name = ? AND version = ?", .text(name), .integer(version),
      map: Connection.versionRow)
    guard let found else { return nil }
    return try withAliases(try withTags(found))
  }

  /// Replaces the description. Throws `.notFound`.
  public func updateModelVersion(_ name: String, _ version: Int64, description: String?, time: Int64) throws
    -> ModelVersionRecord
  {
    try execute(
      "UPDATE model_version SET description = ?, updated_at = ? WHERE id = ?", .optional(description),
      .integer(time), .integer(try versionID(name, version)))
    return try requiredVersion(name, version)
  }

  /// Moves a version to a stage, and, when asked to, all others of that stage to `archived`. Throws `.notFound`.
  public func setStage(
    _ stage: ModelStage, model name: String, version: Int64, archivingOthers: Bool, time: Int64
  ) throws -> ModelVersionRecord {
    let id = try versionID(name, version)
    let model = try modelID(name)
    if archivingOthers {
      try execute(
        "UPDATE model_version SET stage = 'Archived', updated_at = ? WHERE model_id = ? AND stage = ? AND id <> ?",
        .integer(time), .integer(model), .text(stage.rawValue), .integer(id))
    }
    try execute(
      "UPDATE model_version SET stage = ?, updated_at = ? WHERE id = ?", .text(stage.rawValue),
      .integer(time),
      .integer(id))
    try execute("UPDATE registered_model SET updated_at = ? WHERE id = ?", .integer(time), .integer(model))
    return try requiredVersion(name, version)
  }

  /// Removes a version with its tags and aliases; its number is not used again. Throws `.notFound`.
  public func deleteModelVersion(_ name: String, _ version: Int64, time: Int64) throws {
    let id = try versionID(name, version)
    let model = try modelID(name)
    try execute(
      "DELETE FROM registered_model_alias WHERE model_id = ? AND version = ?", .integer(model),
      .integer(version))
    try execute("DELETE FROM model_version WHERE id = ?", .integer(id))
    try execute("UPDATE registered_model SET updated_at = ? WHERE id = ?", .integer(time), .integer(model))
  }

  /// Writes a tag. Throws `.notFound`.
  public func setModelVersionTag(_ tag: KeyValue, model name: String, version: Int64) throws {
    try putTag(tag, "model_version_tag", "version_id", try versionID(name, version))
  }

  /// Removes a tag, if it is there. Throws `.notFound` for the version.
  public func deleteModelVersionTag(_ key: String, model name: String, version: Int64) throws {
    try execute(
      "DELETE FROM model_version_tag WHERE version_id = ? AND key = ?",
      .integer(try versionID(name, version)),
      .text(key))
  }

  /// The highest version of each of these stages that has one, with aliases. Throws `.notFound` for the model.
  public func latestVersions(model name: String, stages: [ModelStage]) throws -> [ModelVersionRecord] {
    let found = try latestVersions(model: try modelID(name)).filter { stages.contains($0.stage) }
    return try found.map(withAliases)
  }

  func latestVersions(model: Int64) throws -> [ModelVersionRecord] {
    try all(
      """
      \(Connection.versionSelect) WHERE model_id = ?1 AND version = (SELECT max(version) FROM model_version AS other
        WHERE other.model_id = ?1 AND other.stage = model_version.stage)
      ORDER BY (SELECT min(version) FROM model_version AS other
        WHERE other.model_id = ?1 AND other.stage = model_version.stage)
      """, .integer(model), map: Connection.versionRow
    ).map(withTags)
  }

  func versionID(_ name: String, _ version: Int64) throws -> Int64 {
    let model = try modelID(name)
    let id = try integer(
      "SELECT id FROM model_version WHERE model_id = ? AND version = ?", .integer(model), .integer(version))
    guard let id else { throw StoreError.notFound("Model Version (name=\(name), version=\(version))") }
    return id
  }

  private func requiredVersion(_ name: String, _ version: Int64) throws -> ModelVersionRecord {
    guard let found = try modelVersion(name, version) else {
      throw StoreError.notFound("Model Version (name=\(name), version=\(version))")
    }
    return found
  }

  func withTags(_ version: ModelVersionRecord) throws -> ModelVersionRecord {
    var version = version
    version.tags = try tags("model_version_tag", "version_id", version.id)
    return version
  }

  private func withAliases(_ version: ModelVersionRecord) throws -> ModelVersionRecord {
    var version = version
    version.aliases = try aliases(model: version.modelID).filter { $0.version == version.version }.map(
      \.alias)
    return version
  }

  static func versionRow(_ row: Row) -> ModelVersionRecord {
    ModelVersionRecord(
      id: row.integer(0), modelID: row.integer(1), name: row.text(2), version: row.integer(3),
      createdAt: row.integer(4), updatedAt: row.integer(5), description: row.optionalText(6),
      stage: ModelStage(rawValue: row.text(7)) ?? .none, source: row.text(8), storageLocation: row.text(9),
      runID: row.text(10), runLink: row.text(11))
  }
}
