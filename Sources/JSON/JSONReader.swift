// The parser: a pull reader over bytes. `JSON.parse` builds whole values with it; a hot endpoint reads
// its numbers straight into columns instead.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Why a text is not JSON, and the byte at which that shows.
public struct JSONError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What is wrong, with line and column.
  public let message: String
  /// Bytes before the fault.
  public let offset: Int
  /// The message.
  public var description: String { message }
}

/// A strict pull reader of one JSON text (RFC 8259) that allocates only for the strings it hands out.
///
/// The bytes must outlive the reader; use `withReader`.
public struct JSONReader {
  /// What the next value is, told by its first byte.
  public enum Kind: Sendable { case null, bool, number, string, array, object }

  /// Levels of arrays and objects that are read; deeper texts are refused.
  public static let depthLimit = 64

  private let bytes: UnsafeBufferPointer<UInt8>
  private var position = 0
  private var depth = 0
  /// True right after `[` or `{`, when no comma may precede the next element.
  private var atStart = false

  private init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

  /// Runs `body` with a reader of the bytes and then demands that nothing but white space is left.
  public static func withReader<Result>(
    of bytes: [UInt8], _ body: (inout JSONReader) throws -> Result
  ) throws -> Result {
    try bytes.withUnsafeBufferPointer { buffer in
      var reader = JSONReader(buffer)
      let result = try body(&reader)
      reader.skipSpace()
      if reader.position < buffer.count { throw reader.error("unexpected text after the value") }
      return result
    }
  }

  /// What the next value is.
  public mutating func peek() throws(JSONError) -> Kind {
    skipSpace()
    switch try current() {
    case UInt8(ascii: "{"): return .object
    case UInt8(ascii: "["): return .array
    case UInt8(ascii: "\""): return .string
    case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool
    case UInt8(ascii: "n"): return .null
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number
    default: throw error("a value was expected")
    }
  }

  /// Enters an object; then call `nextKey` until it gives nil.
  public mutating func beginObject() throws(JSONError) { try open(UInt8(ascii: "{"), "an object") }

  /// Enters an array; then call `nextElement` until it gives false.
  public mutating func beginArray() throws(JSONError) { try open(UInt8(ascii: "["), "an array") }

  /// The name of the next member, or nil when the object ends here.
  public mutating func nextKey() throws(JSONError) -> String? {
    guard try separator(closing: UInt8(ascii: "}")) else { return nil }
    guard try current() == UInt8(ascii: "\"") else { throw error("a name in double quotes was expected") }
    let key = try string()
    skipSpace()
    try expect(UInt8(ascii: ":"), "':'")
    return key
  }

  /// Whether the array has one more element.
  public mutating func nextElement() throws(JSONError) -> Bool { try separator(closing: UInt8(ascii: "]")) }

  /// The next value, which must be a string.
  public mutating func string() throws(JSONError) -> String {
    skipSpace()
    try expect(UInt8(ascii: "\""), "a string")
    let start = position
    while position < bytes.count {
      let byte = bytes[position]
      if byte == UInt8(ascii: "\"") {
        guard let text = String(validating: bytes[start..<position], as: UTF8.self) else {
          position = start
          throw error("a string is not valid UTF-8")
        }
        position += 1
        return text
      }
      if byte == UInt8(ascii: "\\") { return try escapedString(from: start) }
      if byte < 0x20 { throw error("a control character stands unescaped in a string") }
      position += 1
    }
    throw error("the text ends inside a string")
  }

  /// The next value, which must be a number or one of "NaN", "Infinity", "-Infinity".
  public mutating func double() throws(JSONError) -> Double {
    if try peek() == .string {
      let start = position
      guard let value = JSON.string(try string()).doubleValue else {
        position = start
        throw error("a number was expected")
      }
      return value
    }
    switch try number() {
    case .integer(let value): return Double(value)
    case .number(let value): return value
    default: throw error("a number was expected")
    }
  }

  /// The next value as a whole.
  public mutating func value() throws(JSONError) -> JSON {
    switch try peek() {
    case .null:
      try literal("null")
      return .null
    case .bool:
      if bytes[position] == UInt8(ascii: "t") {
        try literal("true")
        return .bool(true)
      }
      try literal("false")
      return .bool(false)
    case .number: return try number()
    case .string: return .string(try string())
    case .array:
      var elements: [JSON] = []
      try beginArray()
      while try nextElement() { elements.append(try value()) }
      return .array(elements)
    case .object: return .object(try members())
    }
  }

