// Reading the database of an MLflow server (its SQLite tables, as MLflow 2 and 3 have them).

/// An MLflow database, opened for reading.
final class MLflowDatabase: ImportSource {
  private let connection: Connection
  private let artifacts: String
  /// Older stores lack the later ones.
  private let tables: Set<String>

  init(path: String, artifacts: String?) throws {
    connection = try Connection(path: path, role: .copier)
    tables = Set(
      try connection.all("SELECT name FROM sqlite_schema WHERE type = 'table'") { $0.text(0) })
    guard ["experiments", "runs", "metrics", "params", "tags"].allSatisfy(tables.contains) else {
      throw StoreError.conflict("\(path) is not a database of MLflow")
    }
    // Where `mlflow server` keeps what it proxies unless it is told otherwise.
    self.artifacts = artifacts ?? "\(Folder.parent(path))/mlartifacts"
  }

  func experiments() throws -> [ImportedExperiment] {
    try connection.all(
      """
      SELECT experiment_id, name, artifact_location, lifecycle_stage, coalesce(creation_time, 0),
        coalesce(last_update_time, 0) FROM experiments ORDER BY experiment_id
      """
    ) { row in
      ImportedExperiment(
        id: row.text(0), name: row.text(1), location: row.optionalText(2),
        isDeleted: row.text(3) == "deleted", createdAt: row.integer(4), updatedAt: row.integer(5),
        tags: try pairs("SELECT key, value FROM experiment_tags WHERE experiment_id = ?", row.text(0)))
    }
  }

  func runs(of experiment: ImportedExperiment) throws -> [ImportedRun] {
    try connection.all(
      """
      SELECT run_uuid, name, user_id, status, start_time, end_time, lifecycle_stage, artifact_uri FROM runs
      WHERE experiment_id = ? ORDER BY start_time, run_uuid
      """, .text(experiment.id)
    ) { row in
      let uid = row.text(0)
      let tags = try pairs("SELECT key, value FROM tags WHERE run_uuid = ?", uid)
      // Runs before MLflow 2 have their name in the tag alone.
      let name = row.text(1).isEmpty ? tags.first { $0.key == runNameTag }?.value ?? uid : row.text(1)
      let run = NewRun(
        uid: uid, name: name, userID: row.text(2), status: RunStatus(rawValue: row.text(3)) ?? .failed,
        startTime: row.optionalInteger(4),
        params: try pairs("SELECT key, value FROM params WHERE run_uuid = ?", uid), tags: tags)
      return ImportedRun(
        run: run, endTime: row.optionalInteger(5), isDeleted: row.text(6) == "deleted",
        artifacts: row.optionalText(7))
    }
  }

  func eachBatch(of run: String, body: (MetricBatch) throws -> Void) throws {
    var batch = MetricBatch()
    try connection.each(
      "SELECT key, value, is_nan, timestamp, step FROM metrics WHERE run_uuid = ? ORDER BY key, step, timestamp",
      .text(run)
    ) { row in
      let value = row.integer(2) != 0 ? Double.nan : row.optionalReal(1) ?? .nan
      batch.append(batch.key(row.text(0)), step: row.integer(4), timestamp: row.integer(3), value: value)
      if batch.count >= 50_000 {
        try body(batch)
        batch = MetricBatch()
      }
    }
    if batch.count > 0 { try body(batch) }
  }

  func folder(of uri: String) -> String? {
    let scheme = "mlflow-artifacts:/"
    if uri.hasPrefix(scheme) {
      let parts = uri.dropFirst(scheme.count).split(separator: "/")
      return parts.contains("..") ? nil : "\(artifacts)/\(parts.joined(separator: "/"))"
    }
    if uri.hasPrefix("file://") { return String(uri.dropFirst("file://".count)) }
    return uri.hasPrefix("/") ? uri : nil
  }

  // MARK: Models and data sets

  func links(of run: String) throws -> RunLinks {
    var links = RunLinks()
    if tables.isSuperset(of: ["inputs", "input_tags", "datasets"]) {
      links.datasets = try connection.all(
        """
        SELECT name, digest, dataset_source_type, dataset_source, dataset_schema, dataset_profile, input_uuid
        FROM inputs JOIN datasets ON dataset_uuid = source_id
        WHERE source_type = 'DATASET' AND destination_type = 'RUN' AND destination_id = ? ORDER BY inputs.rowid
        """, .text(run)
      ) { row in
        DatasetInput(
          dataset: DatasetRecord(
            name: row.text(0), digest: row.text(1), sourceType: row.text(2), source: row.text(3),
            schema: row.optionalText(4), profile: row.optionalText(5)),
          tags: try pairs("SELECT name, value FROM input_tags WHERE input_uuid = ?", row.text(6)))
      }
    }
    guard tables.contains("logged_models") else { return links }
    try connection.each(
      """
      SELECT source_type, destination_id, step FROM inputs
      WHERE source_id = ? AND source_type IN ('RUN_INPUT', 'RUN_OUTPUT') ORDER BY rowid
      """, .text(run)
    ) { row in
      if row.text(0) == "RUN_INPUT" {
        links.inputModels.append(row.text(1))
      } else {
        links.outputs.append(ModelOutput(modelID: row.text(1), step: row.integer(2)))
      }
    }
    return links
  }

