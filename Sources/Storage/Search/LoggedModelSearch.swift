// Searching logged models.

/// Which logged models are wanted, and in which order.
public struct LoggedModelQuery: Sendable {
  /// A data set to which metrics are restricted.
  public struct Dataset: Sendable, Equatable {
    /// Its name; nil: any.
    public var name: String?
    /// Its digest; nil: any.
    public var digest: String?

    /// A data set.
    public init(name: String?, digest: String? = nil) {
      self.name = name
      self.digest = digest
    }
  }

  /// One item of the order.
  public struct Order: Sendable, Equatable {
    /// An attribute, or `metrics.KEY`.
    public var field: String
    /// Smallest first.
    public var ascending: Bool
    /// Only metrics of this data set count.
    public var dataset: Dataset?

    /// An item.
    public init(field: String, ascending: Bool = true, dataset: Dataset? = nil) {
      self.field = field
      self.ascending = ascending
      self.dataset = dataset
    }
  }

  /// Experiments by id.
  public var experiments: [Int64]
  /// A filter in MLflow's grammar; empty: none.
  public var filter = ""
  /// Only metrics of these data sets count in the filter; empty: all.
  public var datasets: [Dataset] = []
  /// The order; after it the last made come first.
  public var orderBy: [Order] = []
  /// Models to pass over.
  public var offset = 0
  /// Models at most.
  public var limit = 100

  /// A query for the models of some experiments.
  public init(experiments: [Int64]) { self.experiments = experiments }
}

extension Connection {
  /// Logged models in order. Throws `FilterError` for a filter or order that has no meaning.
  public func searchLoggedModels(_ query: LoggedModelQuery) throws -> [LoggedModelRecord] {
    var conditions = [SQLPiece("lifecycle = 'active'")]
    // Integers, not texts of a client: they may stand in the statement.
    conditions.append(
      SQLPiece("experiment_id IN (\(query.experiments.map(String.init).joined(separator: ",")))"))
    let clauses = try FilterGrammar.clauses(query.filter)
    for clause in clauses {
      conditions.append(try LoggedModelCompiler.condition(clause, datasets: query.datasets))
    }
    if !query.datasets.isEmpty, !clauses.contains(where: { $0.entity == "metrics" }) {
      conditions.append(LoggedModelCompiler.measured(on: query.datasets))
    }
    var statement = SQLPiece(Connection.loggedModelSelect + " WHERE ")
    statement.append(.joined(conditions, by: " AND "))
    statement.append(SQLPiece(" ORDER BY "))
    statement.append(try LoggedModelCompiler.order(query.orderBy))
    statement.append(
      SQLPiece(" LIMIT ? OFFSET ?", .integer(Int64(query.limit)), .integer(Int64(query.offset))))
    return try all(statement.sql, list: statement.values, map: Connection.loggedModelRow).map(completed)
  }
}

private enum LoggedModelCompiler {
  static let texts = [
    "name": "name", "model_id": "uid", "model_type": "model_type", "source_run_id": "source_run_id",
    "status": "CAST(status AS TEXT)",
  ]
  static let numbers = [
    "creation_timestamp": "created_at", "creation_timestamp_ms": "created_at", "creation_time": "created_at",
    "last_updated_timestamp": "updated_at", "last_updated_timestamp_ms": "updated_at",
  ]

  static func condition(
    _ clause: FilterClause, datasets: [LoggedModelQuery.Dataset]
  ) throws(FilterError) -> SQLPiece {
    let comparator = clause.comparator.uppercased()
    switch clause.entity {
    case nil, "attributes": return try attribute(clause, comparator)
    case "metrics": return try metric(clause, comparator, datasets)
    case "params": return try pair("logged_model_param", clause, comparator)
    case "tags": return try pair("logged_model_tag", clause, comparator)
    case let other?:
      throw FilterError(
        "Invalid entity type: '\(other)'. Expected one of: attributes, metrics, params, tags")
    }
  }

  private static func attribute(_ clause: FilterClause, _ comparator: String) throws(FilterError) -> SQLPiece
  {
    if let column = numbers[clause.key] {
      guard case .number = clause.value, SearchSQL.numeric.contains(comparator) else {
        throw FilterError("Expected a comparison with a number for attribute '\(clause.key)'")
      }
      return SearchSQL.comparison(column, comparator, clause.value)
    }
    guard let column = texts[clause.key] else { throw FilterError("Invalid attribute: '\(clause.key)'") }
    return try text(column, clause, comparator)
  }

  private static func text(_ column: String, _ clause: FilterClause, _ comparator: String) throws(FilterError)
    -> SQLPiece
  {
    if case .number = clause.value {
      throw FilterError("Expected a quoted string value for '\(clause.key)'")
    }
    guard SearchSQL.textual.union(["IN", "NOT IN"]).contains(comparator) else {
      throw FilterError("Invalid comparison operator for '\(clause.key)': '\(clause.comparator)'")
    }
    return SearchSQL.comparison(column, comparator, clause.value)
  }

  private static func pair(
    _ table: String, _ clause: FilterClause, _ comparator: String
  ) throws(FilterError) -> SQLPiece {
    var piece = SQLPiece(
      "EXISTS (SELECT 1 FROM \(table) WHERE model_id = logged_model.id AND key = ? AND ", .text(clause.key))
    piece.append(try text("value", clause, comparator))
    piece.append(SQLPiece(")"))
    return piece
  }

