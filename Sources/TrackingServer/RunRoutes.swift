import HTTP
import JSON
import Storage

/// Reading runs: the list, one run, its spec, its log.
func runEndpoints(_ context: Context) -> [Endpoint] {
  [
    Endpoint(
      method: .get, pattern: "/api/v1/runs", permission: .read,
      summary: "Runs with params, tags and a summary of each metric, newest first.",
      query: [
        .init(name: "experiment", schema: ["type": "string"], meaning: "Only runs of this experiment."),
        .init(
          name: "filter", schema: ["type": "string"],
          meaning: "A filter in MLflow's grammar, such as metrics.loss < 1 AND params.lr = '0.1'."),
        .init(
          name: "order_by", schema: ["type": "string"],
          meaning:
            "An order in MLflow's grammar, such as metrics.loss DESC; may be given several times, or with "
            + "commas between.", repeats: true),
        .limit,
        .pageToken, .format,
      ], answer: .jsonOrCSV("Runs")
    ) { request in
      let query = QueryReader(query: request.query)
      let limit = try query.integer("limit", default: 100, in: 1...1000)
      let (runs, next) = try listedRuns(query, limit: limit, context)
      if try query.wantsCSV { return .csv(runTable(runs)) }
      return .json(
        page("runs", try runs.map { runJSON($0, job: try context.store.job(ofRun: $0.uid)?.id) }, next: next))
    },
    Endpoint(
      method: .get, pattern: "/api/v1/runs/{run_id}", permission: .read, summary: "A run.",
      answer: .json("Run"),
      failures: [404]
    ) { request in
      let run = try run(request, context)
      return .json(runJSON(run, job: try context.store.job(ofRun: run.uid)?.id))
    },
    Endpoint(
      method: .get, pattern: "/api/v1/runs/{run_id}/spec", permission: .read,
      summary: "The full job spec; posting it again repeats the run bit for bit.", answer: .json("JobSpec"),
      failures: [404]
    ) { request in
      let run = try run(request, context)
      guard let job = try context.store.job(ofRun: run.uid) else {
        throw HTTPFailure.notFound("run \(run.uid) was not trained here and has no spec")
      }
      return .json(Array(job.spec.utf8))
    },
    Endpoint(
      method: .get, pattern: "/api/v1/runs/{run_id}/log", permission: .read,
      summary: "Lines of the run's log.",
      query: [
        .init(
          name: "from", schema: ["type": "integer", "minimum": 1, "default": 1],
          meaning: "The number of the first line wanted; an answer's next asks for what follows it.")
      ], answer: .json("Log"), failures: [404]
    ) { request in
      let run = try run(request, context)
      let from = try QueryReader(query: request.query).integer("from", default: 1, in: 1...Int.max)
      let lines = try context.store.log(run: run.uid, from: Int64(from), limit: 10_000)
      return .json([
        "lines": .array(lines.map(logLineJSON)),
        "next": JSON(lines.last.map { $0.number + 1 } ?? Int64(from)),
      ])
    },
  ]
}

/// A page of runs, newest first unless an order is asked for, and the place where the next one begins.
private func listedRuns(_ query: QueryReader, limit: Int, _ context: Context) throws -> ([RunRecord], Int64?)
{
  let cursor = try pageCursor(query)
  var experiment: Int64?
  if let name = query.query.first("experiment") {
    // An experiment that nobody made has no runs.
    guard let found = try context.store.experiment(named: name) else { return ([], nil) }
    experiment = found.id
  }
  let filter = query.query.first("filter") ?? ""
  let order = orderItems(query.query.all("order_by"))
  if filter.isEmpty, order.isEmpty {
    let runs = try context.store.listRuns(experiment: experiment, limit: limit + 1, before: cursor)
    let shown = Array(runs.prefix(limit))
    return (shown, runs.count > limit ? shown.last?.number : nil)
  }
  var search = RunQuery(experiments: experiment.map { [$0] })
  search.filter = filter
  search.orderBy = order
  search.tie = .newest
  search.withSummaries = true
  search.offset = Int(clamping: cursor ?? 0)
  search.limit = limit + 1
  do {
    let runs = try context.store.read { [search] in try $0.searchRuns(search) }
    return (Array(runs.prefix(limit)), runs.count > limit ? Int64(search.offset + limit) : nil)
  } catch let error as FilterError {
    throw HTTPFailure.invalid(filter.isEmpty ? "order_by" : "filter", error.description)
  }
}

