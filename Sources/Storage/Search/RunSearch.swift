// Searching runs: MLflow's names for what a run has, compiled to one statement over the runs of some experiments.

/// Which runs are wanted, and in which order.
public struct RunQuery: Sendable {
  /// What decides when the order says nothing more.
  public enum Tie: Sendable {
    /// MLflow's: the last started first, then by id.
    case started
    /// The last made first.
    case newest
  }

  /// Experiments by id; nil: all.
  public var experiments: [Int64]?
  /// Active or deleted; nil: both.
  public var lifecycle: Lifecycle? = .active
  /// A filter in MLflow's grammar; empty: none.
  public var filter = ""
  /// Items in MLflow's grammar.
  public var orderBy: [String] = []
  /// What comes after the order.
  public var tie = Tie.started
  /// Runs to pass over.
  public var offset = 0
  /// Runs at most.
  public var limit = 100
  /// Whether metrics come as summaries; else the latest of each.
  public var withSummaries = false

  /// A query for the active runs of some experiments.
  public init(experiments: [Int64]?) { self.experiments = experiments }
}

extension Connection {
  /// Runs with what belongs to them, in order. Throws `FilterError` for a filter or order that has no meaning.
  public func searchRuns(_ query: RunQuery) throws -> [RunRecord] {
    let statement = try runSearch(query)
    let numbers = try all(statement.sql, list: statement.values) { $0.integer(0) }
    return try numbers.map { try run(number: $0, withMetrics: query.withSummaries) }
  }

  private func runSearch(_ query: RunQuery) throws -> SQLPiece {
    let compiler = RunCompiler(connection: self)
    let conditions = try FilterGrammar.clauses(query.filter).map(compiler.condition)
    let order = try compiler.order(query.orderBy, tie: query.tie)
    var scope: [SQLPiece] = []
    if let experiments = query.experiments {
      // Integers, not texts of a client: they may stand in the statement.
      scope.append(SQLPiece("run.experiment_id IN (\(experiments.map(String.init).joined(separator: ",")))"))
    }
    if let lifecycle = query.lifecycle {
      scope.append(SQLPiece("run.lifecycle = ?", .text(lifecycle.rawValue)))
    }
    var statement = SQLPiece("SELECT run.id FROM run ")
    statement.append(order.joins)
    let all = scope + conditions
    if !all.isEmpty {
      statement.append(SQLPiece(" WHERE "))
      statement.append(.joined(all, by: " AND "))
    }
    statement.append(SQLPiece(" ORDER BY \(order.terms.joined(separator: ", "))"))
    statement.append(
      SQLPiece(" LIMIT ? OFFSET ?", .integer(Int64(query.limit)), .integer(Int64(query.offset))))
    return statement
  }
}

/// Gives the words of a filter their meaning for runs.
private struct RunCompiler {
  enum Entity { case metric, param, tag, attribute, dataset }

  static let numericAttributes = ["start_time": "coalesce(run.start_time, 0)", "end_time": "run.end_time"]
  static let textAttributes = [
    "run_id": "run.uid", "run_name": "run.name", "user_id": "run.user_id", "status": "run.status",
    "artifact_uri": """
    (SELECT coalesce(artifact_location, 'mlflow-artifacts:/' || id) FROM experiment WHERE id = run.experiment_id)
      || '/' || run.uid || '/artifacts'
    """,
  ]
  static let datasetKeys: Set<String> = ["name", "digest", "context"]

  let connection: Connection

  static func entity(_ name: String?) throws(FilterError) -> Entity {
    switch name {
    case nil, "attribute", "attributes", "attr", "run": return .attribute
    case "metric", "metrics": return .metric
    case "param", "params", "parameter", "parameters": return .param
    case "tag", "tags": return .tag
    case "dataset", "datasets": return .dataset
    case let other?:
      throw FilterError(
        "Invalid entity type '\(other)'. Valid values are "
          + "['metric', 'parameter', 'tag', 'attribute', 'dataset']")
    }
  }

