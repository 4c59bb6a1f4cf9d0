// Searching the model registry: registered models and their versions.

/// What is wanted of the registry, and in which order.
public struct RegistryQuery: Sendable {
  /// A filter in MLflow's grammar; empty: none.
  public var filter = ""
  /// Items in MLflow's grammar.
  public var orderBy: [String] = []
  /// Rows to pass over.
  public var offset = 0
  /// Rows at most.
  public var limit = 100

  /// A query for everything.
  public init() {}
}

extension Connection {
  /// Registered models in order. Throws `FilterError` for a filter or order that has no meaning.
  public func searchRegisteredModels(_ query: RegistryQuery) throws -> [RegisteredModelRecord] {
    let compiler = RegistryCompiler.models
    let statement = try compiler.statement(
      query, select: "SELECT id, name, description, created_at, updated_at FROM registered_model",
      ties: [("name", "name ASC")])
    return try all(statement.sql, list: statement.values, map: Connection.modelRow).map(completed)
  }

  /// Versions in order, without aliases. Throws `FilterError` for a filter or order that has no meaning.
  public func searchModelVersions(_ query: RegistryQuery) throws -> [ModelVersionRecord] {
    var query = query
    if query.orderBy.isEmpty { query.orderBy = ["last_updated_timestamp DESC"] }
    let statement = try RegistryCompiler.versions.statement(
      query, select: Connection.versionSelect,
      ties: [("name", "name ASC"), ("version_number", "version DESC")])
    return try all(statement.sql, list: statement.values, map: Connection.versionRow).map(withTags)
  }
}

/// Gives the words of a filter their meaning for one of the two tables.
private struct RegistryCompiler {
  /// Columns of attributes that are texts.
  let texts: [String: String]
  /// Attributes that may be compared with a list.
  let listable: Set<String>
  /// Columns of attributes that are numbers.
  let numbers: [String: String]
  /// Columns by which rows are ordered; names of one column mean the same.
  let orders: [String: String]
  /// The names of `orders` that messages speak of.
  let shownOrders: String
  /// The rows of a table of tags that belong to a row.
  let tags: String
  /// The rows of a table of tags that make a row a prompt.
  let promptTags: String

  static let models = RegistryCompiler(
    texts: ["name": "name"], listable: ["name"], numbers: [:],
    orders: ["name": "name", "timestamp": "updated_at", "last_updated_timestamp": "updated_at"],
    shownOrders: "'['name', 'last_updated_timestamp']'",
    tags: "registered_model_tag WHERE model_id = registered_model.id",
    promptTags: "registered_model_tag WHERE model_id = registered_model.id")

  static let versions = RegistryCompiler(
    texts: ["name": "name", "run_id": "run_id", "source_path": "source"], listable: ["name", "run_id"],
    numbers: ["version_number": "version"],
    orders: [
      "name": "name", "version_number": "version", "creation_timestamp": "model_version.created_at",
      "last_updated_timestamp": "model_version.updated_at",
    ],
    shownOrders: "{'creation_timestamp', 'last_updated_timestamp', 'name', 'version_number'}",
    tags: "model_version_tag WHERE version_id = model_version.id",
    promptTags:
      "model_version_tag JOIN model_version AS other ON other.id = version_id WHERE other.model_id = model_version.model_id"
  )

  func statement(
    _ query: RegistryQuery, select: String, ties: [(name: String, term: String)]
  ) throws -> SQLPiece {
    var conditions: [SQLPiece] = []
    let clauses = try FilterGrammar.clauses(query.filter)
    let wantsPrompts = clauses.first(where: isPromptTag).map(Self.wantsPrompts) ?? false
    for clause in clauses {
      let condition = try condition(clause)
      // Models without the tag are no prompts, so the tag's clause says nothing when no prompts are wanted.
      if wantsPrompts || !isPromptTag(clause) { conditions.append(condition) }
    }
    if !wantsPrompts {
      conditions.append(
        SQLPiece("NOT EXISTS (SELECT 1 FROM \(promptTags) AND key = ? AND value = 'true')", .text(promptTag)))
    }
    var statement = SQLPiece(select)
    if !conditions.isEmpty {
      statement.append(SQLPiece(" WHERE "))
      statement.append(.joined(conditions, by: " AND "))
    }
    statement.append(SQLPiece(" ORDER BY \(try order(query.orderBy, ties: ties))"))
    statement.append(
      SQLPiece(" LIMIT ? OFFSET ?", .integer(Int64(query.limit)), .integer(Int64(query.offset))))
    return statement
  }

