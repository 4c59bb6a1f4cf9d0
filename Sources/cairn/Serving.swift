// The commands that hold a store open themselves: serve, demo, train.

import Glibc
import JSON
import Storage
import TrackingServer

private let dataOption = Option(
  name: "data", placeholder: "DIR", fallback: "./cairn-data", variable: "CAIRN_DATA",
  help: "the folder that holds everything: cairn.db and artifacts/")
private let threadsOption = Option(
  name: "threads", placeholder: "N",
  help: "threads of a job whose spec says nothing; results do not depend on it")
private let serverOptions = [
  Option(
    name: "host", placeholder: "ADDRESS", fallback: "127.0.0.1",
    help: "the address to listen on; 0.0.0.0 lets other machines in"),
  Option(name: "port", placeholder: "N", fallback: "5000", help: "the port; 0 picks a free one"),
  dataOption,
  Option(
    name: "workers", placeholder: "N", help: "jobs that train at the same time; one per core unless given"),
  threadsOption,
  Option(
    name: "public", placeholder: "DIR", help: "the dashboard's files; found beside the program unless given"),
  Option(
    name: "token", placeholder: "T", variable: "CAIRN_TOKEN",
    help: "demand this bearer token on everything but /healthz and the dashboard's files"),
  Option(
    name: "durability", placeholder: "LEVEL", fallback: "full",
    help: "full: what was answered survives a power loss; normal: it survives the end of the process"),
]

extension Command {
  static let serve = Command(
    name: "serve", summary: "Run the server: API, dashboard, training queue",
    options: serverOptions + [Option(name: "demo", help: "also submit the demo jobs, once per data folder")],
    description: """
      Runs the server until SIGTERM or SIGINT, then checkpoints the running jobs, finishes the
      requests under way and exits with 0; the jobs go on at the next start. Prints one line,
      'cairn listening on http://HOST:PORT', when it accepts connections.
      """,
    examples: ["cairn serve", "cairn serve --port 0 --data /srv/cairn --workers 2"]
  ) { arguments in
    let stop = StopSignal()
    let server = try TrackingServer(try serverConfiguration(arguments))
    announce("cairn listening on \(server.address)")
    if arguments.has("demo") { _ = try server.submitDemoJobs() }
    stop.wait()
    server.stop()
    return 0
  }

  static let demo = Command(
    name: "demo", summary: "Run the server with three demo jobs and watch them train",
    options: serverOptions,
    description: """
      Runs the server, trains three small networks on the digits set (SGD, SGD with momentum, Adam)
      and shows a progress bar for each; then keeps serving until it is interrupted.
      """,
    examples: ["cairn demo", "cairn demo --port 8080"]
  ) { arguments in
    let stop = StopSignal()
    let server = try TrackingServer(try serverConfiguration(arguments))
    announce("cairn listening on \(server.address)")
    let jobs = try server.submitDemoJobs()
    announce("dashboard  \(server.address)/\n")
    let display = ProgressDisplay(jobs.map(\.name))
    var shown: [JobView] = []
    while !stop.arrived(within: 0.1) {
      shown = try jobs.map { try server.job($0.id) }
      display.show(shown)
      if shown.allSatisfy(\.isOver) { break }
    }
    display.finish()
    if !stop.arrived(within: 0) {
      announce(hints(server.address, run: shown.last?.runID ?? ""))
      stop.wait()
    }
    server.stop()
    return 0
  }

  static let train = Command(
    name: "train", summary: "Run one job here and now, without a server", arguments: ["SPEC.json"],
    options: [dataOption, threadsOption],
    description: """
      Trains the job of a spec file ('-' reads the standard input) in the foreground, into the same
      kind of store that a server uses, with a progress bar; then prints its metrics as a table.
      Exits with 1 when the job fails. An interrupted job goes on under 'cairn serve'.
      """,
    examples: ["cairn train digits.json", "cairn train - --data /tmp/try < digits.json"]
  ) { arguments in
    let stop = StopSignal()
    var configuration = ServerConfiguration(dataFolder: arguments.text("data") ?? "")
    configuration.threads = try arguments.integer("threads", in: 1...256) ?? 1
    let session = try ForegroundSession(configuration)
    defer { session.close() }
    let spec = try specification(arguments.positional[0])
    let job: JobView
    do { job = try session.submit(spec) } catch { throw Complaint.failure("\(error)") }
    let display = ProgressDisplay([job.name])
    var view = job
    while !view.isOver, !stop.arrived(within: 0.1) {
      view = try session.job(job.id)
      display.show([view])
    }
    display.finish()
    if !view.isOver {
      print("stopped at step \(view.step); 'cairn serve' goes on from there")
      return 130
    }
    let fields = try session.metrics(of: view.runID).map { metric in
      [metric.key, "\(metric.count)"]
        + [metric.first, metric.last, metric.min, metric.max].map { cell(JSON($0)) }
    }
    print(
      "\n" + table(["metric", "count", "first", "last", "min", "max"], fields, numeric: 1...5), terminator: ""
    )
    if let error = view.error { complain("cairn train: \(error)\n") }
    return view.state == "finished" ? 0 : 1
  }
}

private func serverConfiguration(_ arguments: Arguments) throws -> ServerConfiguration {
  var configuration = ServerConfiguration(dataFolder: arguments.text("data") ?? "")
  configuration.host = arguments.text("host") ?? ""
  configuration.port = try arguments.integer("port", in: 0...65535) ?? 0
  configuration.workers = try arguments.integer("workers", in: 1...64)
  configuration.threads = try arguments.integer("threads", in: 1...256) ?? 1
  configuration.publicFolder = arguments.text("public")
  configuration.token = arguments.text("token")
  switch arguments.text("durability") {
  case "full": configuration.durability = .full
  case "normal": configuration.durability = .normal
  case let other: throw Complaint.usage("--durability must be full or normal, got \"\(other ?? "")\"")
  }
  return configuration
}

/// Reads and parses a spec file; '-' is the standard input.
func specification(_ path: String) throws -> JSON {
  let file = path == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
  guard file >= 0 else { throw Complaint.failure("cannot read \(path): \(String(cString: strerror(errno)))") }
  defer { if path != "-" { close(file) } }
  var bytes: [UInt8] = []
  var chunk = [UInt8](repeating: 0, count: 65536)
  while true {
    let count = read(file, &chunk, chunk.count)
    if count < 0 && errno == EINTR { continue }
    if count < 0 { throw Complaint.failure("cannot read \(path): \(String(cString: strerror(errno)))") }
    if count == 0 { break }
    bytes += chunk[..<count]
  }
  do { return try JSON.parse(bytes) } catch { throw Complaint.failure("\(path): \(error.message)") }
}

private func hints(_ address: String, run: String) -> String {
  """

  submit a job
    curl -s \(address)/api/v1/jobs -d '{"dataset": {"name": "digits"},
      "model": {"layers": [{"type": "linear", "out": 64}, {"type": "relu"}, {"type": "linear", "out": 10}]},
      "optimizer": {"type": "adam", "lr": 0.001}, "train": {"epochs": 10}}'
  read a metric
    curl -s '\(address)/api/v1/runs/\(run)/metrics/val/loss?format=csv'
  stop with Ctrl-C; 'cairn serve' comes back to all of it
  """
}
