import HTTP
import JSON
import Storage

/// What `mlflow/runs/...` records: metrics, parameters, tags, and batches of them.
func loggingRoutes(_ context: Context) -> [MLflowRoute] {
  let store = context.store
  return [
    MLflowRoute(raw: .post, "mlflow/runs/log-metric", .write, isBrief: true) { request in
      let fields = try MLflowFields(request)
      let run = try fields.runID(orUUID: true)
      let point = try metric(fields, path: nil)
      var entries = RunEntries()
      entries.add(point)
      return try record(entries, models: [point], run: run, context, mustBeBrief: request.mustBeBrief)
    },
    MLflowRoute(.post, "mlflow/runs/log-parameter", .write) { call in
      let run = try call.fields.runID(orUUID: true)
      let key = try call.fields.required("key")
      let param = KeyValue(key, try call.fields.string("value") ?? "")
      var entries = RunEntries()
      entries.params = [try checkedParam(param, parameter: "key")]
      do {
        try recordEntries(entries, run: run, context)
      } catch StoreError.parameterChanged(let key, let was, let new) {
        throw HTTPFailure.invalidParameter(
          "Changing param values is not allowed. Param with key='\(key)' was already logged with value='\(was)' "
            + "for run ID='\(run)'. Attempted logging new value '\(new)'.")
      }
      return [:]
    },
    MLflowRoute(raw: .post, "mlflow/runs/set-tag", .write) { request in
      let fields = try MLflowFields(request)
      let run = try fields.runID(orUUID: true)
      let key = try fields.required("key")
      let tag = KeyValue(key, try fields.string("value") ?? "")
      var entries = RunEntries()
      entries.tags = [try checkedTag(tag, parameter: "key", label: "key")]
      return try record(entries, run: run, context)
    },
    MLflowRoute(.post, "mlflow/runs/delete-tag", .write) { call in
      let run = try call.fields.runID()
      let key = try call.fields.required("key")
      let wasThere = try store.write { db in
        try db.requireActiveRun(run)
        return try db.deleteTag(key, run: run)
      }
      guard wasThere else {
        throw HTTPFailure.mlflow(
          .resourceDoesNotExist, "No tag with name: \(key) in run with id \(run)")
      }
      return [:]
    },
    MLflowRoute(raw: .post, "mlflow/runs/log-batch", .write) { request in
      let body = try request.body.readAll()
      let batch = try plainBatch(request, body) ?? LogBatch(MLflowFields(request, body: body))
      return try batch.recorded(context)
    },
    MLflowRoute(.post, "mlflow/runs/log-model", .write) { call in
      let run = try call.fields.runID()
      let text = try call.fields.required("model_json")
      try recordModel(text, run: run, context)
      return [:]
    },
  ]
}

/// A metric as a request gives it; `modelID` and the data set are kept with the model that it names.
struct LoggedMetric: Sendable {
  var key: String
  var value: Double
  var timestamp: Int64
  var step: Int64
  var modelID: String?
  var datasetName: String?
  var datasetDigest: String?
}

/// One `log-batch`, read and checked.
struct LogBatch: Sendable {
  static let maximumMetrics = 1000
  static let maximumParams = 100
  static let maximumTags = 100
  static let maximumEntities = 1000

  var run: String
  var metrics: [LoggedMetric] = []
  var entries = RunEntries()

  /// Reads every field and checks all that MLflow checks before it looks at the run.
  init(_ fields: MLflowFields) throws {
    run = try fields.required("run_id")
    let metricFields = try fields.objects("metrics")
    let paramFields = try fields.objects("params")
    let tagFields = try fields.objects("tags")
    for metric in metricFields {
      try metric.require("key")
      try metric.require("value")
      try metric.require("timestamp")
    }
    for pair in paramFields + tagFields { try pair.require("key") }
    try LogBatch.checkCounts(
      metrics: metricFields.count, params: paramFields.count, tags: tagFields.count, run: run)
    metrics = try metricFields.enumerated().map { try metric($1, path: "metrics[\($0)]") }
    for metric in metrics { entries.add(metric) }
    let params = try pairs(fields, "params")
    let tags = try pairs(fields, "tags")
    try addParams(params)
    entries.tags = try tags.enumerated().map {
      try checkedTag($1, parameter: "tags[\($0)].key", label: "tags[\($0)].key")
    }
  }

