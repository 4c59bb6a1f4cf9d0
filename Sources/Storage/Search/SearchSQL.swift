// What the searches share: conditions in SQL with the values that go in, and MLflow's operators.

/// A piece of SQL and the values for its placeholders, in order.
struct SQLPiece {
  var sql = ""
  var values: [SQLValue] = []

  init(_ sql: String = "", _ values: SQLValue...) {
    self.sql = sql
    self.values = values
  }

  /// Adds another piece behind this one.
  mutating func append(_ other: SQLPiece) {
    sql += other.sql
    values += other.values
  }

  /// Pieces joined by a text between them.
  static func joined(_ pieces: [SQLPiece], by separator: String) -> SQLPiece {
    var whole = SQLPiece(pieces.map(\.sql).joined(separator: separator))
    whole.values = pieces.flatMap(\.values)
    return whole
  }
}

enum SearchSQL {
  static let numeric: Set<String> = ["=", "!=", ">", ">=", "<", "<="]
  static let textual: Set<String> = ["=", "!=", "LIKE", "ILIKE"]

  /// `column op text`, or `column IN (texts)`; the operator in upper case.
  ///
  /// LIKE regards case because connections that read say so; ILIKE does not.
  static func comparison(_ column: String, _ comparator: String, _ value: FilterValue) -> SQLPiece {
    switch value {
    case .text(let text) where comparator == "ILIKE": SQLPiece("lower(\(column)) LIKE lower(?)", .text(text))
    case .text(let text): SQLPiece("\(column) \(comparator) ?", .text(text))
    case .list(let items):
      items.reduce(
        into: SQLPiece("\(column) \(comparator) (\(items.map { _ in "?" }.joined(separator: ",")))")
      ) {
        $0.values.append(.text($1))
      }
    case .number(let text): SQLPiece("\(column) \(comparator) ?", number(text))
    case .nothing: SQLPiece("\(column) \(comparator)")
    }
  }

  /// A number as SQLite compares it.
  static func number(_ text: String) -> SQLValue {
    if let integer = Int64(text) { return .integer(integer) }
    return .real(Double(text.hasSuffix(".") ? text + "0" : text) ?? 0)
  }

  /// Refuses an operator that its kind of value does not know.
  static func check(_ comparator: String, in known: Set<String>) throws(FilterError) {
    guard known.contains(comparator) else {
      let list = known.sorted().map { "'\($0)'" }.joined(separator: ", ")
      throw FilterError("Invalid comparator '\(comparator)' not one of '{\(list)}'")
    }
  }
}
