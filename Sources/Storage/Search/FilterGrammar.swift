// The grammar of MLflow's filters and orders, without the meaning of their names:
//
//     filter  = { clause | AND }
//     clause  = identifier operator value | identifier IS [NOT] NULL
//     value   = 'text' | "text" | number | ( 'text', ... )
//     order   = identifier [ ASC | DESC ]
//
// An identifier is `entity.key` or a bare attribute; what follows the first dot is the key, in back-ticks or quotes
// when it is no plain name; a bare attribute may stand in back-ticks or double quotes. Texts know no escapes. Each kind
// of thing that is searched gives the names and operators their meaning in a file of its own, compiled to SQL with bound
// values.

/// Why a filter or an order is refused, in MLflow's words.
public struct FilterError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The sentence.
  public let description: String

  /// An error.
  public init(_ description: String) { self.description = description }
}

/// The value that a clause compares with.
enum FilterValue: Equatable, Sendable {
  case text(String)
  case number(String)
  case list([String])
  case nothing
}

/// One comparison of a filter.
struct FilterClause: Equatable, Sendable {
  /// What stands before the first dot, without back-ticks; nil for a bare attribute.
  var entity: String?
  /// The key or the attribute, without quotes.
  var key: String
  /// As it was written, words in one space: `>=`, `LIKE`, `not in`.
  var comparator: String
  var value: FilterValue
}

/// One item of an order.
struct OrderItem: Equatable, Sendable {
  var entity: String?
  var key: String
  var isAscending: Bool
}

enum FilterGrammar {
  /// The clauses of a filter; none for an empty text.
  static func clauses(_ text: String) throws(FilterError) -> [FilterClause] {
    if text.isEmpty { return [] }
    var parser = FilterParser(try FilterLexer.tokens(text), of: text)
    return try parser.clauses()
  }

  /// An item of an order.
  static func order(_ text: String) throws(FilterError) -> OrderItem {
    let invalid = FilterError("Invalid order_by clause '\(text)'. Could not be parsed.")
    guard let tokens = try? FilterLexer.tokens(text),
      case .identifier(let entity, let key, _)? = tokens.first?.asIdentifier
    else { throw invalid }
    switch tokens.count {
    case 1: return OrderItem(entity: entity, key: key, isAscending: true)
    case 2:
      let direction = tokens[1].source.lowercased()
      guard direction == "asc" || direction == "desc" else {
        throw FilterError("Invalid ordering key in order_by clause '\(text)'.")
      }
      return OrderItem(entity: entity, key: key, isAscending: direction == "asc")
    default: throw invalid
    }
  }
}

/// A word of a filter.
enum FilterToken: Equatable {
  /// `entity.key` or a bare word; with its text as written.
  case identifier(entity: String?, key: String, source: String)
  case comparator(String)
  case text(String, source: String)
  case number(String)
  case list([String], source: String)
  case other(String)

  var source: String {
    switch self {
    case .identifier(_, _, let source), .text(_, let source), .list(_, let source): source
    case .comparator(let text), .number(let text), .other(let text): text
    }
  }

  /// The same where a name must stand: there double quotes hold a bare attribute.
  var asIdentifier: FilterToken {
    guard case .text(let text, let source) = self, source.hasPrefix("\"") else { return self }
    return .identifier(entity: nil, key: text, source: source)
  }
}

private enum FilterLexer {
  static func tokens(_ text: String) throws(FilterError) -> [FilterToken] {
    var scanner = FilterScanner(text)
    var tokens: [FilterToken] = []
    while let token = try scanner.next() { tokens.append(token) }
    return tokens
  }
}

/// Cuts a filter into words.
private struct FilterScanner {
  private let scalars: [Unicode.Scalar]
  private var position = 0

  init(_ text: String) { scalars = Array(text.unicodeScalars) }

