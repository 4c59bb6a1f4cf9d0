// The commands that ask a running server: submit, runs, metrics, show.

import Glibc
import JSON
import TrackingServer

private let clientOptions = [
  Option(
    name: "server", placeholder: "URL", fallback: "http://127.0.0.1:5000", variable: "CAIRN_SERVER",
    help: "the server to talk to"),
  Option(name: "token", placeholder: "T", variable: "CAIRN_TOKEN", help: "the server's bearer token"),
]
private let formatOptions = [
  Option(name: "json", help: "print the server's JSON"),
  Option(name: "csv", help: "print comma-separated values"),
]

private func client(_ arguments: Arguments) throws -> Client {
  try Client(server: arguments.text("server") ?? "", token: arguments.text("token"))
}

extension Command {
  static let submit = Command(
    name: "submit", summary: "Post a job to a server", arguments: ["SPEC.json"],
    options: clientOptions + [Option(name: "wait", help: "show progress and exit by the job's outcome")],
    description: """
      Posts the job of a spec file ('-' reads the standard input) and prints its id and run id. With
      --wait it exits with 0 when the job finishes and with 1 when it fails or is cancelled.
      """,
    examples: ["cairn submit digits.json", "cairn submit --wait digits.json --server http://lab:5000"]
  ) { arguments in
    let client = try client(arguments)
    var job = try client.post("/api/v1/jobs", try specification(arguments.positional[0]))
    let id = job["id"]?.intValue ?? 0
    announce("job \(id)  run \(job["run_id"]?.stringValue ?? "")")
    guard arguments.has("wait") else { return 0 }
    let display = ProgressDisplay(["job \(id)"])
    while true {
      let view = JobView(job)
      display.show([view])
      if view.isOver || view.state == "paused" {
        display.finish()
        if let error = view.error { complain("cairn submit: \(error)\n") }
        return view.state == "finished" ? 0 : 1
      }
      usleep(200_000)
      job = try client.get("/api/v1/jobs/\(id)")
    }
  }

  static let runs = Command(
    name: "runs", summary: "List the runs of a server",
    options: clientOptions + formatOptions + [
      Option(name: "experiment", placeholder: "NAME", help: "only the runs of this experiment"),
      Option(name: "limit", placeholder: "N", fallback: "20", help: "how many, newest first"),
    ],
    description: "Prints the newest runs with their last metrics as a table.",
    examples: ["cairn runs", "cairn runs --experiment digits --csv"]
  ) { arguments in
    let client = try client(arguments)
    try chooseFormat(arguments)
    var path = "/api/v1/runs?limit=\(try arguments.integer("limit", in: 1...1000) ?? 20)"
    if let experiment = arguments.text("experiment") { path += "&experiment=\(pathSegment(experiment))" }
    if arguments.has("csv") {
      print(try client.text(path + "&format=csv"), terminator: "")
      return 0
    }
    let answer = try client.get(path)
    if arguments.has("json") {
      print(answer.pretty)
      return 0
    }
    let runs = answer["runs"]?.arrayValue ?? []
    let wanted = ["train/loss", "val/loss", "val/accuracy"]
    let rows = runs.map { run in
      ["run_id", "name", "experiment", "status"].map { run[$0]?.stringValue ?? "" }
        + wanted.map { cell(run["metrics"]?[$0]?["last"]) }
    }
    print(table(["run", "name", "experiment", "status"] + wanted, rows, numeric: 4...6), terminator: "")
    return 0
  }

  static let metrics = Command(
    name: "metrics", summary: "Print one curve of a run", arguments: ["RUN", "KEY"],
    options: clientOptions + formatOptions + [
      Option(
        name: "max-points", placeholder: "N", fallback: "20",
        help: "buckets with mean, min and max beyond this many points; 0 prints every point")
    ],
    description: "Prints a metric of a run by step.",
    examples: ["cairn metrics 4f0c… val/loss", "cairn metrics 4f0c… train/loss --csv --max-points 0"]
  ) { arguments in
    let client = try client(arguments)
    try chooseFormat(arguments)
    let maxPoints = try arguments.integer("max-points", in: 0...100_000) ?? 20
    let key = arguments.positional[1].split(separator: "/", omittingEmptySubsequences: false)
      .map { pathSegment(String($0)) }.joined(separator: "/")
    let path = "/api/v1/runs/\(pathSegment(arguments.positional[0]))/metrics/\(key)?max_points=\(maxPoints)"
    if arguments.has("csv") {
      print(try client.text(path + "&format=csv"), terminator: "")
      return 0
    }
    let curve = try client.get(path)
    if arguments.has("json") {
      print(curve.pretty)
      return 0
    }
    let columns =
      curve["sampled"]?.boolValue == true ? ["steps", "values", "min", "max"] : ["steps", "values"]
    let cells = columns.map { curve[$0]?.arrayValue ?? [] }
    let rows = (0..<(cells.first?.count ?? 0)).map { row in cells.map { cell($0[row]) } }
    let titles = columns.map { $0 == "steps" ? "step" : $0 == "values" ? "value" : $0 }
    print(table(titles, rows, numeric: 0...3), terminator: "")
    return 0
  }

