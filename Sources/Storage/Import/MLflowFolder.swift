// Reading MLflow's file store:
//
//     mlruns/EXPERIMENT/RUN/{meta.yaml, metrics/, params/, tags/, inputs/, outputs/, artifacts/}
//     mlruns/EXPERIMENT/models/MODEL/{meta.yaml, metrics/, params/, tags/, artifacts/}
//     mlruns/EXPERIMENT/datasets/DATASET/meta.yaml
//     mlruns/models/NAME/{meta.yaml, aliases/, tags/, version-N/{meta.yaml, tags/}}

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
        isDeleted: meta["lifecycle_stage"] == "deleted",
        artifacts: meta["artifact_uri"] ?? "\(folder)/artifacts")
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

  /// The store may have been moved since the location was written: what is at the same place in it comes first.
  func folder(of location: String) -> String? {
    let plain = location.hasPrefix("file://") ? String(location.dropFirst("file://".count)) : location
    guard plain.hasPrefix("/") else { return nil }
    let parts = plain.split(separator: "/")
    for count in [3, 4] where parts.count >= count && !parts.contains("..") {
      for base in [path, "\(path)/.trash"] {
        let moved = "\(base)/\(parts.suffix(count).joined(separator: "/"))"
        if Folder.exists(moved) { return moved }
      }
    }
    return plain
  }

  // MARK: Models and data sets

  func links(of run: String) throws -> RunLinks {
    var links = RunLinks()
    guard let folder = folders(of: run) else { return links }
    for name in Folder.names(in: "\(folder)/inputs") {
      let (texts, tags) = metaWithTags("\(folder)/inputs/\(name)")
      guard let id = texts["source_id"] else { continue }
      if texts["source_type"] == "MODEL" {
        links.inputModels.append(id)
      } else if let dataset = dataset("\(Folder.parent(folder))/datasets/\(id)") {
        links.datasets.append(DatasetInput(dataset: dataset, tags: tags))
      }
    }
    for name in Folder.names(in: "\(folder)/outputs") {
      guard let meta = meta("\(folder)/outputs/\(name)"), let id = meta["destination_id"] else { continue }
      links.outputs.append(ModelOutput(modelID: id, step: meta["step"].flatMap(Int64.init) ?? 0))
    }
    return links
  }

  private func dataset(_ folder: String) -> DatasetRecord? {
    guard let meta = meta(folder), let name = meta["name"], let digest = meta["digest"] else { return nil }
    return DatasetRecord(
      name: name, digest: digest, sourceType: meta["source_type"] ?? "", source: meta["source"] ?? "",
      schema: meta["schema"], profile: meta["profile"])
  }

  func loggedModels(of experiment: ImportedExperiment) throws -> [ImportedLoggedModel] {
    try Folder.names(in: "\(experiment.id)/models").compactMap { name in
      let folder = "\(experiment.id)/models/\(name)"
      guard let meta = meta(folder), let uid = meta["model_id"] else { return nil }
      let created = meta["creation_timestamp"].flatMap(Int64.init) ?? 0
      let model = NewLoggedModel(
        uid: uid, experimentID: 0, name: meta["name"] ?? "",
        artifactURI: meta["artifact_location"] ?? "\(folder)/artifacts",
        modelType: meta["model_type"] ?? "", sourceRunID: meta["source_run_id"] ?? "",
        params: pairs("\(folder)/params"), tags: pairs("\(folder)/tags"))
      return ImportedLoggedModel(
        model: model, createdAt: created,
        updatedAt: meta["last_updated_timestamp"].flatMap(Int64.init) ?? created,
        status: meta["status"].flatMap(Int64.init).flatMap(LoggedModelStatus.init) ?? .unspecified,
        isDeleted: meta["lifecycle_stage"] == "deleted", metrics: try metrics(ofModel: folder))
    }
  }

  /// Lines of `timestamp value step run [dataset digest]`.
  private func metrics(ofModel folder: String) throws -> [LoggedModelMetric] {
    try files("\(folder)/metrics").flatMap { key, file in
      try (Folder.text(of: file) ?? "").split(separator: "\n").map { line in
        let words = line.split(separator: " ").map(String.init)
        guard words.count >= 4, let timestamp = Int64(words[0]), let value = Double(words[1]),
          let step = Int64(words[2])
        else {
          throw StoreError.corrupt("\(file): '\(line.prefix(80))' is no point of a model")
        }
        return LoggedModelMetric(
          key: key, value: value.isNaN ? .nan : value, timestamp: timestamp, step: step, runID: words[3],
          datasetName: words.count > 5 ? words[4] : "", datasetDigest: words.count > 5 ? words[5] : "")
      }
    }
  }

  func registeredModels() throws -> [ImportedRegisteredModel] {
    Folder.names(in: "\(path)/models").compactMap { folderName in
      let folder = "\(path)/models/\(folderName)"
      guard let meta = meta(folder), let name = meta["name"] else { return nil }
      let versions = Folder.names(in: folder).filter { $0.hasPrefix("version-") }
        .compactMap { version("\(folder)/\($0)", of: name) }
      let created = meta["creation_timestamp"].flatMap(Int64.init) ?? 0
      return ImportedRegisteredModel(
        name: name, description: meta["description"], createdAt: created,
        updatedAt: meta["last_updated_timestamp"].flatMap(Int64.init) ?? created,
        tags: pairs("\(folder)/tags"),
        aliases: pairs("\(folder)/aliases").compactMap { pair in
          Int64(pair.value).map { ModelAlias(alias: pair.key, version: $0) }
        },
        versions: versions.sorted { $0.version < $1.version })
    }
  }

  private func version(_ folder: String, of name: String) -> ImportedModelVersion? {
    guard let meta = meta(folder), let number = meta["version"].flatMap(Int64.init) else { return nil }
    let source = meta["source"] ?? ""
    let stage = meta["current_stage"] ?? ""
    let created = meta["creation_timestamp"].flatMap(Int64.init) ?? 0
    let new = NewModelVersion(
      model: name, source: source, storageLocation: meta["storage_location"] ?? source,
      runID: meta["run_id"] ?? "", runLink: meta["run_link"] ?? "", description: meta["description"],
      tags: pairs("\(folder)/tags"))
    return ImportedModelVersion(
      version: number, new: new, createdAt: created,
      updatedAt: meta["last_updated_timestamp"].flatMap(Int64.init) ?? created,
      stage: ModelStage(rawValue: stage) ?? .none, isDeleted: stage == "Deleted_Internal")
  }

  // MARK: Files

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

  /// The texts of a meta.yaml; nil when there is none.
  private func meta(_ folder: String) -> [String: String]? {
    guard let text = Folder.text(of: "\(folder)/meta.yaml") else { return nil }
    return PlainYAML.read(text).compactMapValues { if case .text(let text) = $0 { text } else { nil } }
  }

  /// The same, and the mapping `tags`.
  private func metaWithTags(_ folder: String) -> ([String: String], [KeyValue]) {
    let entries = Folder.text(of: "\(folder)/meta.yaml").map(PlainYAML.read) ?? [:]
    var tags: [KeyValue] = []
    if case .mapping(let found) = entries["tags"] {
      tags = found.sorted { $0.key < $1.key }.map { KeyValue($0.key, $0.value) }
    }
    return (meta(folder) ?? [:], tags)
  }
}
