/// Names of tensors by pattern: `*` stands for any characters, as in `9.*`.
struct NamePattern: Sendable, Equatable {
  let text: String

  /// Whether a name is meant.
  func matches(_ name: String) -> Bool {
    let parts = text.split(separator: "*", omittingEmptySubsequences: false)
    guard let first = parts.first, let last = parts.last, parts.count > 1 else { return name == text }
    guard name.hasPrefix(first), name.utf8.count >= first.utf8.count + last.utf8.count, name.hasSuffix(last)
    else { return false }
    var rest = name.dropFirst(first.count).dropLast(last.count)
    for part in parts.dropFirst().dropLast() {
      guard let place = Self.find(part, in: rest) else { return false }
      rest = rest[place...].dropFirst(part.count)
    }
    return true
  }

  private static func find(_ part: Substring, in text: Substring) -> Substring.Index? {
    text.indices.first { text[$0...].hasPrefix(part) } ?? (part.isEmpty ? text.endIndex : nil)
  }
}