  /// Metrics are stored as bits, which order as numbers do once those of negative numbers are turned around; what is
  /// asked is turned the same way. NaN is no number and equals nothing.
  private static func metric(
    _ clause: FilterClause, _ comparator: String, _ datasets: [LoggedModelQuery.Dataset]
  ) throws(FilterError) -> SQLPiece {
    guard case .number(let written) = clause.value, SearchSQL.numeric.contains(comparator) else {
      throw FilterError("Expected a comparison with a number for metric '\(clause.key)'")
    }
    let number = Double(written.hasSuffix(".") ? written + "0" : written) ?? 0
    let numeric = "\(isNumber) AND \(ordered) \(comparator) ?"
    let test = comparator == "!=" ? "(NOT (\(isNumber)) OR \(ordered) != ?)" : numeric
    var piece = SQLPiece(
      "EXISTS (SELECT 1 FROM logged_model_metric WHERE model_id = logged_model.id AND key = ? AND \(test)",
      .text(clause.key), .integer(orderedBits(number)))
    if !datasets.isEmpty {
      piece.append(SQLPiece(" AND ("))
      piece.append(.joined(datasets.map(condition), by: " OR "))
      piece.append(SQLPiece(")"))
    }
    piece.append(SQLPiece(")"))
    return piece
  }

  /// Whether `bits` is no NaN: its exponent is not all ones, or it is an infinity.
  private static let isNumber = "(bits & 0x7FFFFFFFFFFFFFFF) <= 0x7FF0000000000000"
  /// Zero has two signs and one place in the order.
  private static let ordered =
    "(CASE WHEN bits >= 0 THEN bits ELSE -(bits & 0x7FFFFFFFFFFFFFFF) END)"

  static func orderedBits(_ number: Double) -> Int64 {
    let bits = Int64(bitPattern: number.bitPattern)
    return bits >= 0 ? bits : -(bits & Int64.max)
  }

  /// That some metric was measured on one of these data sets.
  static func measured(on datasets: [LoggedModelQuery.Dataset]) -> SQLPiece {
    var piece = SQLPiece("EXISTS (SELECT 1 FROM logged_model_metric WHERE model_id = logged_model.id AND (")
    piece.append(.joined(datasets.map(condition), by: " OR "))
    piece.append(SQLPiece("))"))
    return piece
  }

  private static func condition(_ dataset: LoggedModelQuery.Dataset) -> SQLPiece {
    var tests: [SQLPiece] = []
    if let name = dataset.name { tests.append(SQLPiece("dataset_name = ?", .text(name))) }
    if let digest = dataset.digest { tests.append(SQLPiece("dataset_digest = ?", .text(digest))) }
    return tests.isEmpty ? SQLPiece("1") : .joined(tests, by: " AND ")
  }

  static func order(_ items: [LoggedModelQuery.Order]) throws(FilterError) -> SQLPiece {
    var terms: [SQLPiece] = []
    var hasCreation = false
    for item in items {
      let direction = item.ascending ? "ASC" : "DESC"
      let parts = item.field.split(separator: ".", maxSplits: 1).map(String.init)
      if parts.count == 1 {
        guard let column = numbers[item.field] ?? texts[item.field] else {
          throw FilterError("Invalid order by field name: \(item.field)")
        }
        hasCreation = hasCreation || column == "created_at"
        terms.append(SQLPiece("\(item.field == "status" ? "status" : column) \(direction)"))
      } else if parts[0] == "metrics" {
        terms += metricOrder(key(parts[1]), direction, item.dataset)
      } else {
        throw FilterError(
          "Invalid order by field name: \(item.field), only metrics and attributes can be ordered by")
      }
    }
    if !hasCreation { terms.append(SQLPiece("created_at DESC")) }
    terms.append(SQLPiece("uid ASC"))
    return .joined(terms, by: ", ")
  }

  private static func key(_ text: String) -> String {
    for quote in ["`", "\""] where text.count > 1 && text.hasPrefix(quote) && text.hasSuffix(quote) {
      return String(text.dropFirst().dropLast())
    }
    return text
  }

  /// By the newest value of a metric; what has none comes last, and NaN before that.
  private static func metricOrder(
    _ key: String, _ direction: String, _ dataset: LoggedModelQuery.Dataset?
  ) -> [SQLPiece] {
    func newest(_ value: String) -> SQLPiece {
      var piece = SQLPiece(
        "(SELECT \(value) FROM logged_model_metric WHERE model_id = logged_model.id AND key = ?", .text(key))
      if let dataset {
        piece.append(SQLPiece(" AND "))
        piece.append(condition(dataset))
      }
      piece.append(SQLPiece(" ORDER BY time DESC, step DESC LIMIT 1)"))
      return piece
    }
    var rank = SQLPiece("coalesce(")
    rank.append(newest("NOT (\(isNumber))"))
    rank.append(SQLPiece(", 2)"))
    var value = newest(ordered)
    value.append(SQLPiece(" \(direction)"))
    return [rank, value]
  }
}
