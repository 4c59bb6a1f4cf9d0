// Messages as attackers and careless programs send them, and what this server answers. A case is one table row: a
// fixed bug adds one here.

/// A malformed message.
struct Malformed: Sendable, CustomStringConvertible {
  var description: String
  var bytes: [UInt8]
  /// Statuses this server may answer with.
  var statuses: Set<Int>
  /// Whether closing without an answer is fine too.
  var maySayNothing = false
  /// The client shuts its sending side after the bytes.
  var endsSending = false

  init(
    _ name: String, _ text: String, _ statuses: Set<Int>, maySayNothing: Bool = false,
    endsSending: Bool = false
  ) {
    description = name
    bytes = latin1(text)
    self.statuses = statuses
    self.maySayNothing = maySayNothing
    self.endsSending = endsSending
  }
}

/// A message, or several on one connection, with the statuses in order.
struct Proper: Sendable, CustomStringConvertible {
  var description: String
  var bytes: [UInt8]
  var methods: [String]
  var statuses: [Int]
  var stillOpen: Bool

  init(_ name: String, _ text: String, _ methods: [String], _ statuses: [Int], stillOpen: Bool = true) {
    description = name
    bytes = latin1(text)
    self.methods = methods
    self.statuses = statuses
    self.stillOpen = stillOpen
  }
}

/// One byte per scalar, so that a table can hold bytes that are not UTF-8.
private func latin1(_ text: String) -> [UInt8] {
  text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }
}

private func message(_ line: String, _ fields: String..., body: String = "") -> String {
  line + "\r\nHost: localhost\r\n" + fields.map { $0 + "\r\n" }.joined() + "\r\n" + body
}

private func get(_ target: String) -> String { message("GET \(target) HTTP/1.1") }

private func sized(_ length: String, body: String = "Z") -> String {
  message("POST / HTTP/1.1", "Content-Length: \(length)", body: body)
}

private func coded(_ fields: String..., body: String = "0\r\n\r\n") -> String {
  "POST / HTTP/1.1\r\nHost: localhost\r\n" + fields.map { $0 + "\r\n" }.joined() + "\r\n" + body
}

private let chunked = "Transfer-Encoding: chunked"

private func chunks(_ body: String) -> String { coded(chunked, body: body) }

/// 79 messages that must be refused.
let malformedMessages: [Malformed] =
  requestLines + fieldLines + framings + chunkings + [
    // Expectations and cut-off messages.
    Malformed(
      "an expectation nobody knows", message("POST / HTTP/1.1", "Expect: banana", "Content-Length: 0"), [417]),
    Malformed(
      "an expectation for a body that is too large",
      message("POST / HTTP/1.1", "Expect: 100-continue", "Content-Length: 9999999999"), [413]),
    Malformed(
      "a body that ends early", message("POST / HTTP/1.1", "Content-Length: 10", body: "abc"), [400],
      maySayNothing: true, endsSending: true),
    Malformed("a head that never ends", "GET / HTTP/1.1\r\nHost: loc", [408], maySayNothing: true),
  ]

