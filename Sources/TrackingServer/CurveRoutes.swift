import HTTP
import JSON
import Storage

/// Reading curves: what a run has, one curve, one key of many runs.
func curveEndpoints(_ context: Context) -> [Endpoint] {
  let steps: [Endpoint.QueryParameter] = [
    .init(name: "from_step", schema: ["type": "integer"], meaning: "The first step wanted."),
    .init(name: "to_step", schema: ["type": "integer"], meaning: "The last step wanted."),
  ]
  return [
    Endpoint(
      method: .get, pattern: "/api/v1/runs/{run_id}/metrics", permission: .read,
      summary: "A summary of each metric of a run.", answer: .json("MetricSummaries"), failures: [404]
    ) { request in
      let run = try run(request, context)
      return .json(["metrics": .array(try context.store.summaries(run: run.uid).map(summaryJSON))])
    },
    Endpoint(
      method: .get, pattern: "/api/v1/runs/{run_id}/metrics/{key...}", permission: .read,
      summary: "A curve by step; with more points than max_points, buckets that keep the extremes.",
      query: [.maxPoints] + steps + [.format], answer: .jsonOrCSV("Curve"), failures: [404]
    ) { request in
      let run = try run(request, context)
      let query = QueryReader(query: request.query)
      let key = request.parameters["key"] ?? ""
      guard let curve = try curve(run.uid, key, query, context) else {
        throw HTTPFailure.notFound("run \(run.uid) has no metric \(quoted(key))")
      }
      if try query.wantsCSV { return .csv(curveTable(curve)) }
      var writer = JSONWriter(reserving: 64 + curve.steps.count * 48)
      write(curve, run: nil, to: &writer)
      return .json(writer.bytes)
    },
    Endpoint(
      method: .get, pattern: "/api/v1/curves", permission: .read, summary: "The same metric of many runs.",
      query: [
        .init(name: "key", schema: ["type": "string"], meaning: "The metric.", isRequired: true),
        .init(
          name: "run", schema: ["type": "string"], meaning: "A run id; up to 100 of them.", repeats: true,
          isRequired: true),
        .maxPoints,
      ] + steps, answer: .json("Curves"), failures: [404]
    ) { request in
      let query = QueryReader(query: request.query)
      guard let key = request.query.first("key") else { throw HTTPFailure.invalid("key", "key is required") }
      let runs = request.query.all("run")
      guard (1...100).contains(runs.count) else {
        throw HTTPFailure.invalid("run", "run must be given 1 to 100 times, got \(runs.count)")
      }
      // A few curves are read sooner than a thread is started.
      let found = try concurrentMap(runs, threads: min(coreCount, 4, (runs.count + 3) / 4)) {
        uid -> [UInt8]? in
        guard try context.store.read({ try $0.run(uid, withMetrics: false) }) != nil else {
          throw HTTPFailure.notFound("there is no run \(quoted(uid))")
        }
        // A run without this metric has no curve; the others are shown.
        guard let curve = try curve(uid, key, query, context) else { return nil }
        var writer = JSONWriter(reserving: 64 + curve.steps.count * 48)
        write(curve, run: uid, to: &writer)
        return writer.bytes
      }
      return .json(
        Array(#"{"curves":["#.utf8) + found.compactMap { $0 }.joined(separator: [0x2c]) + Array("]}".utf8))
    },
  ]
}

private func curve(_ run: String, _ key: String, _ query: QueryReader, _ context: Context) throws -> Curve? {
  let from = try query.optionalInteger("from_step")
  let to = try query.optionalInteger("to_step")
  let maxPoints = try query.integer("max_points", default: 1000, in: 0...1_000_000)
  return try context.store.read { db in
    let curve = try db.curve(run: run, key: key, maxPoints: maxPoints, fromStep: from, toStep: to)
    // No point in a range of steps is an empty curve; no point at all is no curve.
    if curve.count == 0, try db.lastSteps(run: run)[key] == nil { return nil }
    return curve
  }
}

private func summaryJSON(_ metric: MetricSummary) -> JSON {
  [
    "key": .string(metric.key), "count": JSON(metric.count), "first": JSON(metric.first),
    "last": JSON(metric.last),
    "min": JSON(metric.min), "min_step": metric.min.isNaN ? .null : JSON(metric.minStep),
    "max": JSON(metric.max),
    "max_step": metric.max.isNaN ? .null : JSON(metric.maxStep), "last_step": JSON(metric.lastStep),
  ]
}

private func write(_ curve: Curve, run: String?, to writer: inout JSONWriter) {
  writer.beginObject()
  if let run {
    writer.key("run_id")
    writer.value(run)
  }
  writer.key("key")
  writer.value(curve.key)
  writer.key("count")
  writer.value(curve.count)
  writer.key("sampled")
  writer.value(curve.sampled)
  func integers(_ name: String, _ values: [Int64]) {
    writer.key(name)
    writer.beginArray()
    for value in values { writer.value(value) }
    writer.endArray()
  }
  func numbers(_ name: String, _ values: [Double]) {
    writer.key(name)
    writer.beginArray()
    for value in values { writer.value(value) }
    writer.endArray()
  }
  integers("steps", curve.steps)
  integers("timestamps", curve.timestamps)
  numbers("values", curve.values)
  if curve.sampled {
    numbers("min", curve.mins)
    numbers("max", curve.maxs)
    writer.key("bucket")
    writer.value(curve.bucket)
    if let last = curve.lastStep {
      writer.key("last_step")
      writer.value(last)
    }
  }
  writer.endObject()
}

private func curveTable(_ curve: Curve) -> String {
  var text = curve.sampled ? "step,timestamp,value,min,max\n" : "step,timestamp,value\n"
  for index in curve.steps.indices {
    var cells: [CSVCell] = [
      .integer(curve.steps[index]), .integer(curve.timestamps[index]), .number(curve.values[index]),
    ]
    if curve.sampled { cells += [.number(curve.mins[index]), .number(curve.maxs[index])] }
    text += csvRecord(cells)
  }
  return text
}
