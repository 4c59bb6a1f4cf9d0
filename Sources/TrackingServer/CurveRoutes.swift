import HTTP
import JSON
import Storage

/// Reading curves: what a run has, one curve, one key of many runs.
func curveEndpoints(_ context: Context) -> [Endpoint] {
  let steps: [Endpoint.QueryParameter] = [
    .init(name: "from_step", schema: ["type": "integer"], meaning: "The first step wanted."),
    .init(name: "to_step", schema: ["type": "integer"], meaning: "The last step wanted."),
    .init(
      name: "smoothing", schema: ["type": "number", "minimum": 0, "exclusiveMaximum": 1],
      meaning:
        "Adds the moving average of all points up to each row, in which a point smoothing_unit steps back "
        + "weighs so much."),
    .init(
      name: "smoothing_unit", schema: ["type": "number", "exclusiveMinimum": 0, "default": 1],
      meaning: "Steps over which the weight of smoothing counts."),
    .init(
      name: "pieces", schema: ["type": "boolean", "default": false],
      meaning: "Of a run that went back, sets apart what was recorded anew since."),
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
      if try query.wantsCSV {
        return .csv(curveTable([NamedCurve(run: run.uid, name: "", curve: curve)], isNamed: false))
      }
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
        .maxPoints, .format,
      ] + steps, answer: .jsonOrCSV("Curves"), failures: [404]
    ) { request in
      let query = QueryReader(query: request.query)
      guard let key = request.query.first("key") else { throw HTTPFailure.invalid("key", "key is required") }
      let runs = request.query.all("run")
      guard (1...100).contains(runs.count) else {
        throw HTTPFailure.invalid("run", "run must be given 1 to 100 times, got \(runs.count)")
      }
      // A few curves are read sooner than a thread is started.
      func each<Made: Sendable>(_ make: @escaping @Sendable (NamedCurve) -> Made) throws -> [Made] {
        try concurrentMap(runs, threads: min(coreCount, 4, (runs.count + 3) / 4)) { uid -> Made? in
          guard let run = try context.store.read({ try $0.run(uid, withMetrics: false) }) else {
            throw HTTPFailure.notFound("there is no run \(quoted(uid))")
          }
          // A run without this metric has no curve; the others are shown.
          return try curve(uid, key, query, context).map {
            make(NamedCurve(run: uid, name: run.name, curve: $0))
          }
        }.compactMap { $0 }
      }
      if try query.wantsCSV { return .csv(curveTable(try each { $0 }, isNamed: true)) }
      let found = try each { found in
        var writer = JSONWriter(reserving: 64 + found.curve.steps.count * 48)
        write(found.curve, run: found.run, to: &writer)
        return writer.bytes
      }
      return .json(
        Array(#"{"curves":["#.utf8) + found.joined(separator: [0x2c]) + Array("]}".utf8))
    },
  ]
}

private func curve(_ run: String, _ key: String, _ query: QueryReader, _ context: Context) throws -> Curve? {
  let from = try query.optionalInteger("from_step")
  let to = try query.optionalInteger("to_step")
  let maxPoints = try query.integer("max_points", default: 1000, in: 0...1_000_000)
  let weight = try query.number("smoothing", from: 0, below: 1)
  let unit = try query.number("smoothing_unit", from: .leastNonzeroMagnitude) ?? 1
  let smoothing = weight.map { Smoothing(weight: $0, unit: unit) }
  let pieces = try query.flag("pieces")
  return try context.store.read { db in
    let curve = try db.curve(
      run: run, key: key, maxPoints: maxPoints, fromStep: from, toStep: to, smoothing: smoothing,
      parting: pieces)
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
  func points(_ curve: Curve) {
    integers("steps", curve.steps)
    integers("timestamps", curve.timestamps)
    numbers("values", curve.values)
  }
  points(curve)
  if !curve.smoothed.isEmpty { numbers("smoothed", curve.smoothed) }
  if !curve.resumed.isEmpty || !curve.replaced.isEmpty {
    integers("resumed", curve.resumed)
    writer.key("replaced")
    writer.beginArray()
    for piece in curve.replaced {
      writer.beginObject()
      points(piece)
      writer.endObject()
    }
    writer.endArray()
  }
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

/// A curve with whose it is.
private struct NamedCurve: Sendable {
  var run: String
  var name: String
  var curve: Curve
}

/// The rows of curves under one head; what a curve does not have is left empty.
private func curveTable(_ curves: [NamedCurve], isNamed: Bool) -> String {
  let isSampled = curves.contains { $0.curve.sampled }
  let isSmoothed = curves.contains { !$0.curve.smoothed.isEmpty }
  let titles =
    (isNamed ? ["run", "name"] : []) + ["step", "timestamp", "value"] + (isSampled ? ["min", "max"] : [])
    + (isSmoothed ? ["smoothed"] : [])
  var text = titles.joined(separator: ",") + "\n"
  for named in curves {
    let curve = named.curve
    for index in curve.steps.indices {
      var cells: [CSVCell] = isNamed ? [.text(named.run), .text(named.name)] : []
      cells += [
        .integer(curve.steps[index]), .integer(curve.timestamps[index]), .number(curve.values[index]),
      ]
      if isSampled {
        cells += curve.sampled ? [.number(curve.mins[index]), .number(curve.maxs[index])] : [.empty, .empty]
      }
      if isSmoothed { cells.append(curve.smoothed.isEmpty ? .empty : .number(curve.smoothed[index])) }
      text += csvRecord(cells)
    }
  }
  return text
}
