// The request head, byte by byte (RFC 9112 sections 2, 3 and 5). Strict: CRLF only, single spaces, no folding, token
// names; whatever the RFC lets a server refuse is refused, because smuggling lives in what two readers read differently.

/// The pieces of a head as they were sent; their meaning is RequestHead's business.
struct RawHead: Equatable, Sendable {
  var method: String
  var target: [UInt8]
  var major: Int
  var minor: Int
  var headers: HTTPHeaders
}

/// What bytes may stand where (RFC 9110 section 5.6.2 and 5.5).
enum Grammar {
  @inline(__always)
  static func isToken(_ byte: UInt8) -> Bool {
    // One bit for each token character: the first word holds 0-63, the second 64-127.
    let word: UInt64 = byte < 64 ? 0x03ff_6cfa_0000_0000 : 0x57ff_ffff_c7ff_fffe
    return byte < 128 && (word >> UInt64(byte & 63)) & 1 == 1
  }

  @inline(__always)
  static func isFieldValue(_ byte: UInt8) -> Bool { (byte >= 0x20 && byte != 0x7f) || byte == 0x09 }

  @inline(__always)
  static func isVisible(_ byte: UInt8) -> Bool { byte > 0x20 && byte < 0x7f }
}

/// Reads one request head from bytes that come in any pieces.
struct HeadParser: Sendable {
  private enum State {
    case start, startNewline, method, target, version, lineEnd
    case fieldStart, name, valueStart, value, valueEnd, lastNewline, headEnd
  }

  private struct FieldMark {
    var start: Int
    var nameEnd: Int
    var valueStart: Int
    var valueEnd: Int
  }

  private static let carriageReturn: UInt8 = 0x0d
  private static let newline: UInt8 = 0x0a
  /// No known method is longer; a longer token is not implemented either.
  private static let longestMethod = 32

  private let limits: HTTPLimits
  private var state = State.start
  private var bytes: [UInt8] = []
  private var sawEmptyLine = false
  private var lineStart = 0
  private var methodEnd = 0
  private var targetEnd = 0
  private var versionLength = 0
  private var major = 0
  private var minor = 0
  private var fieldsStart = 0
  private var field = FieldMark(start: 0, nameEnd: 0, valueStart: 0, valueEnd: 0)
  private var fields: [FieldMark] = []

  init(limits: HTTPLimits) { self.limits = limits }

  /// Whether a request has begun: an empty line before it does not count.
  var hasStarted: Bool { state != .start && state != .startNewline }

  /// Takes bytes up to the end of the head. Returns how many it took and, at the end, the head.
  mutating func feed(_ input: UnsafeRawBufferPointer) throws(HTTPFailure) -> (taken: Int, head: RawHead?) {
    let base = bytes.count
    var index = 0
    while index < input.count {
      try step(input[index], at: base + index)
      index += 1
      if state == .headEnd {
        bytes.append(contentsOf: input[..<index])
        return (index, head())
      }
    }
    bytes.append(contentsOf: input)
    return (index, nil)
  }

  @inline(__always)
  private mutating func step(_ byte: UInt8, at position: Int) throws(HTTPFailure) {
    switch state {
    case .start, .startNewline, .method, .target, .version, .lineEnd:
      try stepLine(byte, at: position)
    default:
      try stepField(byte, at: position)
    }
  }

  private mutating func stepLine(_ byte: UInt8, at position: Int) throws(HTTPFailure) {
    switch state {
    case .start:
      if byte == Self.carriageReturn, !sawEmptyLine {
        state = .startNewline
      } else {
        guard Grammar.isToken(byte) else { throw .malformed("the request line must begin with a method") }
        lineStart = position
        state = .method
      }
    case .startNewline:
      guard byte == Self.newline else { throw .malformed("a carriage return stands alone") }
      sawEmptyLine = true
      state = .start
    case .method:
      if byte == 0x20 {
        methodEnd = position
        state = .target
      } else {
        guard Grammar.isToken(byte) else { throw .malformed("the method is not a token") }
        guard position - lineStart < Self.longestMethod else {
          throw HTTPFailure(status: 501, message: "the method is not implemented")
        }
      }
    case .target:
      if byte == 0x20, position > methodEnd + 1 {
        targetEnd = position
        state = .version
      } else {
        guard Grammar.isVisible(byte) else {
          throw .malformed("the request target holds a space, control or non-ASCII byte")
        }
        guard position - lineStart < limits.requestLine else {
          throw HTTPFailure(
            status: 414, message: "the request line is longer than \(limits.requestLine) bytes")
        }
      }
    case .version:
      try stepVersion(byte)
    default:
      guard byte == Self.newline else { throw .malformed("the request line must end with CRLF") }
      guard major == 1 else {
        throw HTTPFailure(status: 505, message: "only HTTP/1.0 and HTTP/1.1 are spoken here")
      }
      fieldsStart = position + 1
      state = .fieldStart
    }
  }

