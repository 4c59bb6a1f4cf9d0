import JSON
import Storage

/// MLflow's numbers of run states.
let runStatusNumbers: [String: Int64] = [
  "RUNNING": 1, "SCHEDULED": 2, "FINISHED": 3, "FAILED": 4, "KILLED": 5,
]

/// MLflow's numbers of views.
let viewTypeNumbers: [String: Int64] = ["ACTIVE_ONLY": 1, "DELETED_ONLY": 2, "ALL": 3]

/// The lifecycle that a view shows; nil shows both.
func lifecycle(of view: String?) -> Lifecycle? {
  switch view ?? "ACTIVE_ONLY" {
  case "DELETED_ONLY": .deleted
  case "ALL": nil
  default: .active
  }
}

/// A run without its data, as MLflow shows it.
func runInfoJSON(_ run: RunRecord) -> JSON {
  var object: JSONObject = [
    "run_id": .string(run.uid), "run_uuid": .string(run.uid), "run_name": .string(run.name),
    "experiment_id": .string(String(run.experimentID)), "user_id": .string(run.userID),
    "status": .string(run.status.rawValue), "start_time": JSON(run.startTime ?? 0),
  ]
  // Time zero is how MLflow takes an end back.
  object.set("end_time", run.endTime == 0 ? nil : run.endTime)
  object["artifact_uri"] = .string(run.artifactURI)
  object["lifecycle_stage"] = .string(run.lifecycle.rawValue)
  return .object(object)
}

/// A run as MLflow shows it; `inputs` and `outputs` are objects, empty when there is nothing in them.
func mlflowRunJSON(_ run: RunRecord, inputs: JSON? = nil, outputs: JSON? = nil) -> JSON {
  var data = JSONObject()
  data.set("metrics", .array(run.latest.map(latestJSON)))
  data.set("params", pairsJSON(run.params))
  data.set("tags", pairsJSON(run.tags))
  var object: JSONObject = ["info": runInfoJSON(run), "data": .object(data)]
  object["inputs"] = inputs ?? [:]
  object.set("outputs", outputs)
  return .object(object)
}

private func latestJSON(_ metric: LatestMetric) -> JSON {
  [
    "key": .string(metric.key), "value": metricValueJSON(metric.value), "timestamp": JSON(metric.timestamp),
    "step": JSON(metric.step),
  ]
}