  func loggedModels(of experiment: ImportedExperiment) throws -> [ImportedLoggedModel] {
    guard tables.contains("logged_models") else { return [] }
    return try connection.all(
      """
      SELECT model_id, name, artifact_location, creation_timestamp_ms, last_updated_timestamp_ms, status,
        lifecycle_stage, coalesce(model_type, ''), coalesce(source_run_id, '') FROM logged_models
      WHERE experiment_id = ? ORDER BY creation_timestamp_ms, model_id
      """, .text(experiment.id)
    ) { row in
      let uid = row.text(0)
      let model = NewLoggedModel(
        uid: uid, experimentID: 0, name: row.text(1), artifactURI: row.text(2), modelType: row.text(7),
        sourceRunID: row.text(8),
        params: try pairs("SELECT param_key, param_value FROM logged_model_params WHERE model_id = ?", uid),
        tags: try pairs("SELECT tag_key, tag_value FROM logged_model_tags WHERE model_id = ?", uid))
      return ImportedLoggedModel(
        model: model, createdAt: row.integer(3), updatedAt: row.integer(4),
        status: LoggedModelStatus(rawValue: row.integer(5)) ?? .unspecified,
        isDeleted: row.text(6) == "deleted", metrics: try metrics(ofModel: uid))
    }
  }

  private func metrics(ofModel uid: String) throws -> [LoggedModelMetric] {
    try connection.all(
      """
      SELECT metric_name, metric_value, metric_timestamp_ms, metric_step, run_id, coalesce(dataset_name, ''),
        coalesce(dataset_digest, '') FROM logged_model_metrics WHERE model_id = ?
      """, .text(uid)
    ) { row in
      LoggedModelMetric(
        key: row.text(0), value: row.optionalReal(1) ?? .nan, timestamp: row.integer(2), step: row.integer(3),
        runID: row.text(4), datasetName: row.text(5), datasetDigest: row.text(6))
    }
  }

  func registeredModels() throws -> [ImportedRegisteredModel] {
    guard tables.isSuperset(of: ["registered_models", "model_versions"]) else { return [] }
    return try connection.all(
      """
      SELECT name, creation_time, coalesce(last_updated_time, creation_time), description FROM registered_models
      ORDER BY name
      """
    ) { row in
      let name = row.text(0)
      var aliases: [ModelAlias] = []
      if tables.contains("registered_model_aliases") {
        aliases = try connection.all(
          "SELECT alias, version FROM registered_model_aliases WHERE name = ?", .text(name)
        ) { ModelAlias(alias: $0.text(0), version: $0.integer(1)) }
      }
      return ImportedRegisteredModel(
        name: name, description: row.optionalText(3), createdAt: row.integer(1), updatedAt: row.integer(2),
        tags: try pairs("SELECT key, value FROM registered_model_tags WHERE name = ?", name),
        aliases: aliases, versions: try versions(of: name))
    }
  }

  private func versions(of name: String) throws -> [ImportedModelVersion] {
    // Before MLflow 2.9 a version had its source alone.
    let columns = try connection.all("SELECT name FROM pragma_table_info('model_versions')") { $0.text(0) }
    let storage = columns.contains("storage_location") ? "coalesce(storage_location, source)" : "source"
    return try connection.all(
      """
      SELECT version, creation_time, coalesce(last_updated_time, creation_time), description, current_stage,
        source, \(storage), coalesce(run_id, ''), coalesce(run_link, '')
      FROM model_versions WHERE name = ? ORDER BY version
      """, .text(name)
    ) { row in
      let new = NewModelVersion(
        model: name, source: row.text(5), storageLocation: row.text(6), runID: row.text(7),
        runLink: row.text(8), description: row.optionalText(3),
        tags: try connection.all(
          "SELECT key, value FROM model_version_tags WHERE name = ? AND version = ?", .text(name),
          .integer(row.integer(0))
        ) { KeyValue($0.text(0), $0.text(1)) })
      return ImportedModelVersion(
        version: row.integer(0), new: new, createdAt: row.integer(1), updatedAt: row.integer(2),
        stage: ModelStage(rawValue: row.text(4)) ?? .none, isDeleted: row.text(4) == "Deleted_Internal")
    }
  }

  private func pairs(_ sql: String, _ id: String) throws -> [KeyValue] {
    try connection.all(sql, .text(id)) { KeyValue($0.text(0), $0.text(1)) }
  }
}