  /// Passes over the next value.
  public mutating func skip() throws(JSONError) { _ = try value() }

  private mutating func members() throws(JSONError) -> JSONObject {
    var object = JSONObject()
    var seen: Set<String> = []
    try beginObject()
    while true {
      skipSpace()
      let start = position
      guard let key = try nextKey() else { return object }
      guard seen.insert(key).inserted || object[key] == nil else {
        position = start
        throw error("the name \"\(key)\" occurs twice in one object")
      }
      object.appendUnique(key, try value())
    }
  }

  // MARK: the grammar's small parts

  private mutating func open(_ byte: UInt8, _ what: String) throws(JSONError) {
    skipSpace()
    try expect(byte, what)
    depth += 1
    if depth > Self.depthLimit { throw error("more than \(Self.depthLimit) levels of nesting") }
    atStart = true
  }

  /// Passes the comma before an element; false when the closing byte comes instead.
  private mutating func separator(closing: UInt8) throws(JSONError) -> Bool {
    skipSpace()
    let byte = try current()
    if byte == closing {
      position += 1
      depth -= 1
      atStart = false
      return false
    }
    if atStart {
      atStart = false
      return true
    }
    try expect(UInt8(ascii: ","), "',' or the end of the list")
    skipSpace()
    if try current() == closing { throw error("a comma stands before the end of the list") }
    return true
  }

  private mutating func number() throws(JSONError) -> JSON {
    let start = position
    let negative = try current() == UInt8(ascii: "-")
    if negative { position += 1 }
    var mantissa: UInt64 = 0
    var exact = true  // the digits fit the mantissa
    var digits = 0
    func digit(_ byte: UInt8) -> UInt64? { byte &- 48 < 10 ? UInt64(byte &- 48) : nil }
    while position < bytes.count, let value = digit(bytes[position]) {
      let (scaled, over) = mantissa.multipliedReportingOverflow(by: 10)
      let (sum, carry) = scaled.addingReportingOverflow(value)
      if over || carry { exact = false } else { mantissa = sum }
      digits += 1
      position += 1
    }
    if digits == 0 { throw error("a digit was expected") }
    let first = bytes[start + (negative ? 1 : 0)]
    if digits > 1 && first == UInt8(ascii: "0") { throw error("a number has a leading zero") }
    var exponent = 0
    var integral = true
    if position < bytes.count, bytes[position] == UInt8(ascii: ".") {
      integral = false
      position += 1
      let fraction = position
      while position < bytes.count, let value = digit(bytes[position]) {
        let (scaled, over) = mantissa.multipliedReportingOverflow(by: 10)
        let (sum, carry) = scaled.addingReportingOverflow(value)
        if over || carry { exact = false } else { mantissa = sum }
        exponent -= 1
        position += 1
      }
      if position == fraction { throw error("a digit was expected after the decimal point") }
    }
    if position < bytes.count, bytes[position] | 0x20 == UInt8(ascii: "e") {
      integral = false
      position += 1
      var sign = 1
      if position < bytes.count, bytes[position] == UInt8(ascii: "-") || bytes[position] == UInt8(ascii: "+")
      {
        sign = bytes[position] == UInt8(ascii: "-") ? -1 : 1
        position += 1
      }
      var written = 0
      let begin = position
      while position < bytes.count, let value = digit(bytes[position]) {
        written = min(written * 10 + Int(value), 100_000)  // beyond any double either way
        position += 1
      }
      if position == begin { throw error("a digit was expected in the exponent") }
      exponent += sign * written
    }
    if integral && exact {
      if !negative, let value = Int64(exactly: mantissa) { return .integer(value) }
      if negative, mantissa > 0, mantissa <= UInt64(Int64.max) { return .integer(-Int64(mantissa)) }
    }
    // Exact when both factors are: Clinger 1990, the fast path.
    if exact && mantissa <= 1 << 53 && abs(exponent) <= 22 {
      let magnitude =
        exponent < 0
        ? Double(mantissa) / powersOfTen[-exponent] : Double(mantissa) * powersOfTen[exponent]
      return .number(negative ? -magnitude : magnitude)
    }
    let value = decimal(start..<position)
    if !value.isFinite {
      position = start
      throw error("a number is too large")
    }
    return .number(value)
  }

