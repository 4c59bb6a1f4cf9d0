// From a request to an encoded answer: runs the handler, turns whatever it throws into an answer, and writes the head.
// The only place where errors become responses.
import Glibc

/// An answer ready for the loop, which adds Date and Connection and ends the head.
struct Answer: Sendable {
  enum Rest: Sendable {
    case whole([UInt8])
    case pipe(ResponsePipe, chunked: Bool)
    case events(HTTPEventStream, chunked: Bool)
  }

  var status: Int
  var head: [UInt8]
  var rest: Rest
  /// The body is delimited by the end of the connection (HTTP/1.0).
  var endsWithConnection = false
  var handlerSeconds: Double?
}

/// A request on its way to a handler.
struct Job: Sendable {
  enum Destination: Sendable {
    case route(HTTPRoute)
    case fallback
  }

  var request: HTTPRequest
  var minor: Int
  var destination: Destination
}

/// Makes answers; knows no socket.
struct Responder: Sendable {
  private let configuration: HTTPServerConfiguration
  private let common: [UInt8]

  init(_ configuration: HTTPServerConfiguration) {
    self.configuration = configuration
    var bytes: [UInt8] = []
    for field in configuration.commonHeaders.fields where Self.isSendable(field) {
      Self.append(field.name, field.value, to: &bytes)
    }
    common = bytes
  }

  /// Answers a job. `deliver` gets the answer; a stream's body is written on this thread.
  func run(_ job: Job, pipe: () -> ResponsePipe, deliver: @escaping @Sendable (Answer) -> Void) {
    let begin = Clock.now
    let response = respond(job)
    if case .later(let start) = response.body {
      answerLater(job, start, begin: begin, deliver: deliver)
      return
    }
    let seconds = Double(Clock.now - begin) / 1e9
    let isStream = if case .stream = response.body { job.request.method != .head } else { false }
    let pipe = isStream ? pipe() : nil
    var answer = encode(response, method: job.request.method, minor: job.minor, pipe: pipe)
    answer.handlerSeconds = seconds
    guard case .stream(let length, let produce) = response.body, case .pipe(let pipe, _) = answer.rest else {
      deliver(answer)
      return
    }
    let writer = HTTPBodyWriter(pipe: pipe, length: length) { [answer] in deliver(answer) }
    do {
      try produce(writer)
      writer.begin()
      if !writer.isComplete {
        configuration.log("an answer to \(job.request.path) ended before its announced length")
      }
      pipe.finish(broken: !writer.isComplete)
    } catch {
      let isFirst = writer.abandon()
      if isFirst { deliver(failed(failure(error, path: job.request.path), minor: job.minor)) }
      if !isFirst, !(error is HTTPPeerGone) {
        configuration.log("an answer to \(job.request.path) was cut off: \(error)")
      }
      pipe.finish(broken: true)
    }
  }

  /// Runs the handler of a brief route on the loop's own thread; false when the job needs a worker.
  func runBriefly(_ job: Job, deliver: @escaping @Sendable (Answer) -> Void) -> Bool {
    guard case .route(let route) = job.destination, route.isBrief else { return false }
    var job = job
    job.request.mustBeBrief = true
    // Should it need a worker, that one reads the body.
    job.request.body = job.request.body.copy()
    let begin = Clock.now
    let response: HTTPResponse
    do {
      try configuration.authorize(route.permission, job.request)
      response = try route.handler(job.request)
    } catch is HTTPNeedsWorker {
      return false
    } catch {
      response = render(failure(error, path: job.request.path))
    }
    if case .later(let start) = response.body {
      answerLater(job, start, begin: begin, deliver: deliver)
    } else {
      var answer = encode(response, method: job.request.method, minor: job.minor, pipe: nil)
      answer.handlerSeconds = Double(Clock.now - begin) / 1e9
      deliver(answer)
    }
    return true
  }