  mutating func next() throws(FilterError) -> FilterToken? {
    while position < scalars.count, scalars[position].properties.isWhitespace { position += 1 }
    guard position < scalars.count else { return nil }
    let start = position
    switch scalars[position] {
    case "'", "\"":
      return .text(try quoted(), source: source(from: start))
    case "(":
      return try list()
    case "=", "<", ">", "!", "~":
      while position < scalars.count, "=<>!~".unicodeScalars.contains(scalars[position]) { position += 1 }
      return .comparator(source(from: start))
    case "0"..."9", ".", "-": return number()
    case "`": return try identifier()
    case let scalar where Self.isWord(scalar): return try identifier()
    default:
      position += 1
      return .other(source(from: start))
    }
  }

  private func source(from start: Int) -> String {
    String(String.UnicodeScalarView(scalars[start..<position]))
  }

  static func isWord(_ scalar: Unicode.Scalar) -> Bool {
    scalar == "_" || scalar.properties.isAlphabetic || scalar.properties.numericType != nil
  }

  /// The text between two equal quotes; a doubled single quote, or one behind a backslash, is part of it.
  private mutating func quoted() throws(FilterError) -> String {
    let quote = scalars[position]
    let start = position + 1
    var end = start
    while end < scalars.count {
      if scalars[end] == quote {
        let isDoubled = quote == "'" && end + 1 < scalars.count && scalars[end + 1] == quote
        let isEscaped = quote == "'" && end > start && scalars[end - 1] == "\\"
        if isDoubled {
          end += 2
          continue
        }
        if !isEscaped {
          position = end + 1
          return String(String.UnicodeScalarView(scalars[start..<end]))
        }
      }
      end += 1
    }
    throw FilterError("Invalid clause(s) in filter string: a quote is not closed")
  }

  private mutating func number() -> FilterToken {
    let start = position
    func digits() -> Int {
      let begin = position
      while position < scalars.count, ("0"..."9").contains(scalars[position]) { position += 1 }
      return position - begin
    }
    if scalars[position] == "-" { position += 1 }
    var count = digits()
    if position < scalars.count, scalars[position] == "." {
      position += 1
      count += digits()
    }
    if count > 0, position < scalars.count, scalars[position] == "e" || scalars[position] == "E" {
      let mark = position
      position += 1
      if position < scalars.count, scalars[position] == "-" || scalars[position] == "+" { position += 1 }
      if digits() == 0 { position = mark }
    }
    let endsInWord = position < scalars.count && Self.isWord(scalars[position])
    guard count > 0, !endsInWord else {
      position = max(position, start + 1)
      return .other(source(from: start))
    }
    return .number(source(from: start))
  }

  /// `word`, `word.word.word`, ``word.`any thing` `` or `word."any thing"`, also in single quotes.
  private mutating func identifier() throws(FilterError) -> FilterToken {
    let start = position
    let first = try part()
    guard position < scalars.count, scalars[position] == "." else {
      return .identifier(entity: nil, key: first, source: source(from: start))
    }
    position += 1
    let keyStart = position
    guard position < scalars.count,
      Self.isWord(scalars[position]) || "`\"'".unicodeScalars.contains(scalars[position])
    else {
      return .other(source(from: start))
    }
    var key = try part()
    var parts = 1
    while position < scalars.count, scalars[position] == "." {
      position += 1
      if position < scalars.count { _ = try part() }
      parts += 1
    }
    if parts > 1 { key = source(from: keyStart) }
    return .identifier(entity: first, key: key, source: source(from: start))
  }

  private mutating func part() throws(FilterError) -> String {
    guard position < scalars.count else { return "" }
    let start = position
    let quote = scalars[position]
    if quote == "`" || quote == "\"" || quote == "'" {
      position += 1
      while position < scalars.count, scalars[position] != quote { position += 1 }
      guard position < scalars.count else {
        throw FilterError("Invalid clause(s) in filter string: a quote is not closed")
      }
      position += 1
      return String(String.UnicodeScalarView(scalars[(start + 1)..<(position - 1)]))
    }
    while position < scalars.count, Self.isWord(scalars[position]) { position += 1 }
    return source(from: start)
  }

