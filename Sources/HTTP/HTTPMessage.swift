// Requests, responses and failures as handlers see them.

/// A request whose head passed every check; its body is read through `body`.
public struct HTTPRequest: Sendable {
  /// The method.
  public var method: HTTPMethod
  /// The path as sent, still percent-encoded, without the query.
  public var path: String
  /// The path's segments, each decoded exactly once; `/` has none, a trailing slash gives a last empty one.
  public var segments: [String]
  /// What the route's pattern captured.
  public var parameters: [String: String]
  /// The decoded query.
  public var query: HTTPQuery
  /// The header fields.
  public var headers: HTTPHeaders
  /// The client's address as text, without port.
  public var peer: String
  /// The body.
  public var body: HTTPBody
  /// The event loop itself calls the handler, which must not wait: see `HTTPRoute.isBrief`.
  public var mustBeBrief = false

  /// A request from its parts; the server makes them, and tests of handlers may.
  public init(
    method: HTTPMethod, path: String, segments: [String]? = nil, parameters: [String: String] = [:],
    query: HTTPQuery = HTTPQuery(), headers: HTTPHeaders = HTTPHeaders(), peer: String = "127.0.0.1",
    body: HTTPBody = HTTPBody.empty
  ) {
    self.method = method
    self.path = path
    self.segments = segments ?? path.split(separator: "/").map(String.init)
    self.parameters = parameters
    self.query = query
    self.headers = headers
    self.peer = peer
    self.body = body
  }
}

/// An answer: status, fields and where the body comes from.
public struct HTTPResponse: Sendable {
  /// The source of an answer's body.
  public enum Body: Sendable {
    /// No body.
    case empty
    /// A body in memory.
    case bytes([UInt8])
    /// A body written piece by piece on a worker after the head was sent; with `length`, exactly that many bytes.
    case stream(length: Int?, @Sendable (HTTPBodyWriter) throws -> Void)
    /// Server-sent events (WHATWG HTML section 9.2): no worker is held while the stream is open.
    case events(HTTPEventStream)
    /// The answer itself comes later, from another thread, and no worker waits for it: what is called now must call
    /// its argument once, with an answer in memory or a failure. Status and fields beside this body do not count.
    case later(Later)
  }

  /// Begins something and gives the answer when it is done.
  public typealias Later =
    @Sendable (@escaping @Sendable (Result<HTTPResponse, any Error>) -> Void) throws ->
    Void

  /// The status code, 200 to 599.
  public var status: Int
  /// The answer's own fields; Date, Content-Length, Transfer-Encoding and Connection are the server's.
  public var headers: HTTPHeaders
  /// The body.
  public var body: Body

  /// An answer from its parts.
  public init(status: Int, headers: HTTPHeaders = HTTPHeaders(), body: Body = .empty) {
    self.status = status
    self.headers = headers
    self.body = body
  }

  /// Plain text in UTF-8.
  public static func text(_ text: String, status: Int = 200) -> HTTPResponse {
    .bytes(Array(text.utf8), type: "text/plain; charset=utf-8", status: status)
  }

  /// Bytes of a media type.
  public static func bytes(_ bytes: [UInt8], type: String, status: Int = 200) -> HTTPResponse {
    HTTPResponse(status: status, headers: ["Content-Type": type], body: .bytes(bytes))
  }

  /// Server-sent events with the fields a browser and a proxy need.
  public static func events(_ stream: HTTPEventStream) -> HTTPResponse {
    HTTPResponse(
      status: 200,
      headers: [
        "Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no",
      ], body: .events(stream))
  }

  /// An answer that comes from another thread; see `Body.later`.
  public static func later(_ begin: @escaping Later) -> HTTPResponse {
    HTTPResponse(status: 200, body: .later(begin))
  }

  /// 204 without a body.
  public static let noContent = HTTPResponse(status: 204)
}

/// A request that ends in an error: thrown by handlers and by the server itself, rendered in one place.
public struct HTTPFailure: Error, Sendable, Equatable {
  /// The status code, 400 to 599.
  public var status: Int
  /// A stable word for programs, such as INVALID_PARAMETER_VALUE.
  public var code: String
  /// A sentence for people.
  public var message: String
  /// The field of the request that is wrong, such as optimizer.lr.
  public var field: String?
  /// Fields to add to the answer, such as WWW-Authenticate.
  public var headers: HTTPHeaders

  /// A failure; without `code`, the usual one of the status.
  public init(
    status: Int, code: String? = nil, message: String, field: String? = nil,
    headers: HTTPHeaders = HTTPHeaders()
  ) {
    self.status = status
    self.code = code ?? Self.code(for: status)
    self.message = message
    self.field = field
    self.headers = headers
  }

  /// The code that goes with a status when nobody chose one.
  static func code(for status: Int) -> String {
    switch status {
    case 401: "UNAUTHENTICATED"
    case 403, 421: "PERMISSION_DENIED"
    case 404: "RESOURCE_DOES_NOT_EXIST"
    case 405: "METHOD_NOT_ALLOWED"
    case 409: "RESOURCE_CONFLICT"
    case 413: "REQUEST_TOO_LARGE"
    case 501: "NOT_IMPLEMENTED"
    case 503: "TEMPORARILY_UNAVAILABLE"
    case 500...: "INTERNAL_ERROR"
    default: "INVALID_PARAMETER_VALUE"
    }
  }

  static func malformed(_ message: String) -> HTTPFailure { HTTPFailure(status: 400, message: message) }
}