  /// The same from columns that were read elsewhere and need only the checks.
  init(run: String, metrics: MetricBatch, params: [KeyValue], tags: [KeyValue]) throws {
    self.run = run
    try LogBatch.checkCounts(metrics: metrics.count, params: params.count, tags: tags.count, run: run)
    for (index, key) in metrics.keys.enumerated() {
      try MLflowRules.checkKey(key, parameter: "metrics[\(index)].name", called: metricLabel)
    }
    for timestamp in metrics.timestamps where timestamp < 0 { throw negativeTimestamp(timestamp) }
    entries.metrics = metrics
    try addParams(params)
    entries.tags = try tags.enumerated().map {
      try checkedTag($1, parameter: "tags[\($0)].key", label: "tags[\($0)].key")
    }
  }

  private mutating func addParams(_ params: [KeyValue]) throws {
    entries.params = try params.enumerated().map {
      try checkedParam($1, parameter: "params[\($0)].key")
    }
    var seen: Set<[UInt8]> = []
    let twice = entries.params.filter { !seen.insert(Array($0.key.utf8)).inserted }.map(\.key)
    guard twice.isEmpty else {
      throw HTTPFailure.invalidParameter(
        "Duplicate parameter keys have been submitted: \(pythonList(twice)). Please ensure the request contains "
          + "only one param value per param key.")
    }
  }

  /// Writes all of it or nothing.
  func recorded(_ context: Context) throws -> HTTPResponse {
    if entries.params.isEmpty {
      return try record(entries, models: metrics, run: run, context)
    }
    let (run, params) = (run, entries.params)
    do {
      try recordEntries(entries, models: metrics, run: run, context)
    } catch StoreError.parameterChanged(let key, let was, let new) {
      let first = [ParamConflict(key: key, was: was, new: new)]
      let found = (try? context.store.read { try $0.conflicts(of: params, run: run) }) ?? first
      let list = (found.isEmpty ? first : found).map {
        "{'key': \(pythonText($0.key)), 'old_value': \(pythonText($0.was)), 'new_value': \(pythonText($0.new))}"
      }
      throw HTTPFailure.invalidParameter(
        "Changing param values is not allowed. Params were already logged='[\(list.joined(separator: ", "))]' for "
          + "run ID='\(run)'.")
    }
    return .json([:])
  }

  private static func checkCounts(metrics: Int, params: Int, tags: Int, run: String) throws {
    try MLflowRules.checkRunID(run)
    func check(_ what: String, _ count: Int, _ limit: Int) throws {
      guard count > limit else { return }
      throw HTTPFailure.invalidParameter(
        "A batch logging request can contain at most \(limit) \(what). Got \(count) \(what). Please split up "
          + "\(what) across multiple requests and try again.")
    }
    try check("metrics", metrics, maximumMetrics)
    try check("params", params, maximumParams)
    try check("tags", tags, maximumTags)
    try check("metrics, params, and tags", metrics + params + tags, maximumEntities)
  }
}

extension RunEntries {
  mutating func add(_ metric: LoggedMetric) {
    let key = metrics.key(metric.key)
    metrics.append(key, step: metric.step, timestamp: metric.timestamp, value: clamped(metric.value))
  }
}

/// Writes what a request records and answers `{}` when it is on the disk. No worker waits for that when it is points
/// and tags alone, which come in great numbers; where more is to be done afterwards, this thread does it.
private func record(
  _ entries: RunEntries, models: [LoggedMetric] = [], run: String, _ context: Context,
  mustBeBrief: Bool = false
) throws -> HTTPResponse {
  guard models.allSatisfy({ $0.modelID == nil }), !context.hub.isHeard else {
    if mustBeBrief { throw HTTPNeedsWorker() }
    try recordEntries(entries, models: models, run: run, context)
    return .json([:])
  }
  return .later { finish in
    try context.store.logLater(entries, run: run) { error in
      if let error { return finish(.failure(error)) }
      // Somebody may have come to listen meanwhile.
      finish(Result { try publish(entries.metrics, run: run, context) }.map { .json([:]) })
    }
  }
}

