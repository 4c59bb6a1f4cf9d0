// Logged models: what a run made, with files, parameters and metrics of its own.

/// How far a logged model has come; MLflow's numbers.
public enum LoggedModelStatus: Int64, Sendable, Equatable, CaseIterable {
  /// Not said.
  case unspecified = 0
  /// Its files are being uploaded.
  case pending = 1
  /// It can be used.
  case ready = 2
  /// Its files did not arrive.
  case uploadFailed = 3
}

/// A logged model as it is made.
public struct NewLoggedModel: Sendable {
  /// "m-" and 32 hex digits.
  public var uid: String
  /// The experiment's id.
  public var experimentID: Int64
  /// A name, which others may have as well.
  public var name: String
  /// Where its files are.
  public var artifactURI: String
  /// What kind of model it is; "" when it was not said.
  public var modelType: String
  /// The run that made it; "" when there is none.
  public var sourceRunID: String
  /// Parameters, each key once.
  public var params: [KeyValue]
  /// Tags; of equal keys the last one holds.
  public var tags: [KeyValue]

  /// A model to be made.
  public init(
    uid: String, experimentID: Int64, name: String, artifactURI: String, modelType: String = "",
    sourceRunID: String = "", params: [KeyValue] = [], tags: [KeyValue] = []
  ) {
    self.uid = uid
    self.experimentID = experimentID
    self.name = name
    self.artifactURI = artifactURI
    self.modelType = modelType
    self.sourceRunID = sourceRunID
    self.params = params
    self.tags = tags
  }
}

/// A metric of a logged model.
public struct LoggedModelMetric: Sendable, Equatable {
  /// Name.
  public var key: String
  /// Any double.
  public var value: Double
  /// ms since 1970.
  public var timestamp: Int64
  /// Step.
  public var step: Int64
  /// The run that recorded it.
  public var runID: String
  /// The data set it was measured on; "" when it was not said.
  public var datasetName: String
  /// The data set's digest; "" when it was not said.
  public var datasetDigest: String

  /// A metric.
  public init(
    key: String, value: Double, timestamp: Int64, step: Int64, runID: String, datasetName: String = "",
    datasetDigest: String = ""
  ) {
    self.key = key
    self.value = value
    self.timestamp = timestamp
    self.step = step
    self.runID = runID
    self.datasetName = datasetName
    self.datasetDigest = datasetDigest
  }
}

/// A logged model as it is stored.
public struct LoggedModelRecord: Sendable, Equatable {
  var id: Int64
  /// "m-" and 32 hex digits.
  public var uid: String
  /// The experiment's id.
  public var experimentID: Int64
  /// A name, which others may have as well.
  public var name: String
  /// Where its files are.
  public var artifactURI: String
  /// ms since 1970.
  public var createdAt: Int64
  /// ms since 1970.
  public var updatedAt: Int64
  /// How far it has come.
  public var status: LoggedModelStatus
  /// Shown or deleted.
  public var lifecycle: Lifecycle
  /// What kind of model it is; "" when it was not said.
  public var modelType: String
  /// The run that made it; "" when there is none.
  public var sourceRunID: String
  /// Tags by key.
  public var tags: [KeyValue] = []
  /// Parameters by key.
  public var params: [KeyValue] = []
  /// Metrics by key.
  public var metrics: [LoggedModelMetric] = []
}

extension Connection {
  static let loggedModelSelect = """
    SELECT id, uid, experiment_id, name, artifact_uri, created_at, updated_at, status, lifecycle, model_type,
      source_run_id FROM logged_model
    """

  /// Makes a logged model. Throws `.conflict` for a parameter that is given twice.
  public func createLoggedModel(_ model: NewLoggedModel, time: Int64) throws {
    try execute(
      """
      INSERT INTO logged_model(uid, experiment_id, name, artifact_uri, created_at, updated_at, status, model_type,
        source_run_id) VALUES (?,?,?,?,?,?,?,?,?)
      """, .text(model.uid), .integer(model.experimentID), .text(model.name), .text(model.artifactURI),
      .integer(time), .integer(time), .integer(LoggedModelStatus.pending.rawValue), .text(model.modelType),
      .text(model.sourceRunID))
    let id = lastInsertedID
    for tag in model.tags { try putTag(tag, "logged_model_tag", "model_id", id) }
    try addParams(model.params, model: id)
  }