  static func attribute(_ key: String) -> String {
    switch key {
    case "created", "Created": "start_time"
    case "run name", "Run name", "Run Name": "run_name"
    default: key
    }
  }

  private static func unknownAttribute(_ key: String) -> FilterError {
    let keys = (Array(numericAttributes.keys) + Array(textAttributes.keys)).sorted().map { "'\($0)'" }
    return FilterError(
      "Invalid attribute key '\(key)' specified. Valid keys are '[\(keys.joined(separator: ", "))]'")
  }

  // MARK: Filters

  func condition(_ clause: FilterClause) throws -> SQLPiece {
    let comparator = clause.comparator.uppercased()
    let entity = try Self.entity(clause.entity)
    let isPresence = clause.value == .nothing
    if isPresence && entity != .tag && entity != .param {
      throw FilterError(
        "IS NULL / IS NOT NULL is only supported for tags and params, not for '\(clause.key)'")
    }
    switch entity {
    case .metric: return try metric(clause, comparator)
    case .param, .tag:
      let table = entity == .tag ? "tag" : "param"
      if isPresence { return presence(table, clause.key, comparator) }
      guard case .text = clause.value else {
        throw FilterError(
          "Expected a quoted string value for \(table == "tag" ? "tag" : "parameter") (e.g. 'my-value').")
      }
      try SearchSQL.check(comparator, in: SearchSQL.textual)
      return pair(table, clause.key, comparator, clause.value)
    case .attribute: return try attribute(clause, comparator)
    case .dataset: return try Self.dataset(clause, comparator)
    }
  }

  private func metric(_ clause: FilterClause, _ comparator: String) throws -> SQLPiece {
    guard case .number(let text) = clause.value else {
      throw FilterError("Expected numeric value type for metric. Found a text for '\(clause.key)'")
    }
    try SearchSQL.check(comparator, in: SearchSQL.numeric)
    let number = Double(text.hasSuffix(".") ? text + "0" : text) ?? 0
    let compare = comparator == "!=" ? "(value IS NULL OR value != ?)" : "value \(comparator) ?"
    return SQLPiece(
      "EXISTS (SELECT 1 FROM latest_metric WHERE run_id = run.id AND key_id = ? AND \(compare))",
      .integer(try keyID(clause.key)), .real(number))
  }

  private func keyID(_ name: String) throws -> Int64 {
    try connection.integer("SELECT id FROM metric_key WHERE name = ?", .text(name)) ?? -1
  }

  private func presence(_ table: String, _ key: String, _ comparator: String) -> SQLPiece {
    let not = comparator == "IS NULL" ? "NOT " : ""
    return SQLPiece("\(not)EXISTS (SELECT 1 FROM \(table) WHERE run_id = run.id AND key = ?)", .text(key))
  }

  private func pair(
    _ table: String, _ key: String, _ comparator: String, _ value: FilterValue
  ) -> SQLPiece {
    let compare = SearchSQL.comparison("value", comparator, value)
    var piece = SQLPiece(
      "EXISTS (SELECT 1 FROM \(table) WHERE run_id = run.id AND key = ? AND ", .text(key))
    piece.append(compare)
    piece.append(SQLPiece(")"))
    return piece
  }

  private func attribute(_ clause: FilterClause, _ comparator: String) throws -> SQLPiece {
    let key = Self.attribute(clause.key)
    if let column = Self.numericAttributes[key] {
      guard case .number = clause.value else {
        throw FilterError("Expected numeric value type for numeric attribute: \(key).")
      }
      try SearchSQL.check(comparator, in: SearchSQL.numeric)
      return SearchSQL.comparison(column, comparator, clause.value)
    }
    guard let column = Self.textAttributes[key] else { throw Self.unknownAttribute(clause.key) }
    switch clause.value {
    case .list:
      guard key == "run_id" else {
        throw FilterError(
          "Only ['run_id'] attributes support comparison with a list of quoted string values.")
      }
    case .text: try SearchSQL.check(comparator, in: SearchSQL.textual)
    default: throw FilterError("Expected a quoted string value for attributes.")
    }
    // MLflow looks for a run's name at the tag.
    if key == "run_name" { return pair("tag", runNameTag, comparator, clause.value) }
    return SearchSQL.comparison(column, comparator, clause.value)
  }

