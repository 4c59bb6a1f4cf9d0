// The part of YAML that MLflow writes its meta.yaml files in: a block mapping of scalars and of mappings of scalars, as
// PyYAML's safe dumper lays them out (YAML 1.1; plain, single- and double-quoted scalars, folded over lines).

/// A value of such a file.
enum PlainYAML: Equatable {
  case text(String)
  case mapping([String: String])

  /// The entries of a file; null ones, lists and what is not understood are left out.
  static func read(_ text: String) -> [String: PlainYAML] {
    var reader = PlainYAMLReader(text)
    return reader.entries(indent: 0)
  }
}

private struct PlainYAMLReader {
  private let scalars: [Unicode.Scalar]
  private var position = 0

  init(_ text: String) { scalars = Array(text.unicodeScalars) }

  private var current: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

  /// The entries that stand so far from the left.
  mutating func entries(indent: Int) -> [String: PlainYAML] {
    var entries: [String: PlainYAML] = [:]
    while let column = column() {
      if column < indent { break }
      position += column
      guard column == indent, let key = key() else {
        skipLine()
        continue
      }
      if let value = value(indent: indent) { entries[key] = value }
    }
    return entries
  }

  /// Spaces before the next line that has something in it; nil at the end.
  private mutating func column() -> Int? {
    while position < scalars.count {
      var end = position
      while end < scalars.count, scalars[end] == " " { end += 1 }
      guard end < scalars.count else { return nil }
      if scalars[end] != "\n" { return end - position }
      position = end + 1
    }
    return nil
  }

  private mutating func skipLine() {
    while let scalar = current, scalar != "\n" { position += 1 }
    position += 1
  }

  private mutating func skipSpaces() { while current == " " { position += 1 } }

  /// A key with its colon; nil when the line has none.
  private mutating func key() -> String? {
    var key: String
    switch current {
    case "'": key = singleQuoted()
    case "\"": key = doubleQuoted()
    default:
      let start = position
      while let scalar = current, scalar != "\n" {
        let next = position + 1 < scalars.count ? scalars[position + 1] : "\n"
        if scalar == ":", next == " " || next == "\n" { break }
        position += 1
      }
      key = text(start..<position)
    }
    guard current == ":" else { return nil }
    position += 1
    return key
  }

  private func text(_ range: Range<Int>) -> String {
    String(String.UnicodeScalarView(scalars[range]))
  }

  private mutating func value(indent: Int) -> PlainYAML? {
    skipSpaces()
    switch current {
    case "'":
      let text = singleQuoted()
      skipLine()
      return .text(text)
    case "\"":
      let text = doubleQuoted()
      skipLine()
      return .text(text)
    case "\n", nil:
      position += 1
      guard let column = column(), column > indent else { return nil }
      let inner = entries(indent: column)
      return .mapping(inner.compactMapValues { if case .text(let text) = $0 { text } else { nil } })
    case "{", "[":
      skipLine()
      return nil
    default:
      let text = plain(indent: indent)
      return ["null", "~", "Null", "NULL"].contains(text) ? nil : .text(text)
    }
  }

  /// A scalar without quotes: to the end of its line and of those that stand further right.
  private mutating func plain(indent: Int) -> String {
    var lines: [String] = []
    while true {
      let start = position
      while let scalar = current, scalar != "\n" { position += 1 }
      lines.append(text(start..<position))
      let end = position
      position += 1
      var blank = 0
      while current == "\n" {
        blank += 1
        position += 1
      }
      guard let column = column(), column > indent else {
        position = min(end + 1, scalars.count)
        break
      }
      lines += Array(repeating: "", count: blank)
      position += column
    }
    return Self.folded(lines)
  }

  /// Lines joined as YAML folds them: an end of a line is a space, and each empty line is an end of a line.
  private static func folded(_ lines: [String]) -> String {
    var result = lines.first ?? ""
    var blank = 0
    for line in lines.dropFirst() {
      if line.isEmpty {
        blank += 1
      } else {
        result += blank > 0 ? String(repeating: "\n", count: blank) : " "
        result += line
        blank = 0
      }
    }
    return result
  }

  /// The spaces and line ends at a fold inside quotes, as what they stand for.
  private mutating func fold(into result: inout String) {
    while result.last == " " { result.removeLast() }
    var ends = 0
    while let scalar = current, scalar == "\n" || scalar == " " {
      ends += scalar == "\n" ? 1 : 0
      position += 1
    }
    result += ends == 1 ? " " : String(repeating: "\n", count: ends - 1)
  }

  private mutating func singleQuoted() -> String {
    var result = ""
    position += 1
    while let scalar = current {
      if scalar == "\n" {
        fold(into: &result)
        continue
      }
      position += 1
      if scalar == "'" {
        guard current == "'" else { break }
        position += 1
      }
      result.unicodeScalars.append(scalar)
    }
    return result
  }

  private static let escapes: [Unicode.Scalar: Unicode.Scalar] = [
    "0": "\0", "a": "\u{7}", "b": "\u{8}", "t": "\t", "n": "\n", "v": "\u{B}", "f": "\u{C}", "r": "\r",
    "e": "\u{1B}", " ": " ", "\"": "\"", "/": "/", "\\": "\\", "N": "\u{85}", "_": "\u{A0}", "L": "\u{2028}",
    "P": "\u{2029}",
  ]
  private static let digits: [Unicode.Scalar: Int] = ["x": 2, "u": 4, "U": 8]

  private mutating func doubleQuoted() -> String {
    var result = ""
    position += 1
    while let scalar = current {
      if scalar == "\n" {
        fold(into: &result)
        continue
      }
      position += 1
      if scalar == "\"" { break }
      guard scalar == "\\", let escape = current else {
        result.unicodeScalars.append(scalar)
        continue
      }
      position += 1
      if escape == "\n" {
        // The line goes on without a space.
        skipSpaces()
      } else if let plain = Self.escapes[escape] {
        result.unicodeScalars.append(plain)
      } else if let count = Self.digits[escape] {
        let end = min(position + count, scalars.count)
        let code = UInt32(text(position..<end), radix: 16)
        result.unicodeScalars.append(code.flatMap(Unicode.Scalar.init) ?? "\u{FFFD}")
        position = end
      }
    }
    return result
  }
}
