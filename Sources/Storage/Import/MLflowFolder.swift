// Reading MLflow's file store: `mlruns/EXPERIMENT/RUN/{meta.yaml, metrics/, params/, tags/, artifacts/}`.

/// A folder of MLflow's file store.
struct MLflowFolder: ImportSource {
  let path: String

  func experiments() throws -> [ImportedExperiment] {
    let active = Folder.names(in: path).filter { !$0.hasPrefix(".") && $0 != "models" }.map {
      "\(path)/\($0)"
    }
    let deleted = Folder.names(in: "\(path)/.trash").map { "\(path)/.trash/\($0)" }
    let found = (active + deleted).compactMap(experiment)
    if found.isEmpty { throw StoreError.conflict("\(path) is not a folder of MLflow's file store") }
    return found
  }

  private func experiment(_ folder: String) -> ImportedExperiment? {
    guard let meta = meta(folder), let name = meta["name"], meta["experiment_id"] != nil else { return nil }
    return ImportedExperiment(
      id: folder, name: name, location: meta["artifact_location"],
      isDeleted: meta["lifecycle_stage"] == "deleted",
      createdAt: meta["creation_time"].flatMap(Int64.init) ?? 0,
      updatedAt: meta["last_update_time"].flatMap(Int64.init) ?? 0, tags: pairs("\(folder)/tags"))
  }

  func runs(of experiment: ImportedExperiment) throws -> [ImportedRun] {
    Folder.names(in: experiment.id).compactMap { name in
      let folder = "\(experiment.id)/\(name)"
      guard let meta = meta(folder), let uid = meta["run_id"] ?? meta["run_uuid"] else { return nil }
      let statuses = ["1": RunStatus.running, "2": .scheduled, "3": .finished, "4": .failed, "5": .killed]
      let tags = pairs("\(folder)/tags")
      let tagName = tags.first { $0.key == runNameTag }?.value
      let run = NewRun(
        uid: uid, name: [meta["run_name"], tagName].compactMap { $0 }.first { !$0.isEmpty } ?? uid,
        userID: meta["user_id"] ?? "",
        status: meta["status"].flatMap { statuses[$0] ?? RunStatus(rawValue: $0) } ?? .failed,
        startTime: meta["start_time"].flatMap(Int64.init), params: pairs("\(folder)/params"), tags: tags)
      return ImportedRun(
        run: run, endTime: meta["end_time"].flatMap(Int64.init),
        isDeleted: meta["lifecycle_stage"] == "deleted", artifacts: folder)
    }
  }

  func eachBatch(of run: String, body: (MetricBatch) throws -> Void) throws {
    guard let folder = folders(of: run) else { return }
    for (key, file) in files("\(folder)/metrics") {
      var batch = MetricBatch()
      let column = batch.key(key)
      // A line is `timestamp value step`; the step came later than the rest.
      for line in (Folder.text(of: file) ?? "").split(separator: "\n") {
        let words = line.split(separator: " ")
        guard words.count >= 2, let timestamp = Int64(words[0]), let value = Double(words[1]) else {
          throw StoreError.corrupt("\(file): '\(line.prefix(80))' is no point")
        }
        let step = words.count > 2 ? Int64(words[2]) ?? 0 : 0
        batch.append(column, step: step, timestamp: timestamp, value: value.isNaN ? .nan : value)
      }
      if batch.count > 0 { try body(batch) }
    }
  }

  func artifactFolder(_ run: ImportedRun) -> String? { run.artifacts.map { "\($0)/artifacts" } }

  private func folders(of run: String) -> String? {
    for base in [path, "\(path)/.trash"] {
      for name in Folder.names(in: base) where Folder.exists("\(base)/\(name)/\(run)/meta.yaml") {
        return "\(base)/\(name)/\(run)"
      }
    }
    return nil
  }

  private func pairs(_ folder: String) -> [KeyValue] {
    files(folder).compactMap { key, file in Folder.text(of: file).map { KeyValue(key, $0) } }
  }

  /// Files by the path that is their key: keys may hold slashes, which are folders here.
  private func files(_ folder: String, prefix: String = "") -> [(String, String)] {
    Folder.names(in: folder).flatMap { name in
      let path = "\(folder)/\(name)"
      let inner = Folder.names(in: path)
      return inner.isEmpty ? [(prefix + name, path)] : files(path, prefix: "\(prefix)\(name)/")
    }
  }

  /// The plain `key: value` lines of a meta.yaml; nil when there is none.
  private func meta(_ folder: String) -> [String: String]? {
    guard let text = Folder.text(of: "\(folder)/meta.yaml") else { return nil }
    var meta: [String: String] = [:]
    for line in text.split(separator: "\n") where line.first != " " && line.first != "-" {
      guard let colon = line.firstIndex(of: ":") else { continue }
      var value = line[line.index(after: colon)...].drop { $0 == " " }
      while value.last == " " { value.removeLast() }
      if value == "null" || value.isEmpty { continue }
      if value.count >= 2, let quote = value.first, quote == "'" || quote == "\"", value.last == quote {
        value = value.dropFirst().dropLast()
      }
      meta[String(line[..<colon])] = String(value).split(separator: "''", omittingEmptySubsequences: false)
        .joined(separator: "'")
    }
    return meta
  }
}