private let requestLines = [
  Malformed("no host", "GET / HTTP/1.1\r\n\r\n", [400]),
  Malformed("two hosts", message("GET / HTTP/1.1", "Host: other"), [400]),
  Malformed("a host that is none", "GET / HTTP/1.1\r\nHost: a b/c@d\r\n\r\n", [400]),
  Malformed("an empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", [400, 421]),
  Malformed("a foreign host", "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", [421, 403]),
  Malformed("two spaces", message("GET  / HTTP/1.1"), [400]),
  Malformed("HTTP/0.9", "GET /\r\n\r\n", [400, 505]),
  Malformed("a space after the line", message("GET / HTTP/1.1 "), [400]),
  Malformed("tabs for spaces", message("GET\t/\tHTTP/1.1"), [400]),
  Malformed("a version in lower case", message("GET / http/1.1"), [400, 505]),
  Malformed("HTTP/2.0", message("GET / HTTP/2.0"), [505]),
  Malformed("HTTP/1.10", message("GET / HTTP/1.10"), [400, 505]),
  Malformed("a method that is no token", message("G=\":<>(e) / HTTP/1.1"), [400]),
  Malformed("a space before the line", message(" GET / HTTP/1.1"), [400]),
  Malformed("a NUL in the target", get("/\0"), [400]),
  Malformed("a space in the target", get("/a b"), [400]),
  Malformed("a target without a slash", get("!"), [400]),
  Malformed("an absolute target elsewhere", get("http://evil.example/"), [400, 421, 403]),
  Malformed("CONNECT", message("CONNECT localhost:80 HTTP/1.1"), [400, 405, 501]),
  Malformed("TRACE", message("TRACE / HTTP/1.1"), [405, 501]),
  Malformed("a method nobody knows", message("BREW / HTTP/1.1"), [501, 405]),
  Malformed("a target of 9,000 bytes", get("/" + String(repeating: "a", count: 9000)), [414]),
  Malformed("an invalid escape", get("/%zz"), [400]),
  Malformed("an escaped NUL", get("/%00"), [400, 404]),
  Malformed("dot segments", get("/../../../../etc/passwd"), [400, 404]),
  Malformed("dot segments with escaped slashes", get("/..%2f..%2f..%2f..%2fetc%2fpasswd"), [400, 404]),
  Malformed("dot segments escaped twice", get("/%252e%252e%252fetc%252fpasswd"), [404, 400]),
  Malformed("backslashes", get("/..\\..\\etc\\passwd"), [400, 404]),
]

private let fieldLines = [
  Malformed("a space before the colon", message("GET / HTTP/1.1", "Foo : bar"), [400]),
  Malformed("a space before the first field", "GET / HTTP/1.1\r\n Host: localhost\r\n\r\n", [400]),
  Malformed("a folded line", message("GET / HTTP/1.1", "Foo: a", "\tb"), [400]),
  Malformed("no colon", message("GET / HTTP/1.1", "Foo"), [400]),
  Malformed("no name", message("GET / HTTP/1.1", ": x"), [400]),
  Malformed("a NUL in a value", message("GET / HTTP/1.1", "Foo: a\0b"), [400]),
  Malformed("a carriage return in a value", message("GET / HTTP/1.1", "Foo: a\rb"), [400]),
  Malformed("bare newlines", "GET / HTTP/1.1\nHost: localhost\n\n", [400]),
  Malformed("a parenthesis in a name", message("GET / HTTP/1.1", "Fo(o: x"), [400]),
  Malformed("a byte above ASCII in a name", message("GET / HTTP/1.1", "F\u{ef}o: x"), [400]),
  Malformed(
    "a field of 70,000 bytes", message("GET / HTTP/1.1", "Foo: " + String(repeating: "a", count: 70_000)),
    [431]),
  Malformed(
    "300 fields",
    "GET / HTTP/1.1\r\nHost: localhost\r\n" + (0..<300).map { "X-\($0): 1\r\n" }.joined() + "\r\n", [431]),
]

private let framings = [
  Malformed("a length and a coding", coded("Content-Length: 5", chunked), [400]),
  Malformed("lengths 1 and 0", coded("Content-Length: 1", "Content-Length: 0", body: "Z"), [400]),
  Malformed("lengths 0 and 1", coded("Content-Length: 0", "Content-Length: 1", body: "Z"), [400]),
  Malformed("the same length twice", coded("Content-Length: 1", "Content-Length: 1", body: "Z"), [400]),
  Malformed("a list of lengths", sized("1, 1"), [400]),
  Malformed("a length with a plus", sized("+1"), [400]),
  Malformed("a negative length", sized("-1", body: ""), [400]),
  Malformed("a hexadecimal length", sized("0x1"), [400]),
  Malformed("a length with an underscore", sized("1_0", body: "0123456789"), [400]),
  Malformed("a length with a letter", sized("1Z"), [400]),
  Malformed("an empty length", sized(" ", body: ""), [400]),
  Malformed("a length beyond 64 bits", sized("99999999999999999999999", body: ""), [400, 413]),
  Malformed("a length beyond the limit", sized("9999999999", body: ""), [413]),
  Malformed("two codings", coded(chunked, chunked), [400]),
  Malformed("chunked twice", coded("Transfer-Encoding: chunked, chunked"), [400]),
  Malformed("chunked not last", coded("Transfer-Encoding: chunked, identity"), [400, 501]),
  Malformed("gzip before chunked", coded("Transfer-Encoding: gzip, chunked"), [501, 400]),
  Malformed(
    "a coding nobody knows", coded("Transfer-Encoding: blegh", body: "1\r\nZ\r\n0\r\n\r\n"), [501, 400]),
  Malformed(
    "a comma before the coding", coded("Transfer-Encoding: ,chunked", "Content-Length: 5"), [400, 501]),
  Malformed("a vertical tab before the coding", coded("Transfer-Encoding: \u{0b}chunked"), [400, 501]),
  Malformed("a no-break space before the coding", coded("Transfer-Encoding: \u{a0}chunked"), [400, 501]),
  Malformed("a coding in HTTP/1.0", message("POST / HTTP/1.0", chunked, body: "0\r\n\r\n"), [400]),
]

