// What a head means: method, target, host, framing and expectations (RFC 9110 sections 7 to 10, RFC 9112 section 6).

/// A request head that passed every check that needs no knowledge of routes.
struct RequestHead: Equatable, Sendable {
  var method: HTTPMethod
  var target: Target
  /// 0 or 1; higher minor versions are read as 1 (RFC 9110 section 2.5).
  var minor: Int
  var headers: HTTPHeaders
  /// The host the request is for; nil only for HTTP/1.0 without a Host field.
  var host: HostName?
  var framing: BodyFraming
  var expectsContinue: Bool
  var wantsClose: Bool

  /// Fields that may stand once: a second line is a second reading of the message.
  private static let single = [
    "Host", "Content-Length", "Transfer-Encoding", "Content-Type", "Authorization", "If-Modified-Since",
    "Range", "Origin", "Expect",
  ]

  init(_ raw: RawHead, limits: HTTPLimits) throws(HTTPFailure) {
    minor = min(raw.minor, 1)
    headers = raw.headers
    if let name = Self.repeated(headers) { throw .malformed("\(name) stands more than once") }
    framing = try Self.framing(headers, minor: minor)
    guard let method = HTTPMethod(rawValue: raw.method) else {
      throw HTTPFailure(status: 501, message: "the method is not implemented")
    }
    self.method = method
    host = try Self.host(headers, minor: minor)
    target = try Target(raw.target, method: method, limits: limits)
    host = target.authority ?? host
    expectsContinue = try Self.expectsContinue(headers, minor: minor)
    wantsClose = minor == 0 || headers.contains("Connection", token: "close")
    if case .fixed(let length) = framing, length > limits.body {
      throw HTTPFailure(status: 413, message: "the body is larger than \(limits.body) bytes")
    }
  }

  /// The first of the single fields that stands more than once.
  private static func repeated(_ headers: HTTPHeaders) -> String? {
    let fields = headers.fields
    let hasTwins = fields.indices.contains { later in
      fields[..<later].contains { HTTPHeaders.same($0.name, fields[later].name) }
    }
    // Fields that stand twice are rare: which they are is asked only then.
    return hasTwins ? single.first { headers.all($0).count > 1 } : nil
  }

  private static func host(_ headers: HTTPHeaders, minor: Int) throws(HTTPFailure) -> HostName? {
    guard let text = headers["Host"] else {
      guard minor == 0 else { throw .malformed("Host is missing") }
      return nil
    }
    guard let host = HostName(text) else { throw .malformed("Host is not a host name") }
    return host
  }

  /// Transfer-Encoding with Content-Length, and anything but one plain `chunked`, is refused rather than interpreted.
  private static func framing(_ headers: HTTPHeaders, minor: Int) throws(HTTPFailure) -> BodyFraming {
    let length = headers["Content-Length"]
    if let coding = headers["Transfer-Encoding"] {
      guard length == nil else {
        throw .malformed("Transfer-Encoding and Content-Length exclude each other")
      }
      guard minor > 0 else { throw .malformed("HTTP/1.0 has no Transfer-Encoding") }
      if HTTPHeaders.same(coding, "chunked") { return .chunked }
      let codings = coding.utf8.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
        .map { String(Substring($0)).trimmedSpaces }
      let chunked = codings.filter { HTTPHeaders.same($0, "chunked") }.count
      let lastIsChunked = codings.last.map { HTTPHeaders.same($0, "chunked") } ?? false
      if chunked > 1 || (chunked == 1 && !lastIsChunked) || codings.contains("") {
        throw .malformed("chunked must be the last transfer coding, once")
      }
      throw HTTPFailure(status: 501, message: "the only transfer coding spoken here is chunked")
    }
    guard let length else { return .none }
    guard !length.isEmpty, length.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else {
      throw .malformed("Content-Length must be digits")
    }
    guard length.utf8.count <= 18, let value = Int(length) else {
      throw .malformed("Content-Length has too many digits")
    }
    return .fixed(value)
  }

  private static func expectsContinue(_ headers: HTTPHeaders, minor: Int) throws(HTTPFailure) -> Bool {
    guard minor > 0, let expectation = headers["Expect"] else { return false }
    guard HTTPHeaders.same(expectation, "100-continue") else {
      throw HTTPFailure(status: 417, message: "the only expectation met here is 100-continue")
    }
    return true
  }
}
