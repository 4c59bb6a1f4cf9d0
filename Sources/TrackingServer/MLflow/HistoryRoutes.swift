import HTTP
import JSON
import Storage

/// `mlflow/metrics/...`: the points of a metric.
func historyRoutes(_ context: Context) -> [MLflowRoute] {
  let store = context.store
  return [
    MLflowRoute(raw: .get, "mlflow/metrics/get-history", .read) { request in
      let fields = try MLflowFields(request)
      let run = try fields.runID(orUUID: true)
      let key = try fields.required("metric_key")
      let limit = try fields.integer("max_results")
      if let limit, limit <= 0 { throw notPositive(limit) }
      let start = try PageToken.offset(try fields.string("page_token"))
      let page = try store.read { db in
        try db.history(run: run, key: key, offset: start, limit: limit.map { Int(clamping: $0) })
      }
      let count = page.points.steps.count
      var writer = JSONWriter(reserving: 64 + count * 80)
      writer.beginObject()
      if count > 0 {
        writer.key("metrics")
        writer.beginArray()
        write(page.points, 0..<count, run: nil, to: &writer)
        writer.endArray()
      }
      if page.hasMore {
        writer.key("next_page_token")
        writer.value(PageToken.token(start + count))
      }
      writer.endObject()
      return .json(writer.bytes)
    },
    MLflowRoute(raw: .get, "mlflow/metrics/get-history-bulk", .read, prefixes: ["/ajax-api"]) { request in
      try bulkHistory(request.query, store)
    },
    MLflowRoute(raw: .get, "mlflow/metrics/get-history-bulk-interval", .read) { request in
      try intervalHistory(request.query, store)
    },
  ]
}

/// A `max_results` that is no count.
func notPositive(_ limit: Int64) -> HTTPFailure {
  .invalidParameter(
    "Invalid value \(limit) for parameter 'max_results' supplied. It must be a positive integer.")
}

private func bulkHistory(_ query: HTTPQuery, _ store: Store) throws -> HTTPResponse {
  let name = "GetMetricHistoryBulk"
  let runs = query.all("run_id")
  guard !runs.isEmpty else {
    throw HTTPFailure.invalidParameter("\(name) request must specify at least one run_id.")
  }
  guard runs.count <= 100 else {
    throw HTTPFailure.invalidParameter(
      "\(name) request cannot specify more than 100 run_ids. Received \(runs.count) run_ids.")
  }
  guard let key = query.first("metric_key") else {
    throw HTTPFailure.invalidParameter("\(name) request must specify a metric_key.")
  }
  let most: Int64 = 25_000
  let limit = try MLflowFields(query: query).integer("max_results") ?? most
  guard limit >= 0 else { throw notPositive(limit) }
  var left = Int(min(limit, most))
  var writer = JSONWriter()
  writer.beginObject()
  writer.key("metrics")
  writer.beginArray()
  for run in Set(runs).sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) where left > 0 {
    let page = try store.read { [left] in try $0.history(run: run, key: key, limit: left) }
    let count = page.points.steps.count
    write(page.points, 0..<count, run: run, to: &writer)
    left -= count
  }
  writer.endArray()
  writer.endObject()
  return .json(writer.bytes)
}

private func intervalHistory(_ query: HTTPQuery, _ store: Store) throws -> HTTPResponse {
  let name = "GetMetricHistoryBulkInterval"
  let fields = MLflowFields(query: query)
  let runs = query.all("run_ids")
  guard !runs.isEmpty else {
    throw HTTPFailure.invalidParameter("\(name) request must specify at least one run_id.")
  }
  guard runs.count <= 100 else {
    throw HTTPFailure.invalidParameter(
      "\(name) request must specify at most 100 run_ids. Received \(runs.count) run_ids.")
  }
  let key = try fields.required("metric_key")
  let limit = try fields.integer("max_results") ?? 2500
  guard (1...2500).contains(limit) else {
    throw HTTPFailure.invalidParameter("max_results must be between 1 and 2500. Found \(limit)")
  }
  let start = try fields.integer("start_step")
  let end = try fields.integer("end_step")
  guard (start == nil) == (end == nil) else {
    throw HTTPFailure.invalidParameter(
      "If either start step or end step are specified, both must be specified.")
  }
  if let start, let end, start > end {
    throw HTTPFailure.invalidParameter(
      "end_step must be greater than start_step. Found start_step=\(start) and end_step=\(end).")
  }
  var writer = JSONWriter()
  writer.beginObject()
  var isOpen = false
  for run in runs {
    let curve = try store.read {
      try $0.historyByStep(run: run, key: key, from: start ?? .min, to: end ?? .max)
    }
    let rows = evenSample(of: curve.steps.count, limit: Int(limit))
    if rows.isEmpty { continue }
    if !isOpen {
      isOpen = true
      writer.key("metrics")
      writer.beginArray()
    }
    for row in rows { write(curve, row..<(row + 1), run: run, to: &writer) }
  }
  if isOpen { writer.endArray() }
  writer.endObject()
  return .json(writer.bytes)
}

/// The first row of each of `limit` parts of equal size (SQL's NTILE: larger parts first), and always the last row.
func evenSample(of count: Int, limit: Int) -> [Int] {
  if count <= limit { return Array(0..<count) }
  let (size, larger) = count.quotientAndRemainder(dividingBy: limit)
  var rows = (0..<limit).map { $0 * size + min($0, larger) }
  if rows.last != count - 1 { rows[limit - 1] = count - 1 }
  return rows
}

private func write(_ curve: Curve, _ rows: Range<Int>, run: String?, to writer: inout JSONWriter) {
  for row in rows {
    writer.beginObject()
    writer.key("key")
    writer.value(curve.key)
    writer.key("value")
    writer.value(clamped(curve.values[row]))
    writer.key("timestamp")
    writer.value(curve.timestamps[row])
    writer.key("step")
    writer.value(curve.steps[row])
    if let run {
      writer.key("run_id")
      writer.value(run)
    }
    writer.endObject()
  }
}