  /// Starts what an answer waits for; it is encoded on the thread that brings it.
  private func answerLater(
    _ job: Job, _ start: HTTPResponse.Later, begin: UInt64, deliver: @escaping @Sendable (Answer) -> Void
  ) {
    let (path, method, minor) = (job.request.path, job.request.method, job.minor)
    let finish: @Sendable (Result<HTTPResponse, any Error>) -> Void = { result in
      let response: HTTPResponse
      do { response = try result.get() } catch { response = render(failure(error, path: path)) }
      var answer = encode(response, method: method, minor: minor, pipe: nil)
      answer.handlerSeconds = Double(Clock.now - begin) / 1e9
      deliver(answer)
    }
    do { try start(finish) } catch { finish(.failure(error)) }
  }

  /// The answer for a failure that no handler saw.
  func failed(_ failure: HTTPFailure, method: HTTPMethod? = nil, minor: Int = 1) -> Answer {
    encode(render(failure), method: method, minor: minor, pipe: nil)
  }

  private func respond(_ job: Job) -> HTTPResponse {
    do {
      switch job.destination {
      case .route(let route):
        try configuration.authorize(route.permission, job.request)
        return try route.handler(job.request)
      case .fallback:
        return try fallback(job.request)
      }
    } catch {
      return render(failure(error, path: job.request.path))
    }
  }

  /// What a thrown error means to the client.
  private func failure(_ error: any Error, path: String) -> HTTPFailure {
    error as? HTTPFailure ?? configuration.translate(error) ?? unknown(error, path: path)
  }

  /// Static files answer GET and HEAD; asked with their GET form, they also tell 405 from 404.
  private func fallback(_ request: HTTPRequest) throws -> HTTPResponse {
    var asked = request
    if request.method != .head { asked.method = .get }
    guard let response = try configuration.fallback(asked) else {
      throw HTTPFailure(status: 404, message: "there is nothing at \(request.path)")
    }
    switch request.method {
    case .get, .head: return response
    case .options: return HTTPResponse(status: 204, headers: ["Allow": "GET, HEAD, OPTIONS"])
    default: throw Self.methodNotAllowed([.get, .head, .options], path: request.path)
    }
  }

  static func methodNotAllowed(_ methods: [HTTPMethod], path: String) -> HTTPFailure {
    let list = methods.map(\.rawValue).joined(separator: ", ")
    return HTTPFailure(status: 405, message: "\(path) answers \(list)", headers: ["Allow": list])
  }

  /// The cause goes to the log, its id to both: what broke inside is nobody else's business.
  private func unknown(_ error: any Error, path: String) -> HTTPFailure {
    let id = String(UInt32.random(in: .min ... .max), radix: 16)
    configuration.log("error \(id) while answering \(path): \(error)")
    return HTTPFailure(status: 500, message: "something went wrong in the server; its log calls it \(id)")
  }

  private func render(_ failure: HTTPFailure) -> HTTPResponse {
    var response = configuration.renderFailure(failure)
    for field in failure.headers.fields where response.headers[field.name] == nil {
      response.headers.add(field.name, field.value)
    }
    return response
  }

  // Encoding.

  /// Writes the head; refuses what must not be sent.
  func encode(
    _ response: HTTPResponse, method: HTTPMethod?, minor: Int, pipe: ResponsePipe?
  ) -> Answer {
    guard (200...599).contains(response.status), response.headers.fields.allSatisfy(Self.isSendable) else {
      configuration.log("a handler made an answer whose status or header fields cannot be sent")
      return Self.unsendable
    }
    var head: [UInt8] = []
    head.reserveCapacity(512)
    head.append(contentsOf: "HTTP/1.1 ".utf8)
    head.append(contentsOf: String(response.status).utf8)
    head.append(0x20)
    head.append(contentsOf: Self.reason(response.status).utf8)
    head.append(contentsOf: [0x0d, 0x0a])
    for field in response.headers.fields where !Self.isOwn(field.name) {
      Self.append(field.name, field.value, to: &head)
    }
    appendCommon(to: &head, unless: response.headers)
    var answer = Answer(status: response.status, head: head, rest: .whole([]))
    let hasNoBody = response.status == 204 || response.status == 304
    frame(&answer, response.body, minor: minor, sendsBody: !hasNoBody && method != .head, hasNoBody, pipe)
    return answer
  }