/// Writes what a request records, and tells the event streams about its points.
private func recordEntries(
  _ entries: RunEntries, models: [LoggedMetric] = [], run: String, _ context: Context
) throws {
  let linked = models.compactMap { point in
    point.modelID.map { model in
      let metric = LoggedModelMetric(
        key: point.key, value: clamped(point.value), timestamp: point.timestamp, step: point.step, runID: run,
        datasetName: point.datasetName ?? "", datasetDigest: point.datasetDigest ?? "")
      return (model: model, metric: metric)
    }
  }
  if linked.isEmpty {
    try context.store.log(entries, run: run)
  } else {
    do {
      try context.store.write { db in
        try db.log(entries, run: run)
        try db.logModelMetrics(linked)
      }
    } catch StoreError.notFound(let what) where !what.hasPrefix("run '") {
      throw HTTPFailure.mlflow(.badRequest, "\(what) not found.")
    }
  }
  try publish(entries.metrics, run: run, context)
}

/// Tells the event streams about points.
private func publish(_ metrics: MetricBatch, run: String, _ context: Context) throws {
  guard metrics.count > 0, !context.hub.leaveOut() else { return }
  let experiment = try context.store.read { try $0.run(run, withMetrics: false)?.experimentName }
  publishPoints(metrics, run: run, experiment: experiment ?? "", to: context.hub)
}

/// What messages call the name of a metric that is too long.
private let metricLabel = "Metric name"

private func metric(_ fields: MLflowFields, path: String?) throws -> LoggedMetric {
  let key = try fields.required("key")
  try fields.require("value")
  try fields.require("timestamp")
  let value = try fields.double("value") ?? 0
  let timestamp = try fields.integer("timestamp") ?? 0
  let step = try fields.integer("step") ?? 0
  try MLflowRules.checkKey(key, parameter: path.map { $0 + ".name" } ?? "name", called: metricLabel)
  if timestamp < 0 { throw negativeTimestamp(timestamp) }
  func set(_ name: String) throws -> String? {
    let text = try fields.string(name)
    return text?.isEmpty == true ? nil : text
  }
  return LoggedMetric(
    key: key, value: value, timestamp: timestamp, step: step, modelID: try set("model_id"),
    datasetName: try set("dataset_name"), datasetDigest: try set("dataset_digest"))
}

private func negativeTimestamp(_ timestamp: Int64) -> HTTPFailure {
  .invalidParameter(
    "Got invalid timestamp \(timestamp) for metric. Timestamp must be a nonnegative long (64-bit integer)")
}

private func checkedParam(_ param: KeyValue, parameter: String) throws -> KeyValue {
  try MLflowRules.checkKey(param.key, parameter: parameter, called: "Param key")
  return KeyValue(param.key, MLflowRules.truncated(param.value, MLflowRules.paramLength))
}

private func checkedTag(_ tag: KeyValue, parameter: String, label: String) throws -> KeyValue {
  try MLflowRules.checkKey(tag.key, parameter: parameter, called: label)
  return KeyValue(tag.key, MLflowRules.truncated(tag.value, MLflowRules.tagLength))
}

/// A record of MLflow 2's `log_model`: appended to the list in a tag.
private func recordModel(_ text: String, run: String, _ context: Context) throws {
  guard let model = try? JSON.parse(text), case .object(let object) = model else {
    throw HTTPFailure.invalidParameter("Malformed model info. \n \(text) \n is not a valid JSON.")
  }
  let missing = ["artifact_path", "flavors", "utc_time_created", "run_id"].filter { object[$0] == nil }
  guard missing.isEmpty else {
    throw HTTPFailure.invalidParameter("Model json is missing mandatory fields: \(pythonList(missing))")
  }
  let tag = "mlflow.log-model.history"
  try context.store.write { db in
    try db.requireActiveRun(run)
    let stored = try db.run(run, withMetrics: false)?.tags.first { $0.key == tag }?.value
    var history = stored.flatMap { try? JSON.parse($0).arrayValue } ?? []
    history.append(model)
    try db.setTags([KeyValue(tag, JSON.array(history).text)], run: run)
  }
}

private func pythonList(_ texts: [String]) -> String {
  "[" + texts.map(pythonText).joined(separator: ", ") + "]"
}

/// A text as Python shows it, which is how it stands in MLflow's messages.
private func pythonText(_ text: String) -> String {
  let quote: Unicode.Scalar = text.contains("'") && !text.contains("\"") ? "\"" : "'"
  var shown = String.UnicodeScalarView([quote])
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\n": shown += "\\n".unicodeScalars
    case "\r": shown += "\\r".unicodeScalars
    case "\t": shown += "\\t".unicodeScalars
    case "\\", quote: shown += ["\\", scalar]
    default: shown.append(scalar)
    }
  }
  shown.append(quote)
  return String(shown)
}
