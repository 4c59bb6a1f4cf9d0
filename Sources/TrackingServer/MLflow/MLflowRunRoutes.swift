import HTTP
import JSON
import Storage

/// `mlflow/runs/...`: the life of a run. Logging is in LoggingRoutes.swift, searching in SearchRoutes.swift.
func mlflowRunRoutes(_ context: Context) -> [MLflowRoute] {
  let store = context.store
  return [
    MLflowRoute(.post, "mlflow/runs/create", .write) { call in
      let run = try newRun(call.fields)
      try store.write { db in
        try db.requireActiveExperiment(run.experimentID)
        try db.createRun(run)
      }
      let made = try foundRun(run.uid, store)
      publishRun(made, context)
      return ["run": mlflowRunJSON(made)]
    },
    MLflowRoute(.get, "mlflow/runs/get", .read) { call in
      let run = try foundRun(try call.fields.runID(orUUID: true), store)
      let links = try store.read { try $0.links(run: run.uid) }
      return ["run": mlflowRunJSON(run, inputs: inputsJSON(links), outputs: outputsJSON(links))]
    },
    MLflowRoute(.post, "mlflow/runs/update", .write) { call in
      let uid = try call.fields.runID(orUUID: true)
      let status = try call.fields.choice("status", runStatusNumbers).flatMap(RunStatus.init(rawValue:))
      let endTime = try call.fields.integer("end_time")
      let name = try call.fields.string("run_name")
      try store.write { try $0.updateRun(uid, status: status, endTime: endTime, name: name) }
      let run = try foundRun(uid, store)
      publishRun(run, context)
      return ["run_info": runInfoJSON(run)]
    },
    MLflowRoute(.post, "mlflow/runs/delete", .write) { call in
      let uid = try call.fields.runID()
      let time = now()
      try store.write { try $0.setRun(uid, deleted: true, time: time) }
      return [:]
    },
    MLflowRoute(.post, "mlflow/runs/restore", .write) { call in
      let uid = try call.fields.runID()
      let time = now()
      try store.write { try $0.setRun(uid, deleted: false, time: time) }
      return [:]
    },
  ]
}

/// A run by id with the latest of its metrics, deleted or not. Throws MLflow's 404.
func foundRun(_ uid: String, _ store: Store) throws -> RunRecord {
  guard let run = try store.read({ try $0.runWithLatest(uid) }) else { throw noRun(uid) }
  return run
}

/// MLflow's words for a run that does not exist.
func noRun(_ uid: String) -> HTTPFailure {
  .mlflow(.resourceDoesNotExist, "Run with id=\(uid) not found")
}

/// Tells the event streams how a run stands.
func publishRun(_ run: RunRecord, _ context: Context) {
  let job = (try? context.store.job(ofRun: run.uid))?.id
  let data: JSON = [
    "run_id": .string(run.uid), "name": .string(run.name), "experiment": .string(run.experimentName),
    "status": .string(run.status.rawValue), "job_id": job.map { JSON($0) } ?? .null,
  ]
  context.hub.publish(.run, run: run.uid, experiment: run.experimentName, data: data.encoded)
}

private func newRun(_ fields: MLflowFields) throws -> NewRun {
  let experiment = try fields.string("experiment_id") ?? ""
  let user = try fields.string("user_id") ?? ""
  let start = try fields.integer("start_time") ?? 0
  let givenName = try fields.string("run_name") ?? ""
  var tags = try pairs(fields, "tags")
  if experiment.isEmpty { throw HTTPFailure.mlflow(.badRequest, "A run needs an experiment_id.") }
  let number = try MLflowRules.experimentNumber(experiment)
  var keys: Set<[UInt8]> = []
  for tag in tags where !keys.insert(Array(tag.key.utf8)).inserted {
    throw HTTPFailure.mlflow(.badRequest, "The tag '\(tag.key)' is given twice.")
  }
  let tagName = tags.first { $0.key == runNameTag }?.value ?? ""
  if !givenName.isEmpty, !tagName.isEmpty, !givenName.utf8.elementsEqual(tagName.utf8) {
    throw HTTPFailure.invalidParameter(
      "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values "
        + "(run_name='\(givenName)', mlflow.runName='\(tagName)').")
  }
  let name = !givenName.isEmpty ? givenName : !tagName.isEmpty ? tagName : randomRunName()
  if tagName.isEmpty {
    tags.removeAll { $0.key == runNameTag }
    tags.append(KeyValue(runNameTag, name))
  }
  return NewRun(experimentID: number, name: name, userID: user, startTime: start, tags: tags)
}

/// A name that people can say: `brisk-heron-412`.
func randomRunName() -> String {
  let adjectives = [
    "able", "amber", "ancient", "bold", "brisk", "calm", "clever", "crisp", "eager", "gentle", "grand",
    "happy",
    "honest", "keen", "kind", "lively", "lucky", "mellow", "merry", "nimble", "noble", "patient", "quiet",
    "rapid", "silent", "steady", "stoic", "swift", "tidy", "vivid", "wise", "zealous",
  ]
  let nouns = [
    "ant", "badger", "bear", "boulder", "cliff", "crane", "crow", "deer", "eagle", "fern", "finch", "fox",
    "glacier", "goat", "grouse", "hare", "heron", "ibex", "lark", "lynx", "marmot", "moss", "otter", "owl",
    "peak", "pine", "raven", "ridge", "spruce", "stoat", "summit", "wolf",
  ]
  let adjective = adjectives.randomElement() ?? "plain"
  return "\(adjective)-\(nouns.randomElement() ?? "stone")-\(Int.random(in: 0..<1000))"
}