  private func isTag(_ entity: String?) throws(FilterError) -> Bool {
    switch entity {
    case nil, "attribute": return false
    case "tag", "tags": return true
    case let other?:
      throw FilterError("Invalid entity type '\(other)'. Valid entity types are ('attribute', 'tag', 'tags')")
    }
  }

  private func isPromptTag(_ clause: FilterClause) -> Bool {
    (clause.entity == "tag" || clause.entity == "tags") && clause.key == promptTag
  }

  private static func wantsPrompts(_ clause: FilterClause) -> Bool {
    guard case .text(let text) = clause.value else { return false }
    return clause.comparator == "=" && text.lowercased() == "true"
      || clause.comparator == "!=" && text.lowercased() == "false"
  }

  private func condition(_ clause: FilterClause) throws(FilterError) -> SQLPiece {
    let comparator = clause.comparator.uppercased()
    if try isTag(clause.entity) { return try tag(clause, comparator) }
    if let column = numbers[clause.key] { return try number(clause, comparator, column) }
    guard let column = texts[clause.key] else {
      let keys = (Array(texts.keys) + Array(numbers.keys)).sorted().map { "'\($0)'" }.joined(separator: ", ")
      throw FilterError("Invalid attribute key '\(clause.key)' specified. Valid keys are '{\(keys)}'")
    }
    switch clause.value {
    case .number:
      let keys = numbers.keys.sorted().map { "'\($0)'" }.joined(separator: ", ")
      throw FilterError("Only the '{\(keys)}' attributes support comparison with numeric values.")
    case .list where !listable.contains(clause.key):
      let keys = listable.sorted().map { "'\($0)'" }.joined(separator: ", ")
      throw FilterError("Only the attributes \(keys) support comparison with a list of quoted string values.")
    default: break
    }
    guard SearchSQL.textual.union(["IN", "NOT IN"]).contains(comparator) else {
      throw FilterError("Invalid comparator for attribute: \(clause.comparator)")
    }
    return SearchSQL.comparison(column, comparator, clause.value)
  }

  private func tag(_ clause: FilterClause, _ comparator: String) throws(FilterError) -> SQLPiece {
    guard SearchSQL.textual.contains(comparator) else {
      throw FilterError("Invalid comparator for tag: \(clause.comparator)")
    }
    guard case .text = clause.value else {
      throw FilterError("Expected a quoted string value for tag (e.g. 'my-value').")
    }
    var piece = SQLPiece("EXISTS (SELECT 1 FROM \(tags) AND key = ? AND ", .text(clause.key))
    piece.append(SearchSQL.comparison("value", comparator, clause.value))
    piece.append(SQLPiece(")"))
    return piece
  }

  /// Numbers may be written as texts here.
  private func number(
    _ clause: FilterClause, _ comparator: String, _ column: String
  ) throws(FilterError) -> SQLPiece {
    guard SearchSQL.numeric.contains(comparator) else {
      throw FilterError("Invalid comparator for attribute \(clause.key): \(clause.comparator)")
    }
    switch clause.value {
    case .text(let text), .number(let text):
      if let number = Int64(text) { return SQLPiece("\(column) \(comparator) ?", .integer(number)) }
      throw FilterError("Invalid value for numeric attribute '\(clause.key)': \(text)")
    default: throw FilterError("Expected a number for attribute '\(clause.key)'")
    }
  }

  private func order(
    _ items: [String], ties: [(name: String, term: String)]
  ) throws(FilterError) -> String {
    var terms: [String] = []
    var seen: Set<String> = []
    for text in items {
      let item = try FilterGrammar.order(text)
      if try isTag(item.entity) { throw FilterError("Invalid order_by entity: tag") }
      guard let column = orders[item.key] else {
        throw FilterError("Invalid order by key '\(item.key)' specified. Valid keys are \(shownOrders)")
      }
      guard seen.insert(column).inserted else {
        throw FilterError("`order_by` contains duplicate fields: \(items)")
      }
      terms.append("\(column) \(item.isAscending ? "ASC" : "DESC")")
    }
    for tie in ties where !seen.contains(orders[tie.name] ?? "") { terms.append(tie.term) }
    return terms.joined(separator: ", ")
  }
}