  static let show = Command(
    name: "show", summary: "Print everything about a run", arguments: ["RUN"],
    options: clientOptions + formatOptions,
    description: """
      Prints a run's state, its parameters, metrics and checkpoints. As comma-separated values it is
      one fact a line: what it is about, its key, the field, the value.
      """,
    examples: ["cairn show 4f0c…", "cairn show 4f0c… --csv"]
  ) { arguments in
    let client = try client(arguments)
    try chooseFormat(arguments)
    let path = "/api/v1/runs/\(pathSegment(arguments.positional[0]))"
    let run = try client.get(path)
    let metrics = try client.get(path + "/metrics")
    let checkpoints = try client.get(path + "/checkpoints")
    if arguments.has("json") {
      var whole = run.objectValue ?? JSONObject()
      whole["metric_summaries"] = metrics["metrics"]
      whole["checkpoints"] = checkpoints["checkpoints"]
      print(JSON.object(whole).pretty)
      return 0
    }
    if arguments.has("csv") {
      print(facts(run, metrics, checkpoints).map(csvRecord).joined(), terminator: "")
      return 0
    }
    for key in ["run_id", "name", "experiment", "status"] {
      print(key + String(repeating: " ", count: 12 - key.count) + printable(run[key]?.stringValue ?? ""))
    }
    let params = run["params"]?.objectValue?.entries.map { [$0.key, $0.value.stringValue ?? ""] } ?? []
    print("\n" + table(["parameter", "value"], params, numeric: 9...9), terminator: "")
    let rows = (metrics["metrics"]?.arrayValue ?? []).map { metric in
      [metric["key"]?.stringValue ?? ""] + summaryFields.map { cell(metric[$0]) }
    }
    print("\n" + table(["metric"] + summaryFields, rows, numeric: 1...7), terminator: "")
    let saved = (checkpoints["checkpoints"]?.arrayValue ?? []).map { checkpoint in
      [cell(checkpoint["step"]), cell(checkpoint["epoch"]), cell(checkpoint["bytes"])]
        + [(checkpoint["labels"]?.arrayValue ?? []).compactMap(\.stringValue).joined(separator: ", ")]
    }
    print("\n" + table(["checkpoint", "epoch", "bytes", "labels"], saved, numeric: 0...2), terminator: "")
    return 0
  }
}

/// Refuses two forms at once.
private func chooseFormat(_ arguments: Arguments) throws {
  if arguments.has("json"), arguments.has("csv") {
    throw Complaint.usage("--json and --csv exclude each other")
  }
}

/// What `show` knows of a run, one fact a record, under the header `about,key,field,value`.
private func facts(_ run: JSON, _ metrics: JSON, _ checkpoints: JSON) -> [[CSVCell]] {
  var records: [[CSVCell]] = [[.text("about"), .text("key"), .text("field"), .text("value")]]
  func add(_ about: String, _ key: String, _ field: String, _ value: JSON?) {
    records.append([.text(about), .text(key), .text(field), plainCell(value)])
  }
  for field in ["run_id", "name", "experiment", "status", "start_time", "end_time"] {
    add("run", "", field, run[field])
  }
  for (about, name) in [("param", "params"), ("tag", "tags")] {
    for (key, value) in run[name]?.objectValue?.entries ?? [] { add(about, key, "value", value) }
  }
  for metric in metrics["metrics"]?.arrayValue ?? [] {
    let key = metric["key"]?.stringValue ?? ""
    for field in summaryFields + ["last_step"] { add("metric", key, field, metric[field]) }
  }
  for checkpoint in checkpoints["checkpoints"]?.arrayValue ?? [] {
    let step = cell(checkpoint["step"])
    for field in ["epoch", "bytes"] { add("checkpoint", step, field, checkpoint[field]) }
    for label in checkpoint["labels"]?.arrayValue ?? [] { add("checkpoint", step, "label", label) }
  }
  return records
}

/// A value of the API as it is, for a machine to read.
private func plainCell(_ value: JSON?) -> CSVCell {
  switch value {
  case .integer(let number): .integer(number)
  case .number(let number): .number(number)
  case .string(let text): .text(text)
  default: .empty
  }
}

private let summaryFields = ["count", "first", "last", "min", "min_step", "max", "max_step"]

/// A value of the API as the text of a table cell.
func cell(_ value: JSON?) -> String {
  switch value {
  case .integer(let number): "\(number)"
  case .number(let number): abs(number) >= 1e-3 && abs(number) < 1e6 ? decimals(number, 6) : "\(number)"
  case .string(let text): text
  default: ""
  }
}

/// A text without control characters, so that no name of a run can move the cursor or colour the terminal.
func printable(_ text: String) -> String {
  var clean = ""
  for scalar in text.unicodeScalars {
    switch scalar.properties.generalCategory {
    case .control, .lineSeparator, .paragraphSeparator: clean += "\\u{\(String(scalar.value, radix: 16))}"
    default: clean.unicodeScalars.append(scalar)
    }
  }
  return clean
}

/// Aligned columns under their titles; the columns in `numeric` are flush right.
func table(_ titles: [String], _ rows: [[String]], numeric: ClosedRange<Int>) -> String {
  let rows = rows.map { $0.map(printable) }
  var widths = titles.map(\.count)
  for row in rows { for (index, cell) in row.enumerated() { widths[index] = max(widths[index], cell.count) } }
  func line(_ cells: [String]) -> String {
    var text = ""
    for (index, cell) in cells.enumerated() {
      let space = String(repeating: " ", count: widths[index] - cell.count)
      text += (index == 0 ? "" : "  ") + (numeric.contains(index) ? space + cell : cell + space)
    }
    while text.hasSuffix(" ") { text.removeLast() }
    return text + "\n"
  }
  return line(titles) + rows.map(line).joined()
}
