import HTTP
import JSON
import Storage

private let path = "mlflow/logged-models"

/// `mlflow/logged-models/...`: models that runs made.
func loggedModelRoutes(_ context: Context) -> [MLflowRoute] {
  changingRoutes(context) + readingRoutes(context)
}

private func changingRoutes(_ context: Context) -> [MLflowRoute] {
  let store = context.store
  return [
    MLflowRoute(.post, path, .write) { call in
      let model = try newModel(call.fields, store)
      let time = now()
      try store.write { connection in
        try connection.requireActiveExperiment(model.experimentID)
        try connection.createLoggedModel(model, time: time)
      }
      return ["model": loggedModelJSON(try found(model.uid, store))]
    },
    MLflowRoute(.patch, "\(path)/{id}", .write) { call in
      let id = try call.fields.required("model_id")
      try call.fields.require("status")
      let status = try call.fields.choice("status", statusNumbers).flatMap { statusNumbers[$0] }
      let time = now()
      try notFoundModel {
        try store.write {
          try $0.finishLoggedModel(
            id, status: status.flatMap(LoggedModelStatus.init(rawValue:)) ?? .unspecified, time: time)
        }
      }
      return ["model": loggedModelJSON(try found(id, store))]
    },
    MLflowRoute(.delete, "\(path)/{id}", .write) { call in
      let id = call.parameters["id"] ?? ""
      let time = now()
      try notFoundModel { try store.write { try $0.deleteLoggedModel(id, time: time) } }
      return [:]
    },
    MLflowRoute(.patch, "\(path)/{id}/tags", .write) { call in
      let id = call.parameters["id"] ?? ""
      let tags = try pairs(call.fields, "tags")
      try notFoundModel { try store.write { try $0.setLoggedModelTags(tags, model: id) } }
      return [:]
    },
    MLflowRoute(.delete, "\(path)/{id}/tags/{key...}", .write) { call in
      let id = call.parameters["id"] ?? ""
      let key = call.parameters["key"] ?? ""
      let wasThere = try notFoundModel { try store.write { try $0.deleteLoggedModelTag(key, model: id) } }
      guard wasThere else {
        throw HTTPFailure.mlflow(
          .resourceDoesNotExist, "No tag with key '\(key)' found for model with ID '\(id)'.")
      }
      return [:]
    },
    MLflowRoute(.post, "\(path)/{id}/params", .write) { call in
      let id = try call.fields.required("model_id")
      let params = try pairs(call.fields, "params")
      try notFoundModel { try store.write { try $0.addLoggedModelParams(params, model: id) } }
      return [:]
    },
  ]
}

private func readingRoutes(_ context: Context) -> [MLflowRoute] {
  let store = context.store
  let tree = ArtifactTree(store: store)
  return [
    MLflowRoute(.get, "\(path)/{id}", .read) { call in
      let allowed = call.http.query.first("allow_deleted")?.lowercased() == "true"
      return [
        "model": loggedModelJSON(try found(call.parameters["id"] ?? "", store, deletedAllowed: allowed))
      ]
    },
    MLflowRoute(.post, "\(path)/search", .read) { call in try search(call.fields, store) },
    MLflowRoute(.get, "\(path)/{id}/artifacts/directories", .read) { call in
      let folder = try ArtifactPaths.checked(try call.fields.string("artifact_directory_path") ?? "")
      let model = try found(call.parameters["id"] ?? "", store)
      let root = try servedFolder(of: model.artifactURI)
      return filesJSON(try tree.list(joined(root, folder)), below: folder, root: model.artifactURI)
    },
    MLflowRoute(raw: .get, "\(path)/{id}/artifacts/files", .read, prefixes: ["/ajax-api"]) { request in
      guard let file = request.query.first("artifact_file_path"), !file.isEmpty else {
        throw HTTPFailure.mlflow(
          .badRequest, "Request must include the \"artifact_file_path\" query parameter.")
      }
      let checked = try ArtifactPaths.checked(file)
      let model = try found(request.parameters["id"] ?? "", store)
      return try download(joined(try servedFolder(of: model.artifactURI), checked), tree, request)
    },
  ]
}

/// MLflow's names and numbers of statuses.
private let statusNumbers: [String: Int64] = [
  "LOGGED_MODEL_STATUS_UNSPECIFIED": 0, "LOGGED_MODEL_PENDING": 1, "LOGGED_MODEL_READY": 2,
  "LOGGED_MODEL_UPLOAD_FAILED": 3,
]

private func newModel(_ fields: MLflowFields, _ store: Store) throws -> NewLoggedModel {
  let experiment = try fields.required("experiment_id")
  let name = try fields.string("name") ?? ""
  let type = try fields.string("model_type") ?? ""
  let run = try fields.string("source_run_id") ?? ""
  let params = try pairs(fields, "params")
  let tags = try pairs(fields, "tags")
  if name.contains(where: { "/:.%\"'".contains($0) }) {
    throw HTTPFailure.invalidParameter(
      "Invalid model name ('\(name)') provided. Model name must be a non-empty string and cannot contain the following "
        + "characters: ('/', ':', '.', '%', '\"', \"'\")")
  }
  let number = try MLflowRules.experimentNumber(experiment)
  guard let found = try store.experiment(number) else {
    throw HTTPFailure.mlflow(.resourceDoesNotExist, "No Experiment with id=\(number) exists")
  }
  let uid = "m-" + newRunID()
  return NewLoggedModel(
    uid: uid, experimentID: number, name: name.isEmpty ? randomRunName() : name,
    artifactURI: ArtifactLocation.appending(
      "models/\(uid)/artifacts", to: ArtifactLocation.ofExperiment(number, chosen: found.artifactLocation)),
    modelType: type, sourceRunID: run, params: params, tags: tags)
}