  /// Exactly one of Content-Length, chunked, or the end of the connection (RFC 9112 section 6.3).
  private func frame(
    _ answer: inout Answer, _ body: HTTPResponse.Body, minor: Int, sendsBody: Bool, _ hasNoBody: Bool,
    _ pipe: ResponsePipe?
  ) {
    func announce(_ length: Int) {
      if !hasNoBody { Self.append("Content-Length", String(length), to: &answer.head) }
    }
    func chunk() {
      if minor > 0, !hasNoBody { Self.append("Transfer-Encoding", "chunked", to: &answer.head) }
      if sendsBody { answer.endsWithConnection = minor == 0 }
    }
    switch body {
    case .empty:
      announce(0)
    case .bytes(let bytes):
      announce(bytes.count)
      if sendsBody { answer.rest = .whole(bytes) }
    case .stream(let length, _):
      if let length { announce(length) } else { chunk() }
      if sendsBody, let pipe { answer.rest = .pipe(pipe, chunked: length == nil && minor > 0) }
    case .later:
      // Nothing is left to wait for: an answer that is itself to come later has no body.
      announce(0)
    case .events(let stream):
      chunk()
      answer.rest = .events(stream, chunked: minor > 0)
    }
  }

  private func appendCommon(to head: inout [UInt8], unless own: HTTPHeaders) {
    let fields = configuration.commonHeaders.fields
    guard fields.contains(where: { own[$0.name] != nil }) else {
      head.append(contentsOf: common)
      return
    }
    for field in fields where own[field.name] == nil && Self.isSendable(field) {
      Self.append(field.name, field.value, to: &head)
    }
  }

  private static func append(_ name: String, _ value: String, to head: inout [UInt8]) {
    head.append(contentsOf: name.utf8)
    head.append(contentsOf: [0x3a, 0x20])
    head.append(contentsOf: value.utf8)
    head.append(contentsOf: [0x0d, 0x0a])
  }

  /// A run's name in a field must not be able to begin a new field.
  private static func isSendable(_ field: HTTPHeaders.Field) -> Bool {
    !field.name.isEmpty && field.name.utf8.allSatisfy(Grammar.isToken)
      && field.value.utf8.allSatisfy(Grammar.isFieldValue)
  }

  /// Fields that only the server may write.
  private static func isOwn(_ name: String) -> Bool {
    ["Content-Length", "Transfer-Encoding", "Connection", "Date"].contains { HTTPHeaders.same($0, name) }
  }

  private static let unsendable = Answer(
    status: 500, head: Array("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n".utf8),
    rest: .whole([]))

  private static func reason(_ status: Int) -> String {
    reasons[status] ?? "Status"
  }

  private static let reasons = [
    200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 206: "Partial Content",
    301: "Moved Permanently", 302: "Found", 303: "See Other", 304: "Not Modified", 307: "Temporary Redirect",
    308: "Permanent Redirect", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 406: "Not Acceptable", 408: "Request Timeout", 409: "Conflict", 410: "Gone",
    411: "Length Required", 412: "Precondition Failed", 413: "Content Too Large", 414: "URI Too Long",
    415: "Unsupported Media Type", 416: "Range Not Satisfiable", 417: "Expectation Failed",
    421: "Misdirected Request", 422: "Unprocessable Content", 429: "Too Many Requests",
    431: "Request Header Fields Too Large", 500: "Internal Server Error", 501: "Not Implemented",
    502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout",
    505: "HTTP Version Not Supported", 507: "Insufficient Storage",
  ]
}

/// The current time as Date writes it (RFC 9110 section 5.6.7), formatted once a second.
struct DateField {
  private var second = -1
  private var bytes: [UInt8] = []

  /// `Date: Sun, 06 Nov 1994 08:49:37 GMT` and CRLF.
  mutating func current() -> [UInt8] {
    let now = time(nil)
    if now != second {
      second = now
      bytes = Array("Date: \(Self.text(now))\r\n".utf8)
    }
    return bytes
  }

  static func text(_ seconds: Int) -> String {
    var seconds = seconds
    var parts = tm()
    gmtime_r(&seconds, &parts)
    let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
    let day = days[Int(parts.tm_wday)]
    let month = months[Int(parts.tm_mon)]
    let clock = "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))"
    return "\(day), \(two(parts.tm_mday)) \(month) \(parts.tm_year + 1900) \(clock) GMT"
  }
}
