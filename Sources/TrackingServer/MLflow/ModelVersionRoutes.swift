import HTTP
import JSON
import Storage

private let path = "mlflow/model-versions"

/// `mlflow/model-versions/...`.
func modelVersionRoutes(_ context: Context) -> [MLflowRoute] {
  let store = context.store
  return [
    MLflowRoute(.post, "\(path)/create", .write) { call in try createVersion(call.fields, store) },
    MLflowRoute(.get, "\(path)/get", .read) { call in
      let (name, version) = try nameAndVersion(call.fields)
      guard let found = try store.read({ try $0.modelVersion(name, version) }) else {
        throw try noVersion(name, version, store)
      }
      return ["model_version": modelVersionJSON(found)]
    },
    MLflowRoute(.patch, "\(path)/update", .write) { call in
      let description = try call.fields.string("description")
      let (name, version) = try nameAndVersion(call.fields)
      let time = now()
      let updated = try notFound {
        try store.write { try $0.updateModelVersion(name, version, description: description, time: time) }
      }
      return ["model_version": modelVersionJSON(updated)]
    },
    MLflowRoute(.post, "\(path)/transition-stage", .write) { call in
      for field in ["name", "version", "stage"] { try call.fields.require(field) }
      let archiving = try call.fields.bool("archive_existing_versions") ?? false
      let text = try call.fields.required("stage")
      let stage = try RegistryRules.stage(text)
      if archiving, stage != .staging, stage != .production {
        throw HTTPFailure.invalidParameter(
          "Model version transition cannot archive existing model versions because '\(text)' is not an Active stage. "
            + "Valid stages are ['Staging', 'Production']")
      }
      let (name, version) = try nameAndVersion(call.fields)
      let time = now()
      let moved = try notFound {
        try store.write {
          try $0.setStage(stage, model: name, version: version, archivingOthers: archiving, time: time)
        }
      }
      return ["model_version": modelVersionJSON(moved)]
    },
    MLflowRoute(.delete, "\(path)/delete", .write) { call in
      let (name, version) = try nameAndVersion(call.fields)
      let time = now()
      try notFound { try store.write { try $0.deleteModelVersion(name, version, time: time) } }
      return [:]
    },
    MLflowRoute(.get, "\(path)/search", .read) { call in
      let limit = try call.fields.integer("max_results") ?? 200_000
      var query = RegistryQuery()
      query.filter = try call.fields.string("filter") ?? ""
      query.orderBy = try call.fields.strings("order_by")
      guard limit > 0 else {
        throw HTTPFailure.invalidParameter(
          "Invalid value for max_results. It must be a positive integer, but got \(limit)")
      }
      try checkAtMost(limit, 200_000)
      let (versions, token) = try page(limit, try call.fields.string("page_token"), query) { query in
        try store.read { try $0.searchModelVersions(query) }
      }
      return answer("model_versions", versions.map(modelVersionJSON), token)
    },
    MLflowRoute(.get, "\(path)/get-download-uri", .read) { call in
      let (name, version) = try nameAndVersion(call.fields)
      guard let found = try store.read({ try $0.modelVersion(name, version) }) else {
        throw try noVersion(name, version, store)
      }
      return ["artifact_uri": .string(found.storageLocation)]
    },
    MLflowRoute(.post, "\(path)/set-tag", .write) { call in
      for field in ["name", "version", "key"] { try call.fields.require(field) }
      let tag = KeyValue(try call.fields.required("key"), try call.fields.string("value") ?? "")
      let (name, version) = try nameAndVersion(call.fields)
      try RegistryRules.checkTag(tag)
      try notFound { try store.write { try $0.setModelVersionTag(tag, model: name, version: version) } }
      return [:]
    },
    MLflowRoute(.delete, "\(path)/delete-tag", .write) { call in
      for field in ["name", "version", "key"] { try call.fields.require(field) }
      let key = try call.fields.required("key")
      let (name, version) = try nameAndVersion(call.fields)
      try notFound { try store.write { try $0.deleteModelVersionTag(key, model: name, version: version) } }
      return [:]
    },
    MLflowRoute(raw: .get, "model-versions/get-artifact", .read, versions: [""], prefixes: [""]) { request in
      let fields = MLflowFields(query: request.query)
      let (name, version) = try nameAndVersion(fields)
      let file = try ArtifactPaths.checked(try fields.required("path"))
      guard let found = try store.read({ try $0.modelVersion(name, version) }) else {
        throw try noVersion(name, version, store)
      }
      let folder = try servedFolder(of: try resolvedSource(found.storageLocation, store))
      return try download(joined(folder, file), ArtifactTree(store: store), request)
    },
  ]
}

private func nameAndVersion(_ fields: MLflowFields) throws -> (String, Int64) {
  try fields.require("name")
  let text = try fields.required("version")
  let name = try modelName(fields)
  return (name, try RegistryRules.version(text))
}

private func noVersion(_ name: String, _ version: Int64, _ store: Store) throws -> HTTPFailure {
  .mlflow(.resourceDoesNotExist, "Model Version (name=\(name), version=\(version)) not found")
}

// MARK: Creating

private func createVersion(_ fields: MLflowFields, _ store: Store) throws -> JSON {
  try fields.require("name")
  let source = try fields.required("source")
  let run = try fields.string("run_id")
  let model = try fields.string("model_id")
  let tags = try pairs(fields, "tags")
  let link = try fields.string("run_link") ?? ""
  let description = try fields.string("description") ?? ""
  let isPrompt = tags.last { $0.key == "mlflow.prompt.is_prompt" }?.value.lowercased() == "true"
  let lineage =
    isPrompt
    ? Lineage(source: source, storage: source, run: run ?? "", model: "")
    : try lineage(of: source, run: run, model: model, store)
  let name = try modelName(fields)
  for tag in tags { try RegistryRules.checkTag(tag) }
  let new = NewModelVersion(
    model: name, source: lineage.source, storageLocation: lineage.storage, runID: lineage.run, runLink: link,
    description: description, tags: tags)
  let time = now()
  let version = try notFound {
    try store.write { connection in
      let version = try connection.createModelVersion(new, time: time)
      if !lineage.model.isEmpty { try connection.noteVersion(version, ofModel: lineage.model) }
      return version
    }
  }
  return ["model_version": modelVersionJSON(version)]
}

extension Connection {
  /// Keeps the list of versions that a logged model has in the registry, as a tag of the model.
  fileprivate func noteVersion(_ version: ModelVersionRecord, ofModel uid: String) throws {
    let key = "mlflow.modelVersions"
    let stored = try loggedModel(uid)?.tags.first { $0.key == key }?.value
    var entries = stored.flatMap { try? JSON.parse($0).arrayValue } ?? []
    let entry: JSON = ["name": .string(version.name), "version": JSON(version.version)]
    if !entries.contains(entry) { entries.append(entry) }
    try setLoggedModelTags([KeyValue(key, JSON.array(entries).text)], model: uid)
  }
}

/// The artifacts behind a version's location, which may name a run.
private func resolvedSource(_ location: String, _ store: Store) throws -> String {
  guard location.hasPrefix("runs:/") else { return location }
  let parts = location.dropFirst(6).split(separator: "/", maxSplits: 1).map(String.init)
  guard let id = parts.first, let run = try store.read({ try $0.run(id, withMetrics: false) }) else {
    throw HTTPFailure.mlflow(.resourceDoesNotExist, "The run of '\(location)' does not exist")
  }
  return parts.count > 1 ? ArtifactLocation.appending(parts[1], to: run.artifactURI) : run.artifactURI
}
