import HTTP
import JSON
import Storage

/// `mlflow/experiments/...` except searching.
func experimentRoutes(_ context: Context) -> [MLflowRoute] {
  let store = context.store
  return [
    MLflowRoute(.post, "mlflow/experiments/create", .write) { call in
      let name = try call.fields.required("name")
      let location = try call.fields.string("artifact_location") ?? ""
      let tags = try pairs(call.fields, "tags")
      try checkExperimentName(name)
      try checkLocation(location)
      for (index, tag) in tags.enumerated() { try checkExperimentTag(tag, path: "tags[\(index)].key") }
      let time = now()
      let id: Int64? = try store.write { db in
        if try db.experiment(named: name) != nil { return nil }
        return try db.createExperiment(
          name: name, time: time, artifactLocation: location.isEmpty ? nil : location, tags: tags)
      }
      guard let id else {
        throw HTTPFailure.mlflow(.resourceAlreadyExists, "Experiment(name=\(name)) already exists.")
      }
      return ["experiment_id": .string(String(id))]
    },
    MLflowRoute(.get, "mlflow/experiments/get", .read) { call in
      let id = try call.fields.required("experiment_id")
      return ["experiment": experimentJSON(try experiment(id, store))]
    },
    MLflowRoute(.get, "mlflow/experiments/get-by-name", .read) { call in
      let name = try call.fields.required("experiment_name")
      guard let found = try store.experiment(named: name) else {
        throw HTTPFailure.mlflow(.resourceDoesNotExist, "Could not find experiment with name '\(name)'")
      }
      return ["experiment": experimentJSON(found)]
    },
    MLflowRoute(.post, "mlflow/experiments/update", .write) { call in
      let id = try call.fields.required("experiment_id")
      let name = try call.fields.required("new_name")
      try checkExperimentName(name)
      let number = try experiment(id, store).id
      let time = now()
      let isTaken = try store.write { db in
        guard let found = try db.experiment(number), found.lifecycle == .active else {
          throw HTTPFailure.mlflow(.badRequest, "Cannot rename a non-active experiment.")
        }
        if let other = try db.experiment(named: name), other.id != number { return true }
        try db.setExperiment(number, name: name, time: time)
        return false
      }
      if isTaken {
        throw HTTPFailure.mlflow(.badRequest, "An experiment with the name '\(name)' exists already.")
      }
      return [:]
    },
    MLflowRoute(.post, "mlflow/experiments/delete", .write) { call in
      try setDeleted(true, call.fields, store)
    },
    MLflowRoute(.post, "mlflow/experiments/restore", .write) { call in
      try setDeleted(false, call.fields, store)
    },
    MLflowRoute(.post, "mlflow/experiments/set-experiment-tag", .write) { call in
      let id = try call.fields.required("experiment_id")
      let tag = KeyValue(try call.fields.required("key"), try call.fields.string("value") ?? "")
      try checkExperimentTag(tag, path: "key")
      let number = try experiment(id, store).id
      let time = now()
      try store.write { db in
        try db.requireActiveExperiment(number)
        try db.setExperimentTags([tag], id: number, time: time)
      }
      return [:]
    },
    MLflowRoute(.post, "mlflow/experiments/delete-experiment-tag", .write) { call in
      let id = try call.fields.required("experiment_id")
      let key = try call.fields.required("key")
      let number = try experiment(id, store).id
      let time = now()
      let wasThere = try store.write { db in
        try db.requireActiveExperiment(number)
        guard try db.deleteExperimentTag(key, id: number) else { return false }
        try db.setExperiment(number, time: time)
        return true
      }
      guard wasThere else {
        throw HTTPFailure.mlflow(
          .resourceDoesNotExist, "No tag with name: \(key) in experiment with id \(number)")
      }
      return [:]
    },
  ]
}

/// The experiment that a request names, deleted or not. Throws MLflow's 400 and 404.
func experiment(_ text: String, _ store: Store) throws -> ExperimentRecord {
  let number = try MLflowRules.experimentNumber(text)
  guard let found = try store.experiment(number) else {
    throw HTTPFailure.mlflow(.resourceDoesNotExist, "No Experiment with id=\(text) exists")
  }
  return found
}

/// Pairs in a list field; a missing value is empty, a missing key is an error.
func pairs(_ fields: MLflowFields, _ name: String, requiringKeys: Bool = false) throws -> [KeyValue] {
  try fields.objects(name).map { element in
    if requiringKeys { try element.require("key") }
    return KeyValue(try element.string("key") ?? "", try element.string("value") ?? "")
  }
}

/// An experiment as MLflow shows it.
func experimentJSON(_ experiment: ExperimentRecord) -> JSON {
  var object: JSONObject = [
    "experiment_id": .string(String(experiment.id)), "name": .string(experiment.name),
    "artifact_location": .string(
      ArtifactLocation.ofExperiment(experiment.id, chosen: experiment.artifactLocation)),
    "lifecycle_stage": .string(experiment.lifecycle.rawValue),
    "last_update_time": JSON(experiment.updatedAt), "creation_time": JSON(experiment.createdAt),
  ]
  object.set("tags", pairsJSON(experiment.tags))
  return .object(object)
}

private func setDeleted(_ deleted: Bool, _ fields: MLflowFields, _ store: Store) throws -> JSON {
  let id = try fields.required("experiment_id")
  let number = try MLflowRules.experimentNumber(id)
  let time = now()
  do {
    try store.write { try $0.setExperiment(number, deleted: deleted, time: time) }
  } catch StoreError.notFound {
    throw HTTPFailure.mlflow(.resourceDoesNotExist, "No Experiment with id=\(id) exists")
  }
  return [:]
}

private func checkExperimentName(_ name: String) throws {
  if name.unicodeScalars.count > 500 {
    throw HTTPFailure.invalidValue(
      "name", .string(name), "Experiment name exceeds the maximum length of 500 characters")
  }
}

private func checkLocation(_ location: String) throws {
  if location.hasPrefix("runs:") {
    throw HTTPFailure.invalidParameter(
      "Artifact location cannot be a runs:/ URI. Given: '\(location)'")
  }
  if location.unicodeScalars.count > 2048 {
    throw HTTPFailure.invalidParameter("Invalid artifact path length. The length must not exceed 2048.")
  }
}

private func checkExperimentTag(_ tag: KeyValue, path: String) throws {
  try MLflowRules.checkKey(tag.key, parameter: path, called: path)
  try MLflowRules.checkLength(tag.value, MLflowRules.experimentTagLength, called: "value")
}
