import HTTP
import JSON
import Storage

/// `mlflow/registered-models/...`: models by name, their tags and aliases. Versions are in ModelVersionRoutes.swift.
func registryRoutes(_ context: Context) -> [MLflowRoute] {
  modelRoutes(context) + modelTagRoutes(context) + modelVersionRoutes(context)
}

private let path = "mlflow/registered-models"

private func modelRoutes(_ context: Context) -> [MLflowRoute] {
  let store = context.store
  let latest: @Sendable (MLflowRoute.Call) throws -> JSON = { call in
    let name = try modelName(call.fields)
    let stages = try call.fields.strings("stages").map(RegistryRules.stage)
    let versions = try store.read {
      try $0.latestVersions(model: name, stages: stages.isEmpty ? ModelStage.allCases : stages)
    }
    var answer = JSONObject()
    answer.set("model_versions", .array(versions.map(modelVersionJSON)))
    return .object(answer)
  }
  return [
    MLflowRoute(.post, "\(path)/create", .write) { call in
      let name = try call.fields.required("name")
      let description = try call.fields.string("description")
      let tags = try pairs(call.fields, "tags")
      try RegistryRules.checkName(name)
      for tag in tags { try RegistryRules.checkTag(tag) }
      let time = now()
      let model = try alreadyThere {
        try store.write {
          try $0.createRegisteredModel(name: name, description: description, tags: tags, time: time)
        }
      }
      return ["registered_model": registeredModelJSON(model)]
    },
    MLflowRoute(.get, "\(path)/get", .read) { call in
      let name = try modelName(call.fields)
      guard let model = try store.read({ try $0.registeredModel(name) }) else { throw noModel(name) }
      return ["registered_model": registeredModelJSON(model)]
    },
    MLflowRoute(.patch, "\(path)/update", .write) { call in
      let name = try modelName(call.fields)
      let description = try call.fields.string("description")
      let time = now()
      let model = try notFound {
        try store.write { try $0.updateRegisteredModel(name, description: description ?? "", time: time) }
      }
      return ["registered_model": registeredModelJSON(model)]
    },
    MLflowRoute(.post, "\(path)/rename", .write) { call in
      try call.fields.require("name")
      let new = try call.fields.required("new_name")
      let name = try call.fields.string("name") ?? ""
      try RegistryRules.checkName(new, parameter: "new_name")
      try RegistryRules.checkName(name)
      let time = now()
      let model = try notFound {
        try alreadyThere { try store.write { try $0.renameRegisteredModel(name, to: new, time: time) } }
      }
      return ["registered_model": registeredModelJSON(model)]
    },
    MLflowRoute(.delete, "\(path)/delete", .write) { call in
      let name = try modelName(call.fields)
      try notFound { try store.write { try $0.deleteRegisteredModel(name) } }
      return [:]
    },
    MLflowRoute(.get, "\(path)/search", .read) { call in
      let limit = try call.fields.integer("max_results") ?? 100
      var query = RegistryQuery()
      query.filter = try call.fields.string("filter") ?? ""
      query.orderBy = try call.fields.strings("order_by")
      guard limit >= 0 else {
        throw HTTPFailure.invalidParameter(
          "Invalid value for request parameter max_results. It must not be negative, but got value \(limit)")
      }
      try checkAtMost(limit, 1000)
      let (models, token) = try page(limit, try call.fields.string("page_token"), query) { query in
        try store.read { try $0.searchRegisteredModels(query) }
      }
      return answer("registered_models", models.map(registeredModelJSON), token)
    },
    MLflowRoute(.post, "\(path)/get-latest-versions", .read, latest),
    MLflowRoute(.get, "\(path)/get-latest-versions", .read, latest),
  ]
}

