// Message bodies out of the bytes of a connection (RFC 9112 sections 6 and 7).

/// How a request's body is delimited.
enum BodyFraming: Equatable, Sendable {
  case none
  case fixed(Int)
  case chunked
}

/// Decodes one body; `isComplete` turns true with its last framing byte.
enum BodyDecoder: Sendable {
  case fixed(remaining: Int)
  case chunked(ChunkedDecoder)

  /// A decoder, or nil when there is no body to read. `limit` bounds the decoded bytes of a chunked body.
  init?(_ framing: BodyFraming, limit: Int, limits: HTTPLimits) {
    switch framing {
    case .none, .fixed(0): return nil
    case .fixed(let length): self = .fixed(remaining: length)
    case .chunked: self = .chunked(ChunkedDecoder(limit: limit, limits: limits))
    }
  }

  var isComplete: Bool {
    switch self {
    case .fixed(let remaining): remaining == 0
    case .chunked(let decoder): decoder.isComplete
    }
  }

  /// Bytes still to come, nil when only the sender knows.
  var remaining: Int? {
    if case .fixed(let remaining) = self { remaining } else { nil }
  }

  /// Takes bytes up to the end of the body, appends what they carry to `output`, and returns how many it took.
  mutating func decode(
    _ input: UnsafeRawBufferPointer, into output: inout [UInt8]
  ) throws(HTTPFailure) -> Int {
    switch self {
    case .fixed(let remaining):
      let taken = min(remaining, input.count)
      output.append(contentsOf: input[..<taken])
      self = .fixed(remaining: remaining - taken)
      return taken
    case .chunked(var decoder):
      let taken = try decoder.decode(input, into: &output)
      self = .chunked(decoder)
      return taken
    }
  }
}

/// The chunked transfer coding: sizes, bounded extensions, data, and trailers that are checked and dropped.
struct ChunkedDecoder: Sendable {
  private enum State {
    case sizeStart, size, chunkExtension, sizeNewline
    case data, dataReturn, dataNewline
    case trailerStart, trailerName, trailerValue, trailerNewline, lastNewline, complete
  }

  /// Sixteen hexadecimal digits are the widest size a reader of 64-bit sizes may meet.
  private static let longestSize = 16
  /// A sender that spends this much on framing must also send a quarter of it as payload.
  private static let framingAllowance = 100 << 10

  private let limit: Int
  private let limits: HTTPLimits
  private var state = State.sizeStart
  private var sizeDigits = 0
  private var remaining = 0
  private var extensionLength = 0
  private var trailerLength = 0
  private var trailers = 0
  private var payload = 0
  private var framing = 0

  init(limit: Int, limits: HTTPLimits) {
    self.limit = limit
    self.limits = limits
  }

  var isComplete: Bool { state == .complete }

  mutating func decode(
    _ input: UnsafeRawBufferPointer, into output: inout [UInt8]
  ) throws(HTTPFailure) -> Int {
    var index = 0
    while index < input.count, state != .complete {
      if state == .data {
        let taken = min(remaining, input.count - index)
        output.append(contentsOf: input[index..<(index + taken)])
        index += taken
        remaining -= taken
        payload += taken
        if remaining == 0 { state = .dataReturn }
      } else {
        try step(input[index])
        index += 1
        framing += 1
        guard framing < Self.framingAllowance || payload >= framing / 3 else {
          throw .malformed("the chunks carry almost nothing")
        }
      }
    }
    return index
  }

  private mutating func step(_ byte: UInt8) throws(HTTPFailure) {
    switch state {
    case .sizeStart, .size, .chunkExtension, .sizeNewline: try stepSize(byte)
    case .dataReturn:
      try expect(byte, 0x0d, then: .dataNewline)
    case .dataNewline:
      try expect(byte, 0x0a, then: .sizeStart)
    default: try stepTrailer(byte)
    }
  }

  private mutating func expect(_ byte: UInt8, _ wanted: UInt8, then next: State) throws(HTTPFailure) {
    guard byte == wanted else { throw .malformed("chunked framing: CRLF is missing") }
    state = next
  }

  private mutating func stepSize(_ byte: UInt8) throws(HTTPFailure) {
    if state == .sizeNewline {
      try expect(byte, 0x0a, then: remaining == 0 ? .trailerStart : .data)
      return
    }
    if state != .chunkExtension, let digit = Self.hexadecimal(byte) {
      if state == .sizeStart {
        sizeDigits = 0
        remaining = 0
        extensionLength = 0
        state = .size
      }
      sizeDigits += 1
      guard sizeDigits <= Self.longestSize else { throw .malformed("a chunk size has too many digits") }
      guard remaining <= Int.max >> 4 else { throw tooLarge }
      remaining = remaining << 4 | digit
      return
    }
    switch byte {
    case 0x0d where state != .sizeStart:
      guard remaining <= limit - payload else { throw tooLarge }
      state = .sizeNewline
    case UInt8(ascii: ";") where state == .size:
      state = .chunkExtension
    case _ where state == .chunkExtension && Grammar.isFieldValue(byte):
      extensionLength += 1
      guard extensionLength <= limits.chunkExtension else {
        throw .malformed("a chunk extension is too long")
      }
    default:
      throw .malformed("chunked framing: a chunk size must be hexadecimal digits and CRLF")
    }
  }

  /// Trailer lines follow the grammar of header lines (RFC 9112 section 7.1.2).
  private mutating func stepTrailer(_ byte: UInt8) throws(HTTPFailure) {
    trailerLength += 1
    guard trailerLength <= limits.trailers + 2 else { throw .malformed("the trailers are too long") }
    switch state {
    case .trailerStart:
      if byte == 0x0d {
        state = .lastNewline
      } else {
        trailers += 1
        guard Grammar.isToken(byte), trailers <= limits.trailerCount else {
          throw .malformed("a trailer line must be a header field, at most \(limits.trailerCount) of them")
        }
        state = .trailerName
      }
    case .trailerName:
      if byte == UInt8(ascii: ":") {
        state = .trailerValue
      } else if !Grammar.isToken(byte) {
        throw .malformed("a trailer name must be a token directly followed by a colon")
      }
    case .trailerValue:
      if byte == 0x0d {
        state = .trailerNewline
      } else if !Grammar.isFieldValue(byte) {
        throw .malformed("a trailer value holds a control byte")
      }
    case .trailerNewline: try expect(byte, 0x0a, then: .trailerStart)
    default: try expect(byte, 0x0a, then: .complete)
    }
  }

  private var tooLarge: HTTPFailure {
    HTTPFailure(status: 413, message: "the body is larger than \(limit) bytes")
  }

  static func hexadecimal(_ byte: UInt8) -> Int? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): Int(byte) - 0x30
    case UInt8(ascii: "a")...UInt8(ascii: "f"): Int(byte) - 0x61 + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): Int(byte) - 0x41 + 10
    default: nil
    }
  }
}
