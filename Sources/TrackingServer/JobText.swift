import Foundation
import JSON

/// The text of a job in an editor, perhaps unfinished: where its values stand, and what is around the caret.
/// Offsets count UTF-16 units, as the text fields of browsers do.
struct JobText {
  /// An object or a list that is open at the caret.
  struct Level {
    let isObject: Bool
    let path: [String]
    /// The members that are there, apart from the one at the caret; "" for those that are no plain values.
    var fields: [String: String] = [:]
  }

  /// What may be written at the caret replaces `range`.
  struct Place {
    var levels: [Level]
    let wantsKey: Bool
    /// The member, or the number in the list, whose value is due.
    let key: String
    let range: Range<Int>
    /// What of the range stands before the caret.
    let typed: Range<Int>
  }

  private struct Open {
    var level: Level
    var key = ""
    var count = 0
    var keyStart = 0
    var wantsValue: Bool
    let value: Int?
  }

  /// Every value with its path; members of objects start at their key.
  private(set) var values: [(path: [String], range: Range<Int>)] = []
  private(set) var place: Place
  private let units: [UInt16]

  /// Reads as much as there is.
  init(_ text: String, caret: Int = 0) {
    units = Array(text.utf16)
    place = Place(levels: [], wantsKey: false, key: "", range: 0..<0, typed: 0..<0)
    read(caret: min(max(caret, 0), units.count))
  }

  /// Where the value at a path like model.layers.0.out stands, or the nearest part around it.
  func range(of path: String) -> Range<Int>? {
    let keys = path.split { ".[]".contains($0) }.map(String.init)
    return values.filter { keys.starts(with: $0.path) }.max { $0.path.count < $1.path.count }?.range
  }

  /// The text in a range.
  func text(_ range: Range<Int>) -> String { String(decoding: units[range], as: UTF16.self) }

  /// Whether the next mark after an offset is a colon.
  func isNamed(after offset: Int) -> Bool { units[offset...].first { !isSpace($0) } == colon }

  private mutating func read(caret: Int) {
    var open = [Open(level: Level(isObject: false, path: []), wantsValue: true, value: nil)]
    /// Once the caret is found: how many of the levels around it are still open.
    var around: Int?
    var offset = 0
    // Deeper texts are refused; paths as long as they are deep would take more room than any job.
    while open.count <= JSONReader.depthLimit {
      while offset < units.count, isSpace(units[offset]) { offset += 1 }
      let word = offset..<end(ofWordAt: offset)
      let isMark = word.count == 1 && marks.contains(units[offset])
      let top = open.count - 1
      let key = open[top].level.isObject ? open[top].key : "\(open[top].count)"
      let isHere = around == nil && (word.isEmpty || caret <= (isMark ? word.lowerBound : word.upperBound))
      if isHere {
        around = top
        place = Place(
          levels: [], wantsKey: !open[top].wantsValue, key: key,
          range: caret <= word.lowerBound ? caret..<caret : word,
          typed: min(caret, word.lowerBound)..<caret)
        place.levels = open.dropFirst().map(\.level)
      }
      if word.isEmpty { break }
      let path = top == 0 ? [] : open[top].level.path + [key]
      let start = open[top].level.isObject ? open[top].keyStart : word.lowerBound
      switch units[word.lowerBound] {
      case brace, bracket:
        let isObject = units[word.lowerBound] == brace
        note("", in: &open[top], key)
        values.append((path, start..<units.count))
        open.append(
          Open(
            level: Level(isObject: isObject, path: path), wantsValue: !isObject, value: values.count - 1))
      case closingBrace, closingBracket:
        if let value = open[top].value {
          values[value].range = values[value].range.lowerBound..<word.upperBound
          // Members after the caret count too.
          if around == top {
            place.levels[top - 1] = open[top].level
            around = top - 1
          }
          open.removeLast()
        }
      case comma:
        open[top].wantsValue = !open[top].level.isObject
        open[top].count += 1
      case colon: open[top].wantsValue = true
      default:
        let plain = text(word).trimmingCharacters(in: ["\""])
        if open[top].wantsValue {
          values.append((path, start..<word.upperBound))
          if !isHere { note(plain, in: &open[top], key) }
        } else {
          (open[top].key, open[top].keyStart) = (plain, word.lowerBound)
          if !isHere { open[top].level.fields[plain] = "" }
        }
      }
      offset = word.upperBound
    }
    for depth in 0..<(around ?? 0) { place.levels[depth] = open[depth + 1].level }
    if !place.wantsKey, let last = place.levels.indices.last { place.levels[last].fields[place.key] = nil }
  }

  private func note(_ plain: String, in open: inout Open, _ key: String) {
    if open.level.isObject { open.level.fields[key] = plain }
  }

