// Removing for good what was deleted: runs, logged models, and experiments that nothing is left of.
//
// What a version of the registry names is in use: its run or model stays hidden until the version is gone.

/// What a collection removed.
public struct Collected: Sendable, Equatable {
  /// Runs removed.
  public var runs = 0
  /// Logged models removed.
  public var models = 0
  /// Experiments removed.
  public var experiments = 0
  /// Deleted runs and models that stay because versions in the registry name their files.
  public var kept = 0
  /// Bytes that the database's file became smaller by, and bytes of the artifacts that went.
  public var bytes: Int64 = 0
}

extension Connection {
  /// Deleted runs, those deleted at or before a time (ms since 1970); runs of unknown time of deletion count.
  func deletedRuns(before time: Int64) throws -> [RunRecord] {
    let uids = try all(
      "SELECT uid FROM run WHERE lifecycle = 'deleted' AND coalesce(deleted_at, 0) <= ? ORDER BY id",
      .integer(time)
    ) { $0.text(0) }
    return try uids.compactMap { try run($0, withMetrics: false) }
  }

  /// Logged models that were deleted, or whose experiment was, at or before a time.
  func deletedLoggedModels(before time: Int64) throws -> [LoggedModelRecord] {
    try all(
      """
      \(Connection.loggedModelSelect) WHERE (lifecycle = 'deleted' AND updated_at <= ?1) OR experiment_id IN
        (SELECT id FROM experiment WHERE lifecycle = 'deleted' AND id <> 0 AND coalesce(deleted_at, 0) <= ?1)
      ORDER BY id
      """, .integer(time), map: Connection.loggedModelRow)
  }

  func removeLoggedModel(_ id: Int64) throws {
    try execute("DELETE FROM logged_model WHERE id = ?", .integer(id))
  }

  /// The folders of this store that versions in the registry name.
  func registeredFolders() throws -> [String] {
    let locations = try all("SELECT DISTINCT storage_location FROM model_version") { $0.text(0) }
    return try locations.compactMap { location in
      let scheme = "runs:/"
      guard location.hasPrefix(scheme) else { return ArtifactLocation.folder(ofURI: location) }
      let parts = location.dropFirst(scheme.count).split(separator: "/", maxSplits: 1).map(String.init)
      let folder = try parts.first.flatMap { try run($0, withMetrics: false)?.artifactFolder }
      return folder.map { ([$0] + parts.dropFirst()).joined(separator: "/") }
    }
  }

  /// Removes deleted experiments without runs and models, and gives their number. The first experiment stays.
  func removeEmptyDeletedExperiments(before time: Int64) throws -> Int {
    let ids = try all(
      """
      SELECT id FROM experiment WHERE lifecycle = 'deleted' AND id <> 0 AND coalesce(deleted_at, 0) <= ?
        AND NOT EXISTS (SELECT 1 FROM run WHERE experiment_id = experiment.id)
        AND NOT EXISTS (SELECT 1 FROM logged_model WHERE experiment_id = experiment.id)
      """, .integer(time)
    ) { $0.integer(0) }
    for id in ids { try execute("DELETE FROM experiment WHERE id = ?", .integer(id)) }
    return ids.count
  }

  /// Removes the data sets that no run names any more.
  func removeUnusedDatasets() throws {
    try execute("DELETE FROM dataset WHERE id NOT IN (SELECT dataset_id FROM run_dataset)")
  }

  func storedBytes() throws -> Int64 {
    let pages = try integer("PRAGMA page_count") ?? 0
    return pages * 4096 + (try integer("SELECT sum(bytes) FROM artifact_part") ?? 0)
  }
}

extension Store {
  /// Removes deleted runs, logged models and experiments for good and gives their room back to the file system.
  ///
  /// `progress` is told after each run. Only what was deleted at or before `time` (ms since 1970) goes.
  public func collect(before time: Int64, progress: (Int, Int) -> Void = { _, _ in }) throws -> Collected {
    var collected = Collected()
    let before = try read { try $0.storedBytes() }
    let registered = try read { try $0.registeredFolders() }
    func isUsed(_ folder: String?) -> Bool {
      guard let folder else { return false }
      return registered.contains {
        $0 == folder || $0.hasPrefix(folder + "/") || folder.hasPrefix($0 + "/")
      }
    }
    let runs = try read { try $0.deletedRuns(before: time) }
    for (index, run) in runs.enumerated() {
      if isUsed(run.artifactFolder) {
        collected.kept += 1
      } else {
        try deleteRun(run.uid)
        collected.runs += 1
      }
      progress(index + 1, runs.count)
    }
    for model in try read({ try $0.deletedLoggedModels(before: time) }) {
      let folder = ArtifactLocation.ownFolder(ofURI: model.artifactURI)
      if isUsed(folder) {
        collected.kept += 1
        continue
      }
      if let folder { try deleteArtifacts(folder) }
      try write { try $0.removeLoggedModel(model.id) }
      collected.models += 1
    }
    try write { try $0.removeUnusedDatasets() }
    collected.experiments = try write { try $0.removeEmptyDeletedExperiments(before: time) }
    // The writer's idle time would do the same, later; in slices, so that others can write meanwhile.
    while try write({ try $0.removeDoomedSlice() }) {}
    while try write({ connection in
      guard try connection.integer("PRAGMA freelist_count") ?? 0 > 0 else { return false }
      try connection.execute("PRAGMA incremental_vacuum(2000)")
      return true
    }) {}
    collected.bytes = max(0, before - (try read { try $0.storedBytes() }))
    return collected
  }
}
