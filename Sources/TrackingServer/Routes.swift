import HTTP
import JSON
import Storage
import Training

/// Everything a handler may use.
struct Context: Sendable {
  let store: Store
  let hub: LiveHub
  let scheduler: Scheduler
  let library: DatasetLibrary
  let weights: WeightsLibrary
  let catalog: DatasetCatalog
  let ensembles: EnsembleKeeper
  /// Questions that take long, by kind, so that one kind does not wait for another.
  let measurements = LongWork()
  let predictions = LongWork(limit: 256)
  let uploads = LongWork()
  let checks = LongWork(limit: 256)

  init(store: Store, threads: Int) throws {
    self.store = store
    hub = LiveHub(boot: now())
    do {
      library = try DatasetLibrary(folder: store.artifactFolder + "/datasets")
      weights = try WeightsLibrary(folder: store.artifactFolder + "/weights")
    } catch {
      throw StartError(description: failure(of: error).message)
    }
    catalog = .builtin(with: library)
    scheduler = Scheduler(
      store: store, hub: hub, catalog: catalog, weights: weights, threads: threads, log: logLine)
    ensembles = EnsembleKeeper(
      store: store, scheduler: scheduler, catalog: catalog, weights: weights, log: logLine)
  }
}

/// The table of contents of the server: every path it answers, beside the dashboard's files.
func allRoutes(_ context: Context, gauges: @escaping @Sendable () -> String) -> [HTTPRoute] {
  allEndpoints(context, gauges: gauges).map(\.route) + mlflowRoutes(context) + [mlflowHealth]
}

/// The native API, which describes itself.
func allEndpoints(_ context: Context, gauges: @escaping @Sendable () -> String) -> [Endpoint] {
  let native: [[Endpoint]] = [
    jobEndpoints(context), runEndpoints(context), curveEndpoints(context), checkpointEndpoints(context),
    datasetEndpoints(context), weightsEndpoints(context), predictEndpoints(context),
    ensembleEndpoints(context), sharpnessEndpoints(context), [eventsEndpoint(context)],
  ]
  return native.flatMap { $0 } + serviceEndpoints(native.flatMap { $0 }, gauges: gauges)
}

/// Health, version, gauges, and the description of everything else.
private func serviceEndpoints(_ native: [Endpoint], gauges: @escaping @Sendable () -> String) -> [Endpoint] {
  [
    Endpoint(
      method: .get, pattern: "/healthz", permission: .open, summary: "Whether the server answers.",
      answer: .json("Health")
    ) { _ in .json(["status": "ok"]) },
    Endpoint(
      method: .get, pattern: "/version", permission: .read, summary: "The version, as plain text.",
      answer: .text("text/plain")
    ) { _ in .plain(cairnVersion) },
    Endpoint(
      method: .get, pattern: "/metrics", permission: .read,
      summary: "Gauges of the server, as Prometheus text.",
      answer: .text("text/plain")
    ) { _ in .plain(gauges(), type: "text/plain; version=0.0.4; charset=utf-8") },
    Endpoint(
      method: .get, pattern: "/api/v1/openapi.json", permission: .read, summary: "This description.",
      answer: .json("Document")
    ) { _ in .json(openAPIDocument(native, version: cairnVersion)) },
  ]
}

// Parameters that several endpoints share.
extension Endpoint.QueryParameter {
  static let limit = Endpoint.QueryParameter(
    name: "limit", schema: ["type": "integer", "minimum": 1, "maximum": 1000, "default": 100],
    meaning: "How many at most.")
  static let pageToken = Endpoint.QueryParameter(
    name: "page_token", schema: ["type": "string"], meaning: "The next_page_token of the page before.")
  static let format = Endpoint.QueryParameter(
    name: "format", schema: ["type": "string", "enum": ["json", "csv"], "default": "json"],
    meaning: "The form of the answer.")
  static let maxPoints = Endpoint.QueryParameter(
    name: "max_points", schema: ["type": "integer", "minimum": 0, "maximum": 1_000_000, "default": 1000],
    meaning: "With more points than this, buckets with mean, min and max; 0 gives every point.")
}

/// A position in a list: the number below which the next page starts.
///
/// It is opaque to clients; numbers only ever grow, so a page neither repeats nor skips what was there.
func pageCursor(_ query: QueryReader) throws -> Int64? {
  guard let token = query.query.first("page_token") else { return nil }
  guard token.hasPrefix("p"), let position = Int64(token.dropFirst()), position > 0 else {
    throw HTTPFailure.invalid(
      "page_token", "page_token is not one that this server gave, got \(quoted(token))")
  }
  return position
}

/// The answer of a list: its items, and the token of the next page when there is one.
func page(_ name: String, _ items: [JSON], next: Int64?) -> JSON {
  var object: JSONObject = [:]
  object[name] = .array(items)
  if let next { object["next_page_token"] = .string("p\(next)") }
  return .object(object)
}
