import HTTP
import JSON

/// What the dashboard would ask for first, sent with its page so that it is drawn from one answer.
///
/// A block of JSON: the newest event's id, from which the page's event stream goes on, and the answers of some
/// paths. A page that needs another path asks for it as ever, so nothing here has to be right, only current.
struct FirstPage: Sendable {
  /// Bytes of answers that a page carries at most: more would keep it from being read.
  static let limit = 1 << 19
  /// Runs whose curves are drawn at first, and the curves that stand at the top of the board.
  private static let drawnRuns = 8
  private static let topCurves = [
    "train/loss", "train/accuracy", "val/loss", "val/accuracy", "loss", "accuracy",
  ]

  private let endpoints: [String: Endpoint]
  private let hub: LiveHub

  init(_ context: Context) {
    let needed = runEndpoints(context) + jobEndpoints(context) + curveEndpoints(context)
    endpoints = Dictionary(
      needed.filter { $0.method == .get }.map { ($0.pattern, $0) }, uniquingKeysWith: { first, _ in first })
    hub = context.hub
  }

  /// The block as HTML; nothing while there are no runs.
  func block() -> [UInt8] {
    // The id first: what happens while the answers are made comes again as an event.
    let event = hub.startingPoint()
    var room = Self.limit
    var answers: [(path: String, body: [UInt8])] = []
    func add(_ path: String, _ query: [(String, String)]) -> JSON? {
      guard let body = answer("/api/v1" + path, query), body.count <= room else { return nil }
      room -= body.count
      answers.append((path + "?" + Self.encoded(query), body))
      return try? JSON.parse(body)
    }
    let jobs = add("/jobs", [("limit", "1000")])
    if let runs = add("/runs", [("limit", "200")])?["runs"]?.arrayValue {
      if runs.isEmpty { return [] }
      let newest = Self.newest(runs, jobs?["jobs"]?.arrayValue ?? [])
      for key in Self.topCurves {
        let having = newest.filter { $0["metrics"]?[key] != nil }.compactMap { $0["run_id"]?.stringValue }
        if having.isEmpty { continue }
        _ = add(
          "/curves",
          [("key", key), ("max_points", "1000"), ("pieces", "true")] + having.map { ("run", $0) })
      }
    }
    var block = Array(#"<script type="application/json" id="first">{"event":"#.utf8)
    block += JSON.string(event).encoded + Array(#","answers":{"#.utf8)
    for (index, answer) in answers.enumerated() {
      if index > 0 { block.append(UInt8(ascii: ",")) }
      // No text in it can end the element.
      block += JSON.string(answer.path).encoded + [UInt8(ascii: ":")]
      for byte in answer.body {
        if byte == UInt8(ascii: "<") { block += Array(#"\u003c"#.utf8) } else { block.append(byte) }
      }
    }
    return block + Array("}}</script>".utf8)
  }

  private func answer(_ pattern: String, _ query: [(String, String)]) -> [UInt8]? {
    guard let endpoint = endpoints[pattern],
      let response = try? endpoint.handler(
        HTTPRequest(method: .get, path: pattern, query: HTTPQuery(query))),
      case .bytes(let bytes) = response.body
    else { return nil }
    return bytes
  }

  /// The runs that the dashboard draws when nobody chose: the last begun.
  private static func newest(_ runs: [JSON], _ jobs: [JSON]) -> [JSON] {
    let jobs = Dictionary(jobs.map { ($0["id"]?.intValue ?? 0, $0) }, uniquingKeysWith: { first, _ in first })
    func time(_ value: JSON?) -> Int? { (value?.intValue).flatMap { $0 > 0 ? $0 : nil } }
    let placed = runs.map { run in
      let id = run["job_id"]?.intValue
      let job = id.flatMap { jobs[$0] }
      let began = time(job?["started_at"]) ?? time(run["start_time"]) ?? time(job?["created_at"]) ?? .max
      return (run: run, began: began, job: id ?? 0)
    }
    return placed.sorted { ($0.began, $0.job) > ($1.began, $1.job) }.prefix(drawnRuns).map(\.run)
  }

  /// A query as browsers write it (WHATWG URL, application/x-www-form-urlencoded).
  static func encoded(_ query: [(String, String)]) -> String {
    func escaped(_ text: String) -> String {
      text.utf8.map { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "*"), UInt8(ascii: "-"), UInt8(ascii: "."),
          UInt8(ascii: "_"):
          return String(UnicodeScalar(byte))
        case UInt8(ascii: " "): return "+"
        default:
          let digits = String(byte, radix: 16, uppercase: true)
          return "%" + (digits.count < 2 ? "0" : "") + digits
        }
      }.joined()
    }
    return query.map { "\(escaped($0.0))=\(escaped($0.1))" }.joined(separator: "&")
  }
}
