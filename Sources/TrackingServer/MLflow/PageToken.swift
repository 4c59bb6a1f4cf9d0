import HTTP
import JSON

/// MLflow's page tokens: base64 of `{"offset": N}`.
enum PageToken {
  /// The token of the page that begins at a row.
  static func token(_ offset: Int) -> String { base64(Array("{\"offset\": \(offset)}".utf8)) }

  /// The row at which a page begins; 0 without a token.
  static func offset(_ token: String?) throws -> Int {
    guard let token, !token.isEmpty else { return 0 }
    guard let bytes = decoded(token) else {
      throw HTTPFailure.invalidParameter("Invalid page token, could not base64-decode")
    }
    guard let value = try? JSON.parse(bytes) else {
      throw HTTPFailure.invalidParameter(
        "Invalid page token, decoded value=\(String(decoding: bytes, as: UTF8.self))")
    }
    let offset = value["offset"]?.intValue ?? value["offset"]?.stringValue.flatMap { Int($0) }
    guard let offset, offset > 0 else {
      throw HTTPFailure.invalidParameter("Invalid page token, parsed value=\(value.text)")
    }
    return offset
  }

  private static let alphabet = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  /// Base64 with padding (RFC 4648 section 4).
  static func base64(_ bytes: [UInt8]) -> String {
    var text: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let group = bytes[start..<min(start + 3, bytes.count)]
      let bits = group.reduce(0) { $0 << 8 | UInt32($1) } << UInt32(8 * (3 - group.count))
      for place in 0..<4 {
        let isPadding = place > group.count
        text.append(isPadding ? UInt8(ascii: "=") : alphabet[Int(bits >> UInt32(18 - 6 * place)) & 63])
      }
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// The bytes of a base64 text; nil when it is none.
  static func decoded(_ text: String) -> [UInt8]? {
    let digits = text.utf8.filter { $0 != UInt8(ascii: "=") }
    let padding = text.utf8.count - digits.count
    guard padding <= 2, (digits.count + padding) % 4 == 0, digits.count % 4 != 1 else { return nil }
    var bytes: [UInt8] = []
    var bits: UInt32 = 0
    var count = 0
    for digit in digits {
      guard let value = alphabet.firstIndex(of: digit) else { return nil }
      bits = bits << 6 | UInt32(value)
      count += 6
      if count >= 8 {
        count -= 8
        bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
      }
    }
    return bytes
  }
}
