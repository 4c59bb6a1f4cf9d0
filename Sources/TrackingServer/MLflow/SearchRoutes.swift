import HTTP
import JSON
import Storage

/// `mlflow/experiments/search` and `mlflow/runs/search`.
func searchRoutes(_ context: Context) -> [MLflowRoute] {
  let store = context.store
  let searchExperiments: @Sendable (MLflowRoute.Call) throws -> JSON = { call in
    let fields = call.fields
    var query = ExperimentQuery()
    let limit = try maxResults(fields, default: 0)
    query.filter = try fields.string("filter") ?? ""
    query.orderBy = try fields.strings("order_by")
    query.lifecycle = lifecycle(of: try fields.choice("view_type", viewTypeNumbers))
    let token = try fields.string("page_token")
    try checkMaxResults(limit)
    query.offset = try PageToken.offset(token)
    query.limit = Int(limit) + 1
    let found = try store.read { [query] in try $0.searchExperiments(query) }
    var answer = JSONObject()
    answer.set("experiments", .array(found.prefix(Int(limit)).map(experimentJSON)))
    if found.count > limit {
      answer["next_page_token"] = .string(PageToken.token(query.offset + Int(limit)))
    }
    return .object(answer)
  }
  return [
    MLflowRoute(.post, "mlflow/experiments/search", .read, searchExperiments),
    MLflowRoute(.get, "mlflow/experiments/search", .read, searchExperiments),
    MLflowRoute(.post, "mlflow/runs/search", .read) { call in
      let fields = call.fields
      let experiments = try fields.strings("experiment_ids")
      let limit = try maxResults(fields, default: 1000)
      var query = RunQuery(experiments: [])
      query.filter = try fields.string("filter") ?? ""
      query.orderBy = try fields.strings("order_by")
      query.lifecycle = lifecycle(of: try fields.choice("run_view_type", viewTypeNumbers))
      let token = try fields.string("page_token")
      try checkMaxResults(limit)
      query.experiments = try experiments.map(MLflowRules.experimentNumber)
      query.offset = try PageToken.offset(token)
      query.limit = Int(limit) + 1
      let found = try store.read { [query] db in
        try db.searchRuns(query).map { ($0, try db.links(run: $0.uid)) }
      }
      var answer = JSONObject()
      answer.set(
        "runs",
        .array(
          found.prefix(Int(limit)).map { run, links in
            mlflowRunJSON(run, inputs: inputsJSON(links, withModels: false), outputs: outputsJSON(links))
          }))
      if found.count > limit {
        answer["next_page_token"] = .string(PageToken.token(query.offset + Int(limit)))
      }
      return .object(answer)
    },
  ]
}

private let mostResults: Int64 = 50_000

private func maxResults(_ fields: MLflowFields, default fallback: Int64) throws -> Int64 {
  try fields.integer("max_results") ?? fallback
}

private func checkMaxResults(_ limit: Int64) throws {
  if limit <= 0 { throw notPositive(limit) }
  if limit > mostResults {
    throw HTTPFailure.invalidParameter(
      "Invalid value \(limit) for parameter 'max_results' supplied. It must be at most \(mostResults).")
  }
}