  private func end(ofWordAt start: Int) -> Int {
    guard start < units.count, !marks.contains(units[start]) else { return min(start + 1, units.count) }
    var end = start + 1
    if units[start] == quote {
      while end < units.count, units[end] != newline {
        if units[end] == quote { return end + 1 }
        end = min(units.count, end + (units[end] == backslash ? 2 : 1))
      }
      return end
    }
    while end < units.count, !isSpace(units[end]), !marks.contains(units[end]), units[end] != quote {
      end += 1
    }
    return end
  }
}

// MARK: what may stand at the caret

extension JobText {
  /// A word that may stand at the caret, and what to write for it.
  struct Proposal: Equatable {
    let text: String
    let insert: String
  }

  /// What a schema lets stand at the caret and begins with, or has in it, what is written there.
  func proposals(_ root: JSON) -> [Proposal] {
    guard let last = place.levels.last else { return [] }
    let layers = root["properties"]?["model"].flatMap { forms($0, [:]) }?
      .compactMap { $0["properties"]?["layers"] }.first { $0["items"]?["oneOf"] != nil }
    var open = [root]
    for (depth, level) in place.levels.enumerated() {
      open = open.flatMap { forms($0, level.fields) }
      let isLast = depth + 1 == place.levels.count
      if isLast && place.wantsKey { break }
      let step = isLast ? place.key : place.levels[depth + 1].path.last ?? ""
      open = open.compactMap { form in
        guard level.isObject else { return form["items"] }
        let member = form["properties"]?[step]
        // Layers inside of layers are the same as those outside.
        return step == "layers" && depth > 1 && member != nil ? layers : member
      }
    }
    let found =
      place.wantsKey ? open.flatMap { members($0, last.fields, of: open.count) } : open.flatMap(values)
    let typed = text(place.typed).trimmingCharacters(in: ["\""]).lowercased()
    var seen: Set<String> = []
    let fitting = found.filter { typed.isEmpty || $0.text.lowercased().contains(typed) }
      .filter { seen.insert($0.text).inserted }
    let isBegun = { (proposal: Proposal) in proposal.text.lowercased().hasPrefix(typed) }
    return fitting.filter(isBegun) + fitting.filter { !isBegun($0) }
  }

  /// The fields of a form that are not there yet. Of many methods, what tells them apart comes first, and alone.
  private func members(_ form: JSON, _ fields: [String: String], of forms: Int) -> [Proposal] {
    let all = form["properties"]?.objectValue?.entries ?? []
    let telling = forms > 1 ? all.filter { $0.value["const"] != nil } : []
    return (telling.isEmpty ? all : telling).filter { fields[$0.key] == nil }.map { key, schema in
      let colon = isNamed(after: place.range.upperBound) ? "" : ": " + stub(schema)
      return Proposal(text: key, insert: JSON.string(key).text + colon)
    }
  }

  private func values(_ schema: JSON) -> [Proposal] {
    let given = schema["enum"]?.arrayValue ?? (schema["const"] ?? schema["default"]).map { [$0] } ?? []
    let all = schema["type"]?.stringValue == "boolean" ? [.bool(true), .bool(false)] : given
    return all.filter { $0 != .null && $0.objectValue == nil }
      .map { Proposal(text: $0.stringValue ?? $0.text, insert: $0.text) }
  }

  /// The forms of a schema that fields leave open: a `oneOf` is a family, told apart by fields with a `const`.
  private func forms(_ schema: JSON, _ fields: [String: String]) -> [JSON] {
    guard let family = schema["oneOf"]?.arrayValue else { return [schema] }
    let all = family.flatMap { forms($0, fields) }.map { form in
      (
        form,
        (form["properties"]?.objectValue?.entries ?? []).compactMap { key, member in
          member["const"]?.stringValue.map { (key, $0) }
        }
      )
    }
    let named = all.filter { $0.1.contains { key, word in fields[key] == word } }
    let possible = named.isEmpty ? all.filter { $0.1.allSatisfy { key, _ in fields[key] == nil } } : named
    return possible.map(\.0)
  }

  private func stub(_ schema: JSON) -> String {
    if let usual = schema["default"], usual != .null, usual.objectValue == nil { return usual.text }
    if schema["oneOf"] != nil { return "{}" }
    return ["object": "{}", "array": "[]", "string": "\"\""][schema["type"]?.stringValue ?? ""] ?? ""
  }
}

private let (brace, closingBrace) = (UInt16(UInt8(ascii: "{")), UInt16(UInt8(ascii: "}")))
private let (bracket, closingBracket) = (UInt16(UInt8(ascii: "[")), UInt16(UInt8(ascii: "]")))
private let (comma, colon) = (UInt16(UInt8(ascii: ",")), UInt16(UInt8(ascii: ":")))
private let (quote, backslash) = (UInt16(UInt8(ascii: "\"")), UInt16(UInt8(ascii: "\\")))
private let newline = UInt16(UInt8(ascii: "\n"))
private let marks = [brace, closingBrace, bracket, closingBracket, comma, colon]
private func isSpace(_ unit: UInt16) -> Bool { unit == 0x20 || (0x09...0x0d).contains(unit) }
