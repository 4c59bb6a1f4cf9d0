// The room where the others meet: routes, scheduler, live events, authentication.
//
// A request comes in through HTTP, a route reads it into values, Storage commits, the hub tells who listens.
// Training never sees Storage and HTTP never sees a route; what one of them needs from another passes through
// here. A new endpoint is one `Endpoint` line in the file of its resource; Routes.swift is the table of contents.

import Glibc
import HTTP
import JSON
import Storage
import Training

/// The version of the program.
public let cairnVersion = "0.1.0"

/// How a server is to run.
public struct ServerConfiguration: Sendable {
  /// The address to listen on.
  public var host = "127.0.0.1"
  /// The port; 0 picks a free one.
  public var port = 5000
  /// The folder that holds everything the server keeps.
  public var dataFolder: String
  /// Jobs that train at the same time; nil takes one per core.
  public var workers: Int?
  /// Threads of a job whose spec says nothing.
  public var threads = 1
  /// The dashboard's files; nil looks for them beside the program.
  public var publicFolder: String?
  /// The bearer token that is demanded; nil demands none.
  public var token: String?
  /// What an answered request survives.
  public var durability: Store.Durability = .full

  /// A configuration with the defaults of `cairn serve`.
  public init(dataFolder: String) { self.dataFolder = dataFolder }
}

/// Why a server could not start.
public struct StartError: Error, CustomStringConvertible {
  /// What the operator reads.
  public let description: String
}

/// A running server.
public final class TrackingServer: Sendable {
  /// Where it answers: `http://HOST:PORT`.
  public let address: String

  private let context: Context
  private let http: HTTPServer

  /// Opens the store, starts the workers and accepts connections; throws what keeps it from that.
  public init(_ configuration: ServerConfiguration) throws {
    let store = try Store.open(folder: configuration.dataFolder, durability: configuration.durability)
    do {
      let context = try Context(store: store, threads: configuration.threads)
      let gauges = Gauges(context: context)
      let first = FirstPage(context)
      let isOpen = configuration.token == nil
      let files = try StaticFiles(folder: try Self.publicFolder(configuration))
      var http = HTTPServerConfiguration(routes: allRoutes(context) { gauges.text() })
      http.host = configuration.host
      http.port = configuration.port
      http.fallback = { request in
        if let failure = unknownMLflowPath(request) { throw failure }
        // Behind a token the page itself tells nothing.
        return files.response(for: request) { _ in isOpen ? first.block() : [] }
      }
      http.authorize = authorizer(token: configuration.token)
      http.translate = { ($0 as? StoreError).flatMap(failure(of:)) }
      http.renderFailure = { HTTPResponse.failure($0) }
      http.log = logLine
      let server = try HTTPServer(http)
      gauges.attach(server)
      let shownHost = configuration.host.contains(":") ? "[\(configuration.host)]" : configuration.host
      self.http = server
      self.context = context
      address = "http://\(shownHost):\(server.port)"
      try context.scheduler.start(workers: configuration.workers ?? coreCount)
      context.ensembles.start()
      server.start()
    } catch {
      store.close()
      throw error
    }
  }

  /// Stops taking work, checkpoints running jobs, drains requests, closes the store.
  public func stop() {
    for work in [context.measurements, context.predictions, context.uploads, context.checks] { work.stop() }
    context.ensembles.stop()
    context.scheduler.stop()
    context.hub.close()
    http.stop(grace: 10)
    context.store.close()
  }

  /// A job as the program's front ends show it.
  public func job(_ id: Int64) throws -> JobView { try context.view(id) }

  /// Submits the demo jobs once per store: a store that has them gives those again.
  public func submitDemoJobs() throws -> [JobView] {
    if let experiment = try context.store.experiment(named: demoExperiment) {
      let runs = try context.store.listRuns(experiment: experiment.id, limit: 1000)
      let jobs = try runs.filter { run in run.tags.contains { $0.key == "demo" } }
        .compactMap { try context.store.job(ofRun: $0.uid)?.id }
      if !jobs.isEmpty { return try jobs.sorted().map(context.view) }
    }
    return try demoSpecs.map { try context.view(try submitJob($0, context).id) }
  }

  private static func publicFolder(_ configuration: ServerConfiguration) throws -> String {
    if let folder = configuration.publicFolder {
      guard access(folder + "/index.html", R_OK) == 0 else {
        throw StartError(description: "--public \(folder): there is no index.html in it")
      }
      return folder
    }
    var candidates = ["Public"]
    // Beside the program, or above it: .build/release/cairn lies two or three folders below the repository's root.
    var program = programPath()
    while let slash = program.lastIndex(of: "/") {
      program = String(program[..<slash])
      candidates.append(program + "/Public")
    }
    guard let found = candidates.first(where: { access($0 + "/index.html", R_OK) == 0 }) else {
      throw StartError(
        description: "the dashboard's files (Public/) are not beside the program; name them with --public")
    }
    return found
  }
}

/// One job in the foreground, in the same kind of store, without a server.
public final class ForegroundSession: Sendable {
  private let context: Context

  /// Opens the store.
  public init(_ configuration: ServerConfiguration) throws {
    let store = try Store.open(folder: configuration.dataFolder, durability: configuration.durability)
    context = try Context(store: store, threads: configuration.threads)
  }

  /// Checks, stores and starts a job; what else waits in the store is left waiting.
  public func submit(_ spec: JSON) throws -> JobView {
    do {
      let job = try submitJob(spec, context)
      try context.scheduler.start(only: job.id)
      return try context.view(job.id)
    } catch let failure as HTTPFailure {
      throw StartError(description: failure.message)
    }
  }

  /// The job as it stands.
  public func job(_ id: Int64) throws -> JobView { try context.view(id) }

  /// The metrics of a run.
  public func metrics(of run: String) throws -> [MetricSummary] { try context.store.summaries(run: run) }

  /// Checkpoints the job if it still trains, and closes the store.
  public func close() {
    context.scheduler.stop()
    context.store.close()
  }
}

extension Context {
  /// A job with the newest values of its evaluations.
  func view(_ id: Int64) throws -> JobView {
    guard let job = try store.job(id) else { throw StoreError.notFound("job \(id)") }
    var view = JobView(jobJSON(job, scheduler.progress(of: id)))
    for metric in try store.summaries(run: job.runUID) { view.latest[metric.key] = metric.last }
    return view
  }
}

/// Processors that this process may run on.
let coreCount = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))

/// One line on the error stream, with control characters made visible so that no text can forge another line.
@Sendable func logLine(_ text: String) {
  var line = ""
  for scalar in text.unicodeScalars {
    if scalar.value < 0x20 || scalar.value == 0x7F {
      line += "\\u{\(String(scalar.value, radix: 16))}"
    } else {
      line.unicodeScalars.append(scalar)
    }
  }
  // One write call a line, so that lines of different threads do not mix.
  let bytes = Array("cairn: \(line)\n".utf8)
  _ = write(STDERR_FILENO, bytes, bytes.count)
}

/// Where the running program lies.
private func programPath() -> String {
  var buffer = [CChar](repeating: 0, count: 4096)
  let count = readlink("/proc/self/exe", &buffer, buffer.count)
  return String(decoding: buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
