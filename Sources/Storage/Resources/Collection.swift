// Removing for good what was deleted: runs, and experiments that no run is left of.

/// What a collection removed.
public struct Collected: Sendable, Equatable {
  /// Runs removed.
  public var runs = 0
  /// Experiments removed.
  public var experiments = 0
  /// Bytes that the database's file became smaller by.
  public var bytes: Int64 = 0
}

extension Connection {
  /// Deleted runs, those deleted at or before a time (ms since 1970); runs of unknown time of deletion count.
  public func deletedRuns(before time: Int64) throws -> [String] {
    try all(
      "SELECT uid FROM run WHERE lifecycle = 'deleted' AND coalesce(deleted_at, 0) <= ? ORDER BY id",
      .integer(time)
    ) { $0.text(0) }
  }

  /// Where a run's artifacts are among those that this server keeps; nil when they are elsewhere.
  func artifactFolder(ofRun uid: String) throws -> String? {
    let found = try first(
      """
      SELECT coalesce(artifact_location, 'mlflow-artifacts:/' || experiment.id) FROM run
        JOIN experiment ON experiment.id = experiment_id WHERE uid = ?
      """, .text(uid)
    ) { $0.text(0) }
    let scheme = "mlflow-artifacts:/"
    guard let location = found, location.hasPrefix(scheme) else { return nil }
    return (location.dropFirst(scheme.count).split(separator: "/") + ["\(uid)", "artifacts"]).joined(
      separator: "/")
  }

  /// Removes deleted experiments without runs, and gives their ids. The first experiment stays.
  public func removeEmptyDeletedExperiments(before time: Int64) throws -> [Int64] {
    let ids = try all(
      """
      SELECT id FROM experiment WHERE lifecycle = 'deleted' AND id <> 0 AND coalesce(deleted_at, 0) <= ?
        AND NOT EXISTS (SELECT 1 FROM run WHERE experiment_id = experiment.id)
      """, .integer(time)
    ) { $0.integer(0) }
    for id in ids { try execute("DELETE FROM experiment WHERE id = ?", .integer(id)) }
    return ids
  }
}

extension Store {
  /// Removes deleted runs and empty deleted experiments for good and gives their pages back to the file system.
  ///
  /// `progress` is told after each run. Only what was deleted at or before `time` (ms since 1970) goes.
  public func collect(before time: Int64, progress: (Int, Int) -> Void = { _, _ in }) throws -> Collected {
    var collected = Collected()
    let pages: @Sendable (Connection) throws -> Int64 = { try $0.integer("PRAGMA page_count") ?? 0 }
    let before = try read(pages)
    let runs = try read { try $0.deletedRuns(before: time) }
    for run in runs {
      if let folder = try read({ try $0.artifactFolder(ofRun: run) }) { try deleteArtifacts(folder) }
      try deleteRun(run)
      collected.runs += 1
      progress(collected.runs, runs.count)
    }
    collected.experiments = try write { try $0.removeEmptyDeletedExperiments(before: time).count }
    // The writer's idle time would do the same, later; in slices, so that others can write meanwhile.
    while try write({ try $0.removeDoomedSlice() }) {}
    while try write({ connection in
      guard try connection.integer("PRAGMA freelist_count") ?? 0 > 0 else { return false }
      try connection.execute("PRAGMA incremental_vacuum(2000)")
      return true
    }) {}
    collected.bytes = max(0, before - (try read(pages))) * 4096
    return collected
  }
}
