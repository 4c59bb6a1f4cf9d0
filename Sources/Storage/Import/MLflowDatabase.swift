// Reading the database of an MLflow server (its SQLite tables, as MLflow 2 and 3 have them).

/// An MLflow database, opened for reading.
final class MLflowDatabase: ImportSource {
  private let connection: Connection
  private let artifacts: String

  init(path: String, artifacts: String?) throws {
    connection = try Connection(path: path, role: .copier)
    let tables = try connection.all("SELECT name FROM sqlite_schema WHERE type = 'table'") { $0.text(0) }
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

  func artifactFolder(_ run: ImportedRun) -> String? {
    guard let uri = run.artifacts else { return nil }
    let scheme = "mlflow-artifacts:/"
    if uri.hasPrefix(scheme) {
      let parts = uri.dropFirst(scheme.count).split(separator: "/")
      return parts.contains("..") ? nil : "\(artifacts)/\(parts.joined(separator: "/"))"
    }
    if uri.hasPrefix("file://") { return String(uri.dropFirst("file://".count)) }
    return uri.hasPrefix("/") ? uri : nil
  }

  private func pairs(_ sql: String, _ id: String) throws -> [KeyValue] {
    try connection.all(sql, .text(id)) { KeyValue($0.text(0), $0.text(1)) }
  }
}