private func found(_ id: String, _ store: Store, deletedAllowed: Bool = false) throws -> LoggedModelRecord {
  guard let model = try store.read({ try $0.loggedModel(id, deletedAllowed: deletedAllowed) }) else {
    throw HTTPFailure.mlflow(.resourceDoesNotExist, "Logged model with ID '\(id)' not found.")
  }
  return model
}

/// MLflow's words for a logged model that does not exist.
func notFoundModel<Result>(_ body: () throws -> Result) throws -> Result {
  do { return try body() } catch StoreError.notFound(let what) {
    throw HTTPFailure.mlflow(.resourceDoesNotExist, "\(what) not found.")
  }
}

/// A logged model as MLflow shows it.
func loggedModelJSON(_ model: LoggedModelRecord) -> JSON {
  var info: JSONObject = [
    "model_id": .string(model.uid), "experiment_id": .string(String(model.experimentID)),
    "name": .string(model.name), "creation_timestamp_ms": JSON(model.createdAt),
    "last_updated_timestamp_ms": JSON(model.updatedAt), "artifact_uri": .string(model.artifactURI),
    "status": .string(statusNumbers.first { $0.value == model.status.rawValue }?.key ?? ""),
    "model_type": .string(model.modelType), "source_run_id": .string(model.sourceRunID),
  ]
  info.set("tags", pairsJSON(model.tags))
  var data = JSONObject()
  data.set("params", pairsJSON(model.params))
  data.set(
    "metrics",
    .array(
      model.metrics.map { metric in
        var object: JSONObject = [
          "key": .string(metric.key), "value": metricValueJSON(metric.value),
          "timestamp": JSON(metric.timestamp), "step": JSON(metric.step), "model_id": .string(model.uid),
          "run_id": .string(metric.runID),
        ]
        if !metric.datasetName.isEmpty { object["dataset_name"] = .string(metric.datasetName) }
        if !metric.datasetDigest.isEmpty { object["dataset_digest"] = .string(metric.datasetDigest) }
        return .object(object)
      }))
  return ["info": .object(info), "data": .object(data)]
}

private func search(_ fields: MLflowFields, _ store: Store) throws -> JSON {
  guard try fields.value("experiment_ids") != nil else { throw HTTPFailure.missing("experiment_ids") }
  let experiments = try fields.strings("experiment_ids")
  let asked = try fields.integer("max_results") ?? 50
  var query = LoggedModelQuery(experiments: [])
  query.filter = try fields.string("filter") ?? ""
  query.datasets = try fields.objects("datasets").map { dataset in
    guard let name = try dataset.string("dataset_name"), !name.isEmpty else {
      throw HTTPFailure.invalidParameter("`dataset_name` in the `datasets` clause must be specified.")
    }
    return .init(name: name, digest: try nonEmpty(dataset, "dataset_digest"))
  }
  query.orderBy = try fields.objects("order_by").map { item in
    let field = try item.required("field_name")
    let name = try nonEmpty(item, "dataset_name")
    let digest = try nonEmpty(item, "dataset_digest")
    return .init(
      field: field, ascending: try item.bool("ascending") ?? true,
      dataset: name == nil && digest == nil ? nil : .init(name: name, digest: digest))
  }
  // Every experiment id is a number; what is none has no models.
  query.experiments = experiments.compactMap { Int64($0) }
  let token = try fields.string("page_token") ?? ""
  let signature = try question(fields)
  query.offset = try offset(token, of: signature)
  let limit = asked > 0 ? Int(min(asked, 100_000)) : 100
  query.limit = limit + 1
  let found = try store.read { [query] in try $0.searchLoggedModels(query) }
  let next = found.count > limit ? nextToken(query.offset + limit, of: signature) : nil
  return answer("models", found.prefix(limit).map(loggedModelJSON), next)
}

private func nonEmpty(_ fields: MLflowFields, _ name: String) throws -> String? {
  let text = try fields.string(name)
  return text?.isEmpty == true ? nil : text
}

/// What a page token belongs to: it is refused with another question.
private func question(_ fields: MLflowFields) throws -> JSON {
  [
    "experiment_ids": .array(try fields.elements("experiment_ids")),
    "filter_string": try fields.value("filter") ?? .null, "order_by": .array(try fields.elements("order_by")),
  ]
}

private func nextToken(_ offset: Int, of question: JSON) -> String {
  var object = question.objectValue ?? [:]
  object["offset"] = JSON(offset)
  return PageToken.base64(JSON.object(object).encoded)
}

private func offset(_ token: String, of question: JSON) throws -> Int {
  if token.isEmpty { return 0 }
  guard let bytes = PageToken.decoded(token), let value = try? JSON.parse(bytes),
    let offset = value["offset"]?.intValue, offset >= 0
  else { throw HTTPFailure.invalidParameter("Invalid page token: \(token)") }
  for name in ["experiment_ids", "filter_string", "order_by"] where value[name] != question[name] {
    throw HTTPFailure.invalidParameter(
      "The \(name == "filter_string" ? "filter string" : name) does not match the page token's")
  }
  return offset
}