  /// `('a', "b")`: at least one text, and nothing but texts.
  private mutating func list() throws(FilterError) -> FilterToken {
    let start = position
    position += 1
    var items: [String] = []
    var expectsItem = true
    while true {
      while position < scalars.count, scalars[position].properties.isWhitespace { position += 1 }
      guard position < scalars.count else { break }
      switch scalars[position] {
      case ")":
        position += 1
        guard !items.isEmpty else {
          throw FilterError(
            "While parsing a list in the query, expected a non-empty list of string values, but got empty list"
          )
        }
        return .list(items, source: source(from: start))
      case "'" where expectsItem, "\"" where expectsItem:
        items.append(try quoted())
        expectsItem = false
      case "," where !expectsItem:
        position += 1
        expectsItem = true
      default:
        throw FilterError(
          "While parsing a list in the query, expected a non-empty list of string values, but got ill-formed list."
        )
      }
    }
    throw FilterError(
      "While parsing a list in the query, expected a non-empty list of string values, but got ill-formed list."
    )
  }
}

/// Puts words together to clauses.
private struct FilterParser {
  private let tokens: [FilterToken]
  private let text: String
  private var position = 0

  init(_ tokens: [FilterToken], of text: String) {
    self.tokens = tokens
    self.text = text
  }

  mutating func clauses() throws(FilterError) -> [FilterClause] {
    if tokens.isEmpty { throw FilterError("Invalid filter '\(text)'. Could not be parsed.") }
    if tokens.contains(.other(";")) {
      throw FilterError(
        "Search filter contained multiple expression '\(text)'. Provide AND-ed expression list.")
    }
    var clauses: [FilterClause] = []
    while position < tokens.count {
      // MLflow lets an AND stand or be missing anywhere between clauses.
      if word(at: position) == "AND" {
        position += 1
        continue
      }
      clauses.append(try clause())
    }
    return clauses
  }

  private mutating func clause() throws(FilterError) -> FilterClause {
    guard case .identifier(let entity, let key, let source) = tokens[position].asIdentifier else {
      throw invalid(tokens[position])
    }
    if entity == nil, ["OR", "NOT"].contains(source.uppercased()) { throw invalid(tokens[position]) }
    position += 1
    let comparator = try self.comparator(after: source)
    if comparator.uppercased() == "IS NULL" || comparator.uppercased() == "IS NOT NULL" {
      return FilterClause(entity: entity, key: key, comparator: comparator, value: .nothing)
    }
    guard position < tokens.count else {
      throw FilterError("Invalid comparison clause. Expected 3 tokens found 2")
    }
    defer { position += 1 }
    let isList = ["IN", "NOT IN"].contains(comparator.uppercased())
    switch tokens[position] {
    case .text(let text, _) where !isList:
      return FilterClause(entity: entity, key: key, comparator: comparator, value: .text(text))
    case .number(let text) where !isList:
      return FilterClause(entity: entity, key: key, comparator: comparator, value: .number(text))
    case .list(let items, _) where isList:
      return FilterClause(entity: entity, key: key, comparator: comparator, value: .list(items))
    case let other:
      throw FilterError(
        "Parameter value is either not quoted or unidentified quote types used for string value \(other.source). "
          + "Use either single or double quotes.")
    }
  }

  private mutating func comparator(after name: String) throws(FilterError) -> String {
    guard position < tokens.count else {
      throw FilterError("Invalid clause(s) in filter string: '\(name)'")
    }
    if case .comparator(let text) = tokens[position] {
      position += 1
      return text
    }
    let forms = [["LIKE"], ["ILIKE"], ["IN"], ["NOT", "IN"], ["IS", "NULL"], ["IS", "NOT", "NULL"]]
    for form in forms where form.indices.allSatisfy({ word(at: position + $0) == form[$0] }) {
      let written = tokens[position..<(position + form.count)].map(\.source).joined(separator: " ")
      position += form.count
      return written
    }
    throw FilterError("Invalid clause(s) in filter string: '\(name)', '\(tokens[position].source)'")
  }

  /// A bare word in upper case.
  private func word(at index: Int) -> String? {
    guard index < tokens.count, case .identifier(nil, _, let source) = tokens[index] else { return nil }
    return source.uppercased()
  }

  private func invalid(_ token: FilterToken) -> FilterError {
    FilterError("Invalid clause(s) in filter string: '\(token.source)'")
  }
}
