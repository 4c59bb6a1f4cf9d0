// The HTTP room: an HTTP/1.1 server on raw sockets, as RFC 9110 and RFC 9112 say, including what attackers send.
//
// What lives here
//   Values of a message      HTTPMethod, HTTPHeaders, HTTPQuery, HTTPRequest, HTTPResponse, HTTPFailure, HTTPLimits
//   Reading bytes            HeadParser (request head), BodyDecoder and ChunkedDecoder (framing), RequestHead (what
//                            the head means), Target (paths and queries). They know no socket and keep no clock:
//                            bytes in, values or an HTTPFailure out, resumable at every byte.
//   Deciding                 BrowserGuard (Host and Origin), Router (the route table), StaticFiles
//   Moving bytes             EventLoop (one thread, epoll), Connection (one socket's state), OutQueue, Listener
//   Working                  WorkerPool (handlers' threads), Responder (request to answer), HTTPBody,
//                            HTTPBodyWriter and ResponsePipe, HTTPEventStream
//   Around                   HTTPServer (the front door), HTTPGauges, Lock, Clock
//
// What does not: any route, JSON, tokens or files of the product. A handler is a function from HTTPRequest to
// HTTPResponse; what it throws becomes an answer in one place (Responder).
//
// The way of a request: EventLoop reads -> HeadParser -> RequestHead -> BrowserGuard -> Router -> small bodies are
// collected, large ones stream through HTTPBody -> WorkerPool runs the handler -> its answer comes back through the
// loop's mailbox -> OutQueue -> socket. The loop's thread never runs a handler and never waits for one.
//
// Where to add the next one: a limit goes to HTTPLimits with its unit, source and status; a rule about heads to
// RequestHead; a rule about browsers to BrowserGuard; a header on every answer to the configuration.

/// A request method this server implements; any other token is answered 501 (RFC 9110 section 9).
public enum HTTPMethod: String, Sendable, CaseIterable {
  case get = "GET"
  case head = "HEAD"
  case post = "POST"
  case put = "PUT"
  case patch = "PATCH"
  case delete = "DELETE"
  case options = "OPTIONS"

  /// Whether the method must not change state (RFC 9110 section 9.2.1).
  public var isSafe: Bool { self == .get || self == .head || self == .options }
}

/// Header fields in the order they came, found by name without regard to ASCII case (RFC 9110 section 5).
public struct HTTPHeaders: Sendable, Equatable, ExpressibleByDictionaryLiteral {
  /// One field line.
  public struct Field: Sendable, Equatable {
    /// The field's name as sent.
    public let name: String
    /// The field's value without surrounding white space.
    public let value: String
  }

  /// Every field line in order.
  public private(set) var fields: [Field] = []

  /// No fields.
  public init() {}

  /// The given fields in order.
  public init(dictionaryLiteral elements: (String, String)...) {
    fields = elements.map { Field(name: $0.0, value: $0.1) }
  }

  /// The first value of the field called `name`; setting replaces every line of that name.
  public subscript(name: String) -> String? {
    get { fields.first { Self.same($0.name, name) }?.value }
    set {
      fields.removeAll { Self.same($0.name, name) }
      if let newValue { fields.append(Field(name: name, value: newValue)) }
    }
  }

  /// Every value of the field called `name`, in order.
  public func all(_ name: String) -> [String] {
    fields.filter { Self.same($0.name, name) }.map(\.value)
  }

  /// Appends a line and keeps those that are already there.
  public mutating func add(_ name: String, _ value: String) {
    fields.append(Field(name: name, value: value))
  }

  /// Replaces every line called `name` by one.
  public mutating func set(_ name: String, _ value: String) {
    self[name] = value
  }

  /// Whether a comma-separated field such as `Connection` holds `token`, without regard to case.
  func contains(_ name: String, token: String) -> Bool {
    fields.contains { field in
      Self.same(field.name, name)
        && field.value.utf8.split(separator: UInt8(ascii: ",")).contains { piece in
          Self.same(String(Substring(piece)).trimmedSpaces, token)
        }
    }
  }

  static func same(_ left: String, _ right: String) -> Bool {
    guard left.utf8.count == right.utf8.count else { return false }
    if left == right { return true }
    return zip(left.utf8, right.utf8).allSatisfy { $0 == $1 || lower($0) == lower($1) }
  }

  private static func lower(_ byte: UInt8) -> UInt8 {
    byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
  }
}

/// The pairs of a query string in order, decoded once as HTML forms write them (`+` is a space).
public struct HTTPQuery: Sendable, Equatable {
  /// One `name=value`; a name without `=` has an empty value.
  public struct Pair: Sendable, Equatable {
    /// The decoded name.
    public let name: String
    /// The decoded value.
    public let value: String
  }

  /// Every pair in order.
  public let pairs: [Pair]

  /// A query of the given pairs.
  public init(_ pairs: [(String, String)] = []) {
    self.pairs = pairs.map { Pair(name: $0.0, value: $0.1) }
  }

  /// The value of the first pair called `name`.
  public func first(_ name: String) -> String? { pairs.first { $0.name == name }?.value }

  /// The values of all pairs called `name`, in order.
  public func all(_ name: String) -> [String] { pairs.filter { $0.name == name }.map(\.value) }

  /// The names in order, repeats included.
  public var names: [String] { pairs.map(\.name) }
}

extension String {
  /// Without spaces and tabs at both ends, the only white space HTTP knows inside a line (RFC 9110 section 5.6.3).
  var trimmedSpaces: String {
    let isSpace: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 }
    guard let first = utf8.firstIndex(where: { !isSpace($0) }),
      let last = utf8.lastIndex(where: { !isSpace($0) })
    else { return "" }
    return String(self[first...last])
  }
}