  private static func dataset(_ clause: FilterClause, _ comparator: String) throws(FilterError) -> SQLPiece {
    guard datasetKeys.contains(clause.key) else {
      throw FilterError(
        "Invalid dataset key '\(clause.key)' specified. Valid keys are '{'context', 'digest', 'name'}'")
    }
    if case .number = clause.value {
      throw FilterError("Expected a quoted string value for dataset attributes.")
    }
    try SearchSQL.check(comparator, in: SearchSQL.textual.union(["IN", "NOT IN"]))
    return datasetCondition(clause.key, comparator, clause.value)
  }

  // MARK: Orders

  func order(_ items: [String], tie: RunQuery.Tie) throws -> (joins: SQLPiece, terms: [String]) {
    var joins = SQLPiece()
    var terms: [String] = []
    var seen: Set<String> = []
    for (index, text) in items.enumerated() {
      let item = try FilterGrammar.order(text)
      let direction = item.isAscending ? "ASC" : "DESC"
      let entity = try Self.entity(item.entity)
      let key = entity == .attribute ? Self.attribute(item.key) : item.key
      guard seen.insert("\(entity) \(key)").inserted else {
        throw FilterError("`order_by` contains duplicate fields: \(items)")
      }
      let name = "o\(index)"
      switch entity {
      case .attribute:
        let isKnown = item.key == key || key == "start_time"
        guard isKnown, let column = Self.numericAttributes[key] ?? Self.textAttributes[key] else {
          throw Self.unknownAttribute(item.key)
        }
        terms += ["(\(column)) IS NULL", "\(column) \(direction)"]
      case .metric:
        let join = "LEFT JOIN latest_metric AS \(name) ON \(name).run_id = run.id AND \(name).key_id = ? "
        joins.append(SQLPiece(join, .integer(try keyID(key))))
        terms += [
          "CASE WHEN \(name).run_id IS NULL THEN 2 WHEN \(name).value IS NULL THEN 1 ELSE 0 END",
          "\(name).value \(direction)",
        ]
      case .param, .tag:
        let table = entity == .tag ? "tag" : "param"
        let join = "LEFT JOIN \(table) AS \(name) ON \(name).run_id = run.id AND \(name).key = ? "
        joins.append(SQLPiece(join, .text(key)))
        terms += ["\(name).value IS NULL", "\(name).value \(direction)"]
      case .dataset: throw FilterError("Runs cannot be ordered by '\(text)'")
      }
    }
    switch tie {
    case .started:
      if !seen.contains("attribute start_time") { terms.append("coalesce(run.start_time, 0) DESC") }
      terms.append("run.uid")
    case .newest: terms.append("run.id DESC")
    }
    return (joins, terms)
  }
}

extension RunCompiler {
  /// A condition on the data sets that a run took in.
  static func datasetCondition(_ key: String, _ comparator: String, _ value: FilterValue) -> SQLPiece {
    let isContext = key == "context"
    var piece = SQLPiece(
      isContext
        ? "EXISTS (SELECT 1 FROM run_dataset AS i JOIN run_dataset_tag AS d ON d.input_id = i.id "
          + "WHERE i.run_id = run.id AND d.key = 'mlflow.data.context' AND "
        : "EXISTS (SELECT 1 FROM run_dataset AS i JOIN dataset AS d ON d.id = i.dataset_id "
          + "WHERE i.run_id = run.id AND ")
    piece.append(SearchSQL.comparison(isContext ? "d.value" : "d.\(key)", comparator, value))
    piece.append(SQLPiece(")"))
    return piece
  }
}