private func modelTagRoutes(_ context: Context) -> [MLflowRoute] {
  let store = context.store
  return [
    MLflowRoute(.post, "\(path)/set-tag", .write) { call in
      let tag = KeyValue(try call.fields.required("key"), try call.fields.string("value") ?? "")
      let name = try modelName(call.fields)
      try RegistryRules.checkTag(tag)
      try notFound { try store.write { try $0.setRegisteredModelTag(tag, model: name) } }
      return [:]
    },
    MLflowRoute(.delete, "\(path)/delete-tag", .write) { call in
      let key = try call.fields.required("key")
      let name = try modelName(call.fields)
      try notFound { try store.write { try $0.deleteRegisteredModelTag(key, model: name) } }
      return [:]
    },
    MLflowRoute(.post, "\(path)/alias", .write) { call in
      for field in ["name", "alias", "version"] { try call.fields.require(field) }
      let name = try modelName(call.fields)
      let alias = try call.fields.required("alias")
      let text = try call.fields.required("version")
      try RegistryRules.checkNewAlias(alias)
      let version = try RegistryRules.version(text)
      try notFound { try store.write { try $0.setAlias(alias, model: name, version: version) } }
      return [:]
    },
    MLflowRoute(.delete, "\(path)/alias", .write) { call in
      let alias = try call.fields.required("alias")
      let name = try modelName(call.fields)
      try RegistryRules.checkAlias(alias)
      try notFound { try store.write { try $0.deleteAlias(alias, model: name) } }
      return [:]
    },
    MLflowRoute(.get, "\(path)/alias", .read) { call in
      let alias = try call.fields.required("alias")
      let name = try modelName(call.fields)
      try RegistryRules.checkAlias(alias)
      let version = try notFound {
        try store.read { connection -> ModelVersionRecord? in
          if alias.lowercased() == "latest" {
            let latest = try connection.latestVersions(model: name, stages: ModelStage.allCases)
            guard let newest = latest.max(by: { $0.version < $1.version }) else {
              throw HTTPFailure.mlflow(.resourceDoesNotExist, "Latest version not found for model \(name).")
            }
            return newest
          }
          guard let number = try connection.version(alias: alias, model: name) else { return nil }
          return try connection.modelVersion(name, number)
        }
      }
      guard let version else {
        throw HTTPFailure.invalidParameter("Registered model alias \(alias) not found.")
      }
      return ["model_version": modelVersionJSON(version)]
    },
  ]
}

// MARK: Shared with versions

/// The name of the model that a request is about.
func modelName(_ fields: MLflowFields) throws -> String {
  let name = try fields.required("name")
  try RegistryRules.checkName(name)
  return name
}

/// MLflow's words for a model that does not exist.
func noModel(_ name: String) -> HTTPFailure {
  .mlflow(.resourceDoesNotExist, "Registered Model with name=\(name) not found")
}

/// Says of what the store does not have what MLflow's registry says.
func notFound<Result>(_ body: () throws -> Result) throws -> Result {
  do { return try body() } catch StoreError.notFound(let what) {
    throw HTTPFailure.mlflow(.resourceDoesNotExist, "\(what) not found")
  }
}

private func alreadyThere<Result>(_ body: () throws -> Result) throws -> Result {
  do { return try body() } catch StoreError.conflict(let what) {
    throw HTTPFailure.mlflow(.resourceAlreadyExists, what)
  }
}

/// Refuses more results than a call gives.
func checkAtMost(_ limit: Int64, _ most: Int64) throws {
  guard limit > most else { return }
  throw HTTPFailure.invalidParameter(
    "Invalid value for request parameter max_results. It must be at most \(most), but got value \(limit)")
}

/// A page of a search of the registry, and the token of the next one when there is more.
func page<Record>(
  _ limit: Int64, _ token: String?, _ query: RegistryQuery, _ search: (RegistryQuery) throws -> [Record]
) throws -> ([Record], String?) {
  var query = query
  let count = max(0, Int(limit))
  query.offset = try PageToken.offset(token)
  query.limit = count + 1
  let found = try search(query)
  return (Array(found.prefix(count)), found.count > count ? PageToken.token(query.offset + count) : nil)
}

/// A list and the token of its next page.
func answer(_ name: String, _ items: [JSON], _ token: String?) -> JSON {
  var answer = JSONObject()
  answer.set(name, .array(items))
  answer.set("next_page_token", token)
  return .object(answer)
}
