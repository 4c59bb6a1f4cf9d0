// The model registry: models by name, with tags and aliases. Their versions are in ModelVersions.

/// A model of the registry.
public struct RegisteredModelRecord: Sendable, Equatable {
  /// Row number.
  var id: Int64
  /// Unique.
  public var name: String
  /// Nil when it was never given.
  public var description: String?
  /// ms since 1970.
  public var createdAt: Int64
  /// ms since 1970.
  public var updatedAt: Int64
  /// Tags by key.
  public var tags: [KeyValue] = []
  /// Aliases by name.
  public var aliases: [ModelAlias] = []
  /// The highest version of each stage that has one.
  public var latestVersions: [ModelVersionRecord] = []
}

/// A name for a version of a model.
public struct ModelAlias: Sendable, Equatable {
  /// The name.
  public var alias: String
  /// The version that it means.
  public var version: Int64
}

/// The tag that marks prompts, which share the registry's tables and are no models.
let promptTag = "mlflow.prompt.is_prompt"

extension Connection {
  /// Makes a model. Throws `.conflict` when the name is taken.
  public func createRegisteredModel(
    name: String, description: String?, tags: [KeyValue], time: Int64
  ) throws -> RegisteredModelRecord {
    if try integer("SELECT id FROM registered_model WHERE name = ?", .text(name)) != nil {
      throw StoreError.conflict("Registered Model (name=\(name)) already exists.")
    }
    try execute(
      "INSERT INTO registered_model(name, description, created_at, updated_at) VALUES (?,?,?,?)",
      .text(name), .optional(description), .integer(time), .integer(time))
    let id = lastInsertedID
    for tag in tags { try putTag(tag, "registered_model_tag", "model_id", id) }
    return try requiredModel(name)
  }

  /// A model with everything but its older versions; nil when there is none.
  public func registeredModel(_ name: String) throws -> RegisteredModelRecord? {
    try first(
      "SELECT id, name, description, created_at, updated_at FROM registered_model WHERE name = ?",
      .text(name),
      map: Connection.modelRow
    ).map(completed)
  }

  /// Replaces the description. Throws `.notFound`.
  public func updateRegisteredModel(_ name: String, description: String?, time: Int64) throws
    -> RegisteredModelRecord
  {
    try execute(
      "UPDATE registered_model SET description = ?, updated_at = ? WHERE name = ?", .optional(description),
      .integer(time), .text(name))
    return try requiredModel(name)
  }

  /// Gives a model another name. Throws `.notFound`, and `.conflict` when the name is taken.
  public func renameRegisteredModel(_ name: String, to new: String, time: Int64) throws
    -> RegisteredModelRecord
  {
    let model = try requiredModel(name)
    let taken = try integer("SELECT id FROM registered_model WHERE name = ?", .text(new))
    if let taken, taken != model.id {
      throw StoreError.conflict("Registered Model (name=\(new)) already exists.")
    }
    try execute(
      "UPDATE registered_model SET name = ?, updated_at = ? WHERE id = ?", .text(new), .integer(time),
      .integer(model.id))
    try execute(
      "UPDATE model_version SET updated_at = ? WHERE model_id = ?", .integer(time), .integer(model.id))
    return try requiredModel(new)
  }

  /// Removes a model with its versions, tags and aliases. Throws `.notFound`.
  public func deleteRegisteredModel(_ name: String) throws {
    try execute("DELETE FROM registered_model WHERE id = ?", .integer(try modelID(name)))
  }

  /// Writes a tag. Throws `.notFound`.
  public func setRegisteredModelTag(_ tag: KeyValue, model name: String) throws {
    try putTag(tag, "registered_model_tag", "model_id", try modelID(name))
  }

  /// Removes a tag, if it is there. Throws `.notFound` for the model.
  public func deleteRegisteredModelTag(_ key: String, model name: String) throws {
    try execute(
      "DELETE FROM registered_model_tag WHERE model_id = ? AND key = ?", .integer(try modelID(name)),
      .text(key))
  }

  /// Makes an alias mean a version. Throws `.notFound`.
  public func setAlias(_ alias: String, model name: String, version: Int64) throws {
    let model = try modelID(name)
    _ = try versionID(name, version)
    try execute(
      "INSERT OR REPLACE INTO registered_model_alias(model_id, alias, version) VALUES (?,?,?)",
      .integer(model), .text(alias), .integer(version))
  }

  /// Removes an alias, if it is there. Throws `.notFound` for the model.
  public func deleteAlias(_ alias: String, model name: String) throws {
    try execute(
      "DELETE FROM registered_model_alias WHERE model_id = ? AND alias = ?", .integer(try modelID(name)),
      .text(alias))
  }

  /// The version that an alias means; nil when there is no such alias. Throws `.notFound` for the model.
  public func version(alias: String, model name: String) throws -> Int64? {
    try integer(
      "SELECT version FROM registered_model_alias WHERE model_id = ? AND alias = ?",
      .integer(try modelID(name)), .text(alias))
  }

  // MARK: Parts shared with versions

  func putTag(_ tag: KeyValue, _ table: String, _ owner: String, _ id: Int64) throws {
    try execute(
      "INSERT OR REPLACE INTO \(table)(\(owner), key, value) VALUES (?,?,?)", .integer(id), .text(tag.key),
      .text(tag.value))
  }

  func tags(_ table: String, _ owner: String, _ id: Int64) throws -> [KeyValue] {
    try all("SELECT key, value FROM \(table) WHERE \(owner) = ? ORDER BY key", .integer(id)) {
      KeyValue($0.text(0), $0.text(1))
    }
  }

  func modelID(_ name: String) throws -> Int64 {
    guard let id = try integer("SELECT id FROM registered_model WHERE name = ?", .text(name)) else {
      throw StoreError.notFound("Registered Model with name=\(name)")
    }
    return id
  }

  func aliases(model: Int64) throws -> [ModelAlias] {
    try all(
      "SELECT alias, version FROM registered_model_alias WHERE model_id = ? ORDER BY alias", .integer(model)
    ) { ModelAlias(alias: $0.text(0), version: $0.integer(1)) }
  }

  private func requiredModel(_ name: String) throws -> RegisteredModelRecord {
    guard let model = try registeredModel(name) else {
      throw StoreError.notFound("Registered Model with name=\(name)")
    }
    return model
  }

  func completed(_ model: RegisteredModelRecord) throws -> RegisteredModelRecord {
    var model = model
    model.tags = try tags("registered_model_tag", "model_id", model.id)
    model.aliases = try aliases(model: model.id)
    model.latestVersions = try latestVersions(model: model.id)
    return model
  }

  static func modelRow(_ row: Row) -> RegisteredModelRecord {
    RegisteredModelRecord(
      id: row.integer(0), name: row.text(1), description: row.optionalText(2), createdAt: row.integer(3),
      updatedAt: row.integer(4))
  }
}
