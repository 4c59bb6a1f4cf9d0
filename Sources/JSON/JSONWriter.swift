// The encoder: appends to one byte buffer, no intermediate values.

/// Writes one JSON text piece by piece into `bytes`; the caller pairs its begins and ends.
///
/// `<`, `>`, `&` and the two line separators that JavaScript minds are escaped, so that an answer that ends up
/// inside a page by mistake stays inert.
public struct JSONWriter {
  /// The text so far, UTF-8.
  public private(set) var bytes: [UInt8] = []
  private var needsComma = false

  /// An empty text.
  public init(reserving capacity: Int = 0) { bytes.reserveCapacity(capacity) }

  /// Opens an object.
  public mutating func beginObject() { open(UInt8(ascii: "{")) }
  /// Closes an object.
  public mutating func endObject() { close(UInt8(ascii: "}")) }
  /// Opens an array.
  public mutating func beginArray() { open(UInt8(ascii: "[")) }
  /// Closes an array.
  public mutating func endArray() { close(UInt8(ascii: "]")) }

  /// The name of the next member.
  public mutating func key(_ name: String) {
    comma()
    text(name)
    bytes.append(UInt8(ascii: ":"))
    needsComma = false
  }

  /// A string.
  public mutating func value(_ string: String) {
    comma()
    text(string)
  }

  /// An integer.
  public mutating func value(_ integer: Int64) {
    comma()
    bytes.append(contentsOf: integer.description.utf8)
  }

  /// An integer.
  public mutating func value(_ integer: Int) { value(Int64(integer)) }

  /// A truth value.
  public mutating func value(_ flag: Bool) {
    comma()
    bytes.append(contentsOf: (flag ? "true" : "false").utf8)
  }

  /// A number in its shortest form that reads back as itself; one that is not finite as its string.
  public mutating func value(_ number: Double) {
    comma()
    if number.isFinite {
      bytes.append(contentsOf: number.description.utf8)
    } else {
      text(nonFiniteText(number))
    }
  }

  /// The value null.
  public mutating func null() {
    comma()
    bytes.append(contentsOf: "null".utf8)
  }

  /// A whole value.
  public mutating func value(_ json: JSON) {
    switch json {
    case .null: null()
    case .bool(let flag): value(flag)
    case .integer(let integer): value(integer)
    case .number(let number): value(number)
    case .string(let string): value(string)
    case .array(let elements):
      beginArray()
      for element in elements { value(element) }
      endArray()
    case .object(let object):
      beginObject()
      for (name, member) in object.entries {
        key(name)
        value(member)
      }
      endObject()
    }
  }

  private mutating func open(_ byte: UInt8) {
    comma()
    bytes.append(byte)
    needsComma = false
  }

  private mutating func close(_ byte: UInt8) {
    bytes.append(byte)
    needsComma = true
  }

  private mutating func comma() {
    if needsComma { bytes.append(UInt8(ascii: ",")) }
    needsComma = true
  }

  private mutating func text(_ string: String) {
    bytes.append(UInt8(ascii: "\""))
    var copy = string
    copy.withUTF8 { utf8 in
      var index = 0
      while index < utf8.count {
        let byte = utf8[index]
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
        case 0x0A: bytes += [UInt8(ascii: "\\"), UInt8(ascii: "n")]
        case 0x0D: bytes += [UInt8(ascii: "\\"), UInt8(ascii: "r")]
        case 0x09: bytes += [UInt8(ascii: "\\"), UInt8(ascii: "t")]
        case 0..<0x20, 0x7F, UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "&"):
          unicodeEscape(UInt16(byte))
        case 0xE2
        where index + 2 < utf8.count && utf8[index + 1] == 0x80
          && (utf8[index + 2] == 0xA8 || utf8[index + 2] == 0xA9):
          unicodeEscape(utf8[index + 2] == 0xA8 ? 0x2028 : 0x2029)
          index += 2
        default: bytes.append(byte)
        }
        index += 1
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }

  private mutating func unicodeEscape(_ code: UInt16) {
    let digits = Array("0123456789abcdef".utf8)
    bytes += [UInt8(ascii: "\\"), UInt8(ascii: "u")]
    for shift in [12, 8, 4, 0] { bytes.append(digits[Int(code >> UInt16(shift)) & 15]) }
  }
}

extension JSON {
  /// The text without white space, as bytes.
  public var encoded: [UInt8] {
    var writer = JSONWriter()
    writer.value(self)
    return writer.bytes
  }

  /// The text without white space.
  public var text: String { String(decoding: encoded, as: UTF8.self) }

  /// The text with two-space indentation, for people; arrays of plain values stay on one line.
  public var pretty: String { indented("") }

  private func indented(_ margin: String) -> String {
    let inner = margin + "  "
    switch self {
    case .array(let elements) where elements.contains { $0.isNested }:
      return "[\n" + elements.map { inner + $0.indented(inner) }.joined(separator: ",\n") + "\n\(margin)]"
    case .array(let elements): return "[" + elements.map(\.text).joined(separator: ", ") + "]"
    case .object(let object) where !object.entries.isEmpty:
      let lines = object.entries.map { "\(inner)\(JSON.string($0.key).text): \($0.value.indented(inner))" }
      return "{\n" + lines.joined(separator: ",\n") + "\n\(margin)}"
    default: return text
    }
  }

  private var isNested: Bool { arrayValue != nil || objectValue.map { !$0.entries.isEmpty } ?? false }
}
