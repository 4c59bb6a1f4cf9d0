// Searching experiments.

/// Which experiments are wanted, and in which order.
public struct ExperimentQuery: Sendable {
  /// Active or deleted; nil: both.
  public var lifecycle: Lifecycle? = .active
  /// A filter in MLflow's grammar; empty: none.
  public var filter = ""
  /// Items in MLflow's grammar; none: the last made first.
  public var orderBy: [String] = []
  /// Experiments to pass over.
  public var offset = 0
  /// Experiments at most.
  public var limit = 1000

  /// A query for all active experiments.
  public init() {}
}

extension Connection {
  /// Experiments in order. Throws `FilterError` for a filter or order that has no meaning.
  public func searchExperiments(_ query: ExperimentQuery) throws -> [ExperimentRecord] {
    var conditions = try FilterGrammar.clauses(query.filter).map(ExperimentCompiler.condition)
    if let lifecycle = query.lifecycle {
      conditions.append(SQLPiece("lifecycle = ?", .text(lifecycle.rawValue)))
    }
    var statement = SQLPiece("SELECT id FROM experiment")
    if !conditions.isEmpty {
      statement.append(SQLPiece(" WHERE "))
      statement.append(.joined(conditions, by: " AND "))
    }
    let order = try ExperimentCompiler.order(query.orderBy)
    statement.append(
      SQLPiece(
        " ORDER BY \(order) LIMIT ? OFFSET ?", .integer(Int64(query.limit)), .integer(Int64(query.offset))))
    let ids = try all(statement.sql, list: statement.values) { $0.integer(0) }
    return try ids.compactMap { try experiment($0) }
  }
}

/// Gives the words of a filter their meaning for experiments; operators must be in upper case here.
private enum ExperimentCompiler {
  static let columns = [
    "name": "name", "experiment_id": "id", "creation_time": "created_at", "last_update_time": "updated_at",
  ]

  private static func isTag(_ entity: String?) throws(FilterError) -> Bool {
    switch entity {
    case nil, "attribute": return false
    case "tag", "tags": return true
    case let other?:
      throw FilterError(
        "Invalid entity type '\(other)'. Valid entity types are ('attribute', 'tag', 'tags')")
    }
  }

  static func condition(_ clause: FilterClause) throws(FilterError) -> SQLPiece {
    if try isTag(clause.entity) { return try tag(clause) }
    guard let column = columns[clause.key] else { throw unknown(clause.key) }
    switch (clause.key, clause.value) {
    case (_, .nothing):
      throw FilterError("IS NULL / IS NOT NULL is only supported for tags, not for attribute '\(clause.key)'")
    case ("name", .text):
      try SearchSQL.check(clause.comparator, in: SearchSQL.textual)
      return SearchSQL.comparison(column, clause.comparator, clause.value)
    case ("experiment_id", .text), ("experiment_id", .list):
      return try number(clause, column)
    case ("creation_time", .number(let text)), ("last_update_time", .number(let text)):
      try SearchSQL.check(clause.comparator, in: SearchSQL.numeric)
      guard Int64(text) != nil else {
        throw FilterError("Invalid value for numeric attribute '\(clause.key)': '\(text)'")
      }
      return SearchSQL.comparison(column, clause.comparator, clause.value)
    case ("name", .list):
      throw FilterError(
        "Only ['experiment_id'] attributes support comparison with a list of quoted string values.")
    case ("name", _), ("experiment_id", _):
      throw FilterError("Expected a quoted string value for attributes.")
    default: throw FilterError("Expected numeric value type for numeric attribute: \(clause.key).")
    }
  }

  private static func number(_ clause: FilterClause, _ column: String) throws(FilterError) -> SQLPiece {
    guard ["=", "!=", "IN", "NOT IN"].contains(clause.comparator) else {
      throw FilterError("Invalid comparator for experiment_id: \(clause.comparator)")
    }
    var texts: [String] = []
    switch clause.value {
    case .text(let text): texts = [text]
    case .list(let items): texts = items
    default: break
    }
    var values: [SQLValue] = []
    for text in texts {
      guard let id = Int64(text) else {
        throw FilterError("Invalid experiment ID '\(text)'. Experiment ID must be a valid integer.")
      }
      values.append(.integer(id))
    }
    let places = values.map { _ in "?" }.joined(separator: ",")
    let isList = clause.comparator.hasSuffix("IN")
    var piece = SQLPiece("\(column) \(clause.comparator) \(isList ? "(\(places))" : places)")
    piece.values = values
    return piece
  }

  private static func tag(_ clause: FilterClause) throws(FilterError) -> SQLPiece {
    let select = "EXISTS (SELECT 1 FROM experiment_tag WHERE experiment_id = experiment.id AND key = ?"
    switch clause.value {
    case .nothing:
      let not = clause.comparator.uppercased() == "IS NULL" ? "NOT " : ""
      return SQLPiece("\(not)\(select))", .text(clause.key))
    case .text:
      try SearchSQL.check(clause.comparator, in: SearchSQL.textual)
      var piece = SQLPiece("\(select) AND ", .text(clause.key))
      piece.append(SearchSQL.comparison("value", clause.comparator, clause.value))
      piece.append(SQLPiece(")"))
      return piece
    default: throw FilterError("Expected a quoted string value for tag (e.g. 'my-value').")
    }
  }

  static func order(_ items: [String]) throws(FilterError) -> String {
    if items.isEmpty { return "created_at DESC, id ASC" }
    var terms: [String] = []
    for text in items {
      let item = try FilterGrammar.order(text)
      if try isTag(item.entity) { throw FilterError("Invalid order_by entity: tag") }
      guard let column = columns[item.key] else { throw unknown(item.key) }
      terms.append("\(column) \(item.isAscending ? "ASC" : "DESC")")
    }
    return (terms + ["id DESC"]).joined(separator: ", ")
  }

  private static func unknown(_ key: String) -> FilterError {
    let keys = columns.keys.sorted().map { "'\($0)'" }.joined(separator: ", ")
    return FilterError("Invalid attribute key '\(key)' specified. Valid keys are '{\(keys)}'")
  }
}
