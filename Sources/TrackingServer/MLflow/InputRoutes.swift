import HTTP
import JSON
import Storage

/// What runs take in and give out: data sets and logged models.
func inputRoutes(_ context: Context) -> [MLflowRoute] {
  let store = context.store
  return [
    MLflowRoute(.post, "mlflow/runs/log-inputs", .write) { call in
      let run = try call.fields.runID()
      let datasets = try call.fields.objects("datasets").map(datasetInput)
      let models = try call.fields.objects("models").map { try $0.string("model_id") ?? "" }
      try MLflowRules.checkRunID(run)
      try store.write { connection in
        try connection.requireActiveRun(run)
        try connection.logInputs(datasets, models: models, run: run)
      }
      return [:]
    },
    MLflowRoute(.post, "mlflow/runs/outputs", .write) { call in
      let run = try call.fields.runID()
      guard try call.fields.value("models") != nil else { throw HTTPFailure.missing("models") }
      let outputs = try call.fields.objects("models").map {
        ModelOutput(modelID: try $0.string("model_id") ?? "", step: try $0.integer("step") ?? 0)
      }
      try store.write { connection in
        try connection.requireActiveRun(run)
        try connection.logOutputs(outputs, run: run)
      }
      return [:]
    },
    MLflowRoute(.post, "mlflow/experiments/search-datasets", .read, prefixes: ["/ajax-api"]) { call in
      let ids = try call.fields.strings("experiment_ids")
      guard !ids.isEmpty else {
        throw HTTPFailure.invalidParameter("SearchDatasets request must specify at least one experiment_id.")
      }
      guard ids.count <= 20 else {
        throw HTTPFailure.invalidParameter(
          "SearchDatasets request cannot specify more than 20 experiment_ids. Received \(ids.count) experiment_ids."
        )
      }
      let numbers = try ids.map(MLflowRules.experimentNumber)
      let summaries = try store.read { try $0.datasetSummaries(experiments: numbers, limit: 1000) }
      var answer = JSONObject()
      answer.set("dataset_summaries", .array(summaries.map(summaryJSON)))
      return .object(answer)
    },
  ]
}

private func datasetInput(_ fields: MLflowFields) throws -> DatasetInput {
  let tags = try pairs(fields, "tags")
  let inner = try fields.object("dataset") ?? MLflowFields([:])
  let dataset = DatasetRecord(
    name: try inner.string("name") ?? "", digest: try inner.string("digest") ?? "",
    sourceType: try inner.string("source_type") ?? "", source: try inner.string("source") ?? "",
    schema: try inner.string("schema"), profile: try inner.string("profile"))
  try MLflowRules.checkLength(dataset.name, 500, called: "name")
  try MLflowRules.checkLength(dataset.digest, 36, called: "digest")
  try MLflowRules.checkLength(dataset.source, 65_535, called: "source")
  try MLflowRules.checkLength(dataset.schema ?? "", 1_048_575, called: "schema")
  try MLflowRules.checkLength(dataset.profile ?? "", 16_777_215, called: "profile")
  for tag in tags {
    try MLflowRules.checkLength(tag.key, 255, called: "key")
    try MLflowRules.checkLength(tag.value, 500, called: "value")
  }
  return DatasetInput(dataset: dataset, tags: tags)
}

private func summaryJSON(_ summary: DatasetSummary) -> JSON {
  var object: JSONObject = [
    "experiment_id": .string(String(summary.experimentID)), "name": .string(summary.name),
    "digest": .string(summary.digest),
  ]
  object.set("context", summary.context)
  return .object(object)
}

/// `run.inputs` as MLflow shows it; models are left out of searches there.
func inputsJSON(_ links: RunLinks, withModels: Bool = true) -> JSON {
  var object = JSONObject()
  object.set("dataset_inputs", .array(links.datasets.map(inputJSON)))
  if withModels {
    object.set("model_inputs", .array(links.inputModels.map { ["model_id": .string($0)] }))
  }
  return .object(object)
}

private func inputJSON(_ input: DatasetInput) -> JSON {
  var dataset: JSONObject = [
    "name": .string(input.dataset.name), "digest": .string(input.dataset.digest),
    "source_type": .string(input.dataset.sourceType), "source": .string(input.dataset.source),
  ]
  dataset.set("schema", input.dataset.schema)
  dataset.set("profile", input.dataset.profile)
  var object = JSONObject()
  object.set("tags", pairsJSON(input.tags))
  object["dataset"] = .object(dataset)
  return .object(object)
}

/// `run.outputs` as MLflow shows it.
func outputsJSON(_ links: RunLinks) -> JSON {
  var object = JSONObject()
  object.set(
    "model_outputs",
    .array(links.outputs.map { ["model_id": .string($0.modelID), "step": JSON($0.step)] }))
  return .object(object)
}