  /// The correctly rounded value of a number whose grammar was checked.
  private func decimal(_ range: Range<Int>) -> Double {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: range.count + 1) { copy in
      for (index, byte) in bytes[range].enumerated() { copy[index] = CChar(bitPattern: byte) }
      copy[range.count] = 0
      return copy.baseAddress.map { strtod($0, nil) } ?? 0
    }
  }

  private mutating func escapedString(from start: Int) throws(JSONError) -> String {
    var text = Array(bytes[start..<position])
    while position < bytes.count {
      let byte = bytes[position]
      position += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let valid = String(validating: text, as: UTF8.self) else {
          position = start
          throw error("a string is not valid UTF-8")
        }
        return valid
      case UInt8(ascii: "\\"): try escape(into: &text)
      case 0..<0x20:
        position -= 1
        throw error("a control character stands unescaped in a string")
      default: text.append(byte)
      }
    }
    throw error("the text ends inside a string")
  }

  private mutating func escape(into text: inout [UInt8]) throws(JSONError) {
    let byte = try current()
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
    case UInt8(ascii: "b"): text.append(8)
    case UInt8(ascii: "f"): text.append(12)
    case UInt8(ascii: "n"): text.append(10)
    case UInt8(ascii: "r"): text.append(13)
    case UInt8(ascii: "t"): text.append(9)
    case UInt8(ascii: "u"):
      var code = try hexadecimal()
      if code >> 10 == 0x36 {  // a high surrogate: its low half must follow
        guard position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"),
          bytes[position + 1] == UInt8(ascii: "u")
        else { throw error("half of a surrogate pair is missing") }
        position += 2
        let low = try hexadecimal()
        if low >> 10 != 0x37 { throw error("half of a surrogate pair is missing") }
        code = 0x10000 + ((code & 0x3FF) << 10 | low & 0x3FF)
      }
      guard let scalar = Unicode.Scalar(code) else { throw error("half of a surrogate pair is missing") }
      text.append(contentsOf: UTF8.encode(scalar).map(Array.init) ?? [])
    default:
      position -= 1
      throw error("an unknown escape stands in a string")
    }
  }

  private mutating func hexadecimal() throws(JSONError) -> UInt32 {
    var code: UInt32 = 0
    for _ in 0..<4 {
      let byte = try current()
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): code = code << 4 | UInt32(byte - 48)
      case UInt8(ascii: "a")...UInt8(ascii: "f"): code = code << 4 | UInt32(byte - 87)
      case UInt8(ascii: "A")...UInt8(ascii: "F"): code = code << 4 | UInt32(byte - 55)
      default: throw error("four hexadecimal digits were expected")
      }
      position += 1
    }
    return code
  }

  private mutating func literal(_ word: StaticString) throws(JSONError) {
    for index in 0..<word.utf8CodeUnitCount {
      guard position < bytes.count, bytes[position] == word.utf8Start[index] else {
        throw error("a value was expected")
      }
      position += 1
    }
  }

  private mutating func expect(_ byte: UInt8, _ what: String) throws(JSONError) {
    guard try current() == byte else { throw error("\(what) was expected") }
    position += 1
  }

  private func current() throws(JSONError) -> UInt8 {
    if position >= bytes.count { throw error("the text ends too early") }
    return bytes[position]
  }

  private mutating func skipSpace() {
    while position < bytes.count {
      switch bytes[position] {
      case 0x20, 0x0A, 0x0D, 0x09: position += 1
      default: return
      }
    }
  }

  private func error(_ what: String) -> JSONError {
    var line = 1
    var column = 1
    for byte in bytes[..<min(position, bytes.count)] {
      if byte == 0x0A {
        line += 1
        column = 1
      } else if byte & 0xC0 != 0x80 {
        column += 1
      }
    }
    return JSONError(message: "not valid JSON: \(what) at line \(line), column \(column)", offset: position)
  }
}

private let powersOfTen: [Double] = [
  1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
  1e19, 1e20, 1e21, 1e22,
]

extension JSON {
  /// Reads one JSON text.
  public static func parse(_ bytes: [UInt8]) throws(JSONError) -> JSON {
    do { return try JSONReader.withReader(of: bytes) { reader in try reader.value() } } catch {
      throw error as? JSONError ?? JSONError(message: "\(error)", offset: 0)
    }
  }

  /// Reads one JSON text.
  public static func parse(_ text: String) throws(JSONError) -> JSON { try parse(Array(text.utf8)) }
}