  /// A logged model with everything of it; nil when there is none, or when it is deleted and that is not `allowed`.
  public func loggedModel(_ uid: String, deletedAllowed: Bool = false) throws -> LoggedModelRecord? {
    let found = try first(
      "\(Connection.loggedModelSelect) WHERE uid = ?", .text(uid), map: Connection.loggedModelRow)
    guard let found, deletedAllowed || found.lifecycle == .active else { return nil }
    return try completed(found)
  }

  /// Changes how far a model has come. Throws `.notFound`.
  public func finishLoggedModel(_ uid: String, status: LoggedModelStatus, time: Int64) throws {
    try execute(
      "UPDATE logged_model SET status = ?, updated_at = ? WHERE id = ?", .integer(status.rawValue),
      .integer(time),
      .integer(try loggedModelID(uid)))
  }

  /// Hides a model. Throws `.notFound`.
  public func deleteLoggedModel(_ uid: String, time: Int64) throws {
    try execute(
      "UPDATE logged_model SET lifecycle = 'deleted', updated_at = ? WHERE id = ?", .integer(time),
      .integer(try loggedModelID(uid)))
  }

  /// Writes tags. Throws `.notFound`.
  public func setLoggedModelTags(_ tags: [KeyValue], model uid: String) throws {
    let id = try loggedModelID(uid)
    for tag in tags { try putTag(tag, "logged_model_tag", "model_id", id) }
  }

  /// Removes a tag; false when it was not there. Throws `.notFound` for the model.
  public func deleteLoggedModelTag(_ key: String, model uid: String) throws -> Bool {
    try execute(
      "DELETE FROM logged_model_tag WHERE model_id = ? AND key = ?", .integer(try loggedModelID(uid)),
      .text(key))
    return changes > 0
  }

  /// Writes parameters. Throws `.notFound`, and `.conflict` for a key that is there already.
  public func addLoggedModelParams(_ params: [KeyValue], model uid: String) throws {
    try addParams(params, model: try loggedModelID(uid))
  }

  /// Adds metrics to the models that they name; a metric that is there already stays. Throws `.notFound`.
  public func logModelMetrics(_ metrics: [(model: String, metric: LoggedModelMetric)]) throws {
    for (uid, metric) in metrics {
      try execute(
        """
        INSERT OR IGNORE INTO logged_model_metric(model_id, key, time, step, run_id, bits, dataset_name,
          dataset_digest) VALUES (?,?,?,?,?,?,?,?)
        """, .integer(try loggedModelID(uid)), .text(metric.key), .integer(metric.timestamp),
        .integer(metric.step), .text(metric.runID), .bits(metric.value), .text(metric.datasetName),
        .text(metric.datasetDigest))
    }
  }

  private func addParams(_ params: [KeyValue], model: Int64) throws {
    for param in params {
      try execute(
        "INSERT OR IGNORE INTO logged_model_param(model_id, key, value) VALUES (?,?,?)", .integer(model),
        .text(param.key), .text(param.value))
      if changes == 0 { throw StoreError.conflict("The model has a parameter '\(param.key)' already") }
    }
  }

  private func loggedModelID(_ uid: String) throws -> Int64 {
    let sql = "SELECT id FROM logged_model WHERE uid = ? AND lifecycle = 'active'"
    guard let id = try integer(sql, .text(uid)) else {
      throw StoreError.notFound("Logged model with ID '\(uid)'")
    }
    return id
  }

  func completed(_ model: LoggedModelRecord) throws -> LoggedModelRecord {
    var model = model
    model.tags = try tags("logged_model_tag", "model_id", model.id)
    model.params = try tags("logged_model_param", "model_id", model.id)
    model.metrics = try all(
      """
      SELECT key, bits, time, step, run_id, dataset_name, dataset_digest FROM logged_model_metric
      WHERE model_id = ? ORDER BY key, time, step
      """, .integer(model.id)
    ) { row in
      LoggedModelMetric(
        key: row.text(0), value: row.bits(1), timestamp: row.integer(2), step: row.integer(3),
        runID: row.text(4), datasetName: row.text(5), datasetDigest: row.text(6))
    }
    return model
  }

  static func loggedModelRow(_ row: Row) -> LoggedModelRecord {
    LoggedModelRecord(
      id: row.integer(0), uid: row.text(1), experimentID: row.integer(2), name: row.text(3),
      artifactURI: row.text(4), createdAt: row.integer(5), updatedAt: row.integer(6),
      status: LoggedModelStatus(rawValue: row.integer(7)) ?? .unspecified,
      lifecycle: Lifecycle(rawValue: row.text(8)) ?? .active, modelType: row.text(9),
      sourceRunID: row.text(10))
  }
}