  /// `HTTP/` digit `.` digit CR, case-sensitive (RFC 9112 section 2.3).
  private mutating func stepVersion(_ byte: UInt8) throws(HTTPFailure) {
    let digit = Int(byte) - 0x30
    let fits: Bool
    switch versionLength {
    case 0: fits = byte == UInt8(ascii: "H")
    case 1, 2: fits = byte == UInt8(ascii: "T")
    case 3: fits = byte == UInt8(ascii: "P")
    case 4: fits = byte == UInt8(ascii: "/")
    case 5:
      fits = digit >= 0 && digit <= 9
      major = digit
    case 6: fits = byte == UInt8(ascii: ".")
    case 7:
      fits = digit >= 0 && digit <= 9
      minor = digit
    default:
      fits = byte == Self.carriageReturn
      state = .lineEnd
    }
    guard fits else { throw .malformed("the request line must end with HTTP/1.1") }
    versionLength += 1
  }

  private mutating func stepField(_ byte: UInt8, at position: Int) throws(HTTPFailure) {
    switch state {
    case .fieldStart:
      if byte == Self.carriageReturn {
        state = .lastNewline
      } else {
        guard Grammar.isToken(byte) else {
          throw .malformed("a header line must begin with a name (folding is obsolete)")
        }
        guard fields.count < limits.fieldCount else {
          throw HTTPFailure(status: 431, message: "more than \(limits.fieldCount) header fields")
        }
        field.start = position
        state = .name
      }
    case .name:
      if byte == UInt8(ascii: ":") {
        field.nameEnd = position
        state = .valueStart
      } else {
        guard Grammar.isToken(byte) else {
          throw .malformed("a header name must be a token directly followed by a colon")
        }
        try checkFieldSize(position)
      }
    case .valueStart, .value:
      try stepValue(byte, at: position)
    default:
      guard byte == Self.newline else { throw .malformed("a carriage return stands alone") }
      if state == .lastNewline {
        state = .headEnd
      } else {
        fields.append(field)
        state = .fieldStart
      }
    }
  }

  private mutating func stepValue(_ byte: UInt8, at position: Int) throws(HTTPFailure) {
    if byte == Self.carriageReturn {
      if state == .valueStart {
        field.valueStart = position
        field.valueEnd = position
      }
      state = .valueEnd
      return
    }
    guard Grammar.isFieldValue(byte) else {
      throw .malformed("a header value holds a control byte")
    }
    try checkFieldSize(position)
    guard byte != 0x20, byte != 0x09 else { return }
    if state == .valueStart {
      field.valueStart = position
      state = .value
    }
    field.valueEnd = position + 1
  }

  @inline(__always)
  private func checkFieldSize(_ position: Int) throws(HTTPFailure) {
    guard position - field.start < limits.fieldLine, position - fieldsStart < limits.fieldsTotal else {
      throw HTTPFailure(status: 431, message: "the header fields are too large")
    }
  }

  private func head() -> RawHead {
    var headers = HTTPHeaders()
    for mark in fields {
      headers.add(text(mark.start, mark.nameEnd), text(mark.valueStart, mark.valueEnd))
    }
    return RawHead(
      method: text(lineStart, methodEnd), target: Array(bytes[(methodEnd + 1)..<targetEnd]), major: major,
      minor: minor, headers: headers)
  }

  /// Values are UTF-8 in practice; what is not keeps its bytes as Latin-1, as RFC 9110 section 5.5 remembers.
  private func text(_ start: Int, _ end: Int) -> String {
    let slice = bytes[start..<end]
    return String(validating: slice, as: UTF8.self)
      ?? String(String.UnicodeScalarView(slice.map { Unicode.Scalar($0) }))
  }
}
