import HTTP
import JSON
import Storage

/// Paths of artifacts as clients give them, and where runs and models keep theirs.
enum ArtifactPaths {
  /// Bytes of a name between slashes.
  static let nameLength = 255
  /// Bytes of a path.
  static let pathLength = 2048

  /// A path without empty and `.` parts. Throws MLflow's "Invalid path" for one that means to leave its folder,
  /// however it is written: `..`, absolute, with a drive, backslashes, escapes of these, a fragment, control characters.
  ///
  /// The path was decoded once by whoever read the request; what a second decoding would give is only looked at.
  static func checked(_ path: String) throws -> String {
    var decoded = path
    for _ in 0..<8 {
      guard isHarmless(decoded) else { throw HTTPFailure.invalidParameter("Invalid path") }
      let next = percentDecoded(decoded)
      if next == decoded { break }
      decoded = next
    }
    let parts = path.split(separator: "/").filter { $0 != "." }
    guard parts.allSatisfy({ $0.utf8.count <= nameLength }), path.utf8.count <= pathLength else {
      throw HTTPFailure.invalidParameter(
        "Invalid path: a name has at most \(nameLength) bytes, a path \(pathLength)")
    }
    return parts.joined(separator: "/")
  }

  private static func isHarmless(_ path: String) -> Bool {
    guard
      path.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "\\") && $0 != UInt8(ascii: "#") }
      )
    else { return false }
    if path.hasPrefix("/") || path.lowercased().hasPrefix("file:") { return false }
    let start = Array(path.utf8.prefix(3))
    let isLetter = start.first.map { ($0 | 0x20) >= 0x61 && ($0 | 0x20) <= 0x7A } ?? false
    if isLetter, start.dropFirst() == [UInt8(ascii: ":"), UInt8(ascii: "/")] { return false }
    return !path.split(separator: "/").contains("..")
  }

  /// One decoding; escapes that are none stay, and so does what would not be UTF-8.
  static func percentDecoded(_ text: String) -> String {
    guard text.utf8.contains(UInt8(ascii: "%")) else { return text }
    let bytes = Array(text.utf8)
    var result: [UInt8] = []
    var index = 0
    while index < bytes.count {
      if bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.count,
        let value = UInt8(String(decoding: bytes[(index + 1)...(index + 2)], as: UTF8.self), radix: 16),
        bytes[index + 1] != UInt8(ascii: "+"), bytes[index + 1] != UInt8(ascii: "-")
      {
        result.append(value)
        index += 3
      } else {
        result.append(bytes[index])
        index += 1
      }
    }
    return String(decoding: result, as: UTF8.self)
  }
}