/// The items of some orders: divided at commas that stand outside of quotes.
func orderItems(_ texts: [String]) -> [String] {
  texts.flatMap { text in
    var items = [""]
    var quote: Character?
    for character in text {
      if character == "," && quote == nil {
        items.append("")
        continue
      }
      if let open = quote {
        if character == open { quote = nil }
      } else if character == "`" || character == "\"" {
        quote = character
      }
      items[items.count - 1].append(character)
    }
    return items.filter { $0.contains { !$0.isWhitespace } }
  }
}

/// The run that a path names, or the 404 that says so.
func run(_ request: HTTPRequest, _ context: Context) throws -> RunRecord {
  let uid = request.parameters["run_id"] ?? ""
  guard let run = try context.store.run(uid) else {
    throw HTTPFailure.notFound("there is no run \(quoted(uid))")
  }
  return run
}

func logLineJSON(_ line: LogLine) -> JSON {
  ["line": JSON(line.number), "time": JSON(line.time), "text": .string(line.text)]
}

/// A run as the API shows it.
func runJSON(_ run: RunRecord, job: Int64?) -> JSON {
  let start = run.startTime.map { JSON($0) } ?? .null
  let end = run.endTime.map { JSON($0) } ?? .null
  let metrics = run.metrics.map { metric in
    (
      metric.key,
      [
        "last": JSON(metric.last), "min": JSON(metric.min), "max": JSON(metric.max),
        "count": JSON(metric.count),
      ] as JSON
    )
  }
  return [
    "info": [
      "run_id": .string(run.uid), "run_uuid": .string(run.uid), "run_name": .string(run.name),
      "experiment_id": .string(String(run.experimentID)), "experiment": .string(run.experimentName),
      "status": .string(run.status.rawValue), "start_time": start, "end_time": end,
      "lifecycle_stage": .string(run.lifecycle.rawValue),
    ],
    "run_id": .string(run.uid), "name": .string(run.name), "experiment": .string(run.experimentName),
    "status": .string(run.status.rawValue), "start_time": start, "end_time": end,
    "job_id": job.map { JSON($0) } ?? .null,
    "params": JSON(run.params.map { ($0.key, .string($0.value)) }),
    "tags": JSON(run.tags.map { ($0.key, .string($0.value)) }), "metrics": JSON(metrics),
  ]
}

/// One row a run; the columns of params, tags and metrics are those that any of the runs has.
private func runTable(_ runs: [RunRecord]) -> String {
  func names(_ list: (RunRecord) -> [String]) -> [String] { Set(runs.flatMap(list)).sorted() }
  let params = names { $0.params.map(\.key) }
  let tags = names { $0.tags.map(\.key) }
  let metrics = names { $0.metrics.map(\.key) }
  var text = csvRecord(
    (["run_id", "name", "experiment", "status", "start_time", "end_time"] + params.map { "params." + $0 }
      + tags.map { "tags." + $0 } + metrics.map { "metrics." + $0 }).map(CSVCell.text))
  for run in runs {
    var cells: [CSVCell] = [
      .text(run.uid), .text(run.name), .text(run.experimentName), .text(run.status.rawValue),
      run.startTime.map(CSVCell.integer) ?? .empty, run.endTime.map(CSVCell.integer) ?? .empty,
    ]
    let paramValues = Dictionary(run.params.map { ($0.key, $0.value) }, uniquingKeysWith: { $1 })
    let tagValues = Dictionary(run.tags.map { ($0.key, $0.value) }, uniquingKeysWith: { $1 })
    let metricValues = Dictionary(run.metrics.map { ($0.key, $0.last) }, uniquingKeysWith: { $1 })
    cells += params.map { paramValues[$0].map(CSVCell.text) ?? .empty }
    cells += tags.map { tagValues[$0].map(CSVCell.text) ?? .empty }
    cells += metrics.map { metricValues[$0].map(CSVCell.number) ?? .empty }
    text += csvRecord(cells)
  }
  return text
}