private let chunkings = [
  Malformed("a chunk size with 0x", chunks("0x1\r\nZ\r\n0\r\n\r\n"), [400]),
  Malformed("a negative chunk size", chunks("-1\r\nZ\r\n0\r\n\r\n"), [400]),
  Malformed("a chunk size with a plus", chunks("+1\r\nZ\r\n0\r\n\r\n"), [400]),
  Malformed("a space before a chunk size", chunks(" 1\r\nZ\r\n0\r\n\r\n"), [400]),
  Malformed("a chunk size with an underscore", chunks("0_1\r\nZ\r\n0\r\n\r\n"), [400]),
  Malformed("an empty chunk size", chunks("\r\n\r\n"), [400]),
  Malformed("a chunk size beyond 64 bits", chunks("FFFFFFFFFFFFFFFFF\r\nZ\r\n0\r\n\r\n"), [400, 413]),
  Malformed("chunks with bare newlines", chunks("1\nZ\n0\n\n"), [400]),
  Malformed("a chunk extension with a newline", chunks("1;a\nZ\r\n0\r\n\r\n"), [400]),
  Malformed("a chunk extension with a carriage return", chunks("1\r\r;a\r\nZ\r\n0\r\n\r\n"), [400]),
  Malformed("a chunk longer than its size", chunks("1\r\nZZZ\r\n0\r\n\r\n"), [400]),
  Malformed("a trailer that is no field", chunks("0\r\nX:POST / HTTP/1.1\r\nbad trailer\r\n\r\n"), [400]),
  Malformed(
    "a chunk extension of 100,000 bytes",
    chunks("1;" + String(repeating: "a", count: 100_000) + "\r\nZ\r\n0\r\n\r\n"),
    [400, 413, 431]),
]

/// 11 messages that must be answered.
let properMessages = [
  Proper("a plain request", get("/"), ["GET"], [200]),
  Proper("an empty line first", "\r\n" + get("/"), ["GET"], [200]),
  Proper("HTTP/1.9", message("GET / HTTP/1.9"), ["GET"], [200]),
  Proper("two requests at once", get("/") + get("/"), ["GET", "GET"], [200, 200]),
  Proper(
    "a good and a bad request at once", get("/") + "BAD\r\n\r\n", ["GET", "GET"], [200, 400], stillOpen: false
  ),
  Proper(
    "GET with a body", message("GET / HTTP/1.1", "Content-Length: 5", body: "hello") + get("/"),
    ["GET", "GET"],
    [200, 200]),
  Proper("an absolute target of ours", get("http://localhost/"), ["GET"], [200]),
  Proper("OPTIONS *", message("OPTIONS * HTTP/1.1"), ["OPTIONS"], [200]),
  Proper(
    "a coding in upper case", coded("transfer-encoding: CHUNKED", body: "1\r\nZ\r\n0\r\n\r\n"), ["POST"],
    [200]),
  Proper(
    "a chunk extension and a trailer", chunks("1;a=b\r\nZ\r\n0\r\nX-T: v\r\n\r\n") + get("/"),
    ["POST", "GET"],
    [200, 200]),
  Proper("HEAD before GET", message("HEAD / HTTP/1.1") + get("/"), ["HEAD", "GET"], [200, 200]),
]
