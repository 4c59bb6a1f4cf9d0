// Searching: the grammar by example, and random filters and orders against a naive evaluation.

import Testing

@testable import Storage

@Suite struct FilterGrammarTests {
  @Test func clausesAreReadAsWritten() throws {
    let clauses = try FilterGrammar.clauses(
      "metrics.`val/loss`<=-1.5e3 AND params.\"a b\" like 'it''s' tags.a.b.c NOT  IN ('x', \"y\",) and status IS NOT NULL"
    )
    #expect(
      clauses == [
        FilterClause(entity: "metrics", key: "val/loss", comparator: "<=", value: .number("-1.5e3")),
        FilterClause(entity: "params", key: "a b", comparator: "like", value: .text("it''s")),
        FilterClause(entity: "tags", key: "a.b.c", comparator: "NOT IN", value: .list(["x", "y"])),
        FilterClause(entity: nil, key: "status", comparator: "IS NOT NULL", value: .nothing),
      ])
    #expect(
      try FilterGrammar.clauses(#"a = 'it\'s' AND b = "a\""#) == [
        FilterClause(entity: nil, key: "a", comparator: "=", value: .text(#"it\'s"#)),
        FilterClause(entity: nil, key: "b", comparator: "=", value: .text(#"a\"#)),
      ])
    #expect(try FilterGrammar.clauses("") == [])
  }

  @Test func whatIsNoClauseIsRefused() {
    for text in [
      " ", "a", "a =", "= 1", "a = b", "a = 'x", "a == 1 OR b = 2", "NOT a = 1", "(a = 1)", "a = 1;",
      "a IN ()",
      "a IN (1)", "a IN 'x'", "a = ('x')", "metrics.", "metrics.a-b = 1", "a BETWEEN 1 AND 2", "a = 0x10",
      "a = +5",
      "a = 1x", "`a = 1", "a IS", "a NOT", "a LIKE", "1 = a",
    ] {
      #expect(throws: FilterError.self, "\(text)") { try FilterGrammar.clauses(text) }
    }
  }

  @Test func ordersAreReadAsWritten() throws {
    #expect(
      try FilterGrammar.order("metrics.`val loss` desc")
        == OrderItem(entity: "metrics", key: "val loss", isAscending: false))
    #expect(
      try FilterGrammar.order("start_time") == OrderItem(entity: nil, key: "start_time", isAscending: true))
    for text in ["", "a up", "a ASC b", "a-b", "'a'", "5"] {
      #expect(throws: FilterError.self, "\(text)") { try FilterGrammar.order(text) }
    }
  }
}

/// A run as the naive evaluation sees it.
private struct PlainRun {
  var uid = ""
  var name = ""
  var user = ""
  var status = RunStatus.running
  var start: Int64 = 0
  var end: Int64?
  var isDeleted = false
  var experiment: Int64 = 0
  var metrics: [String: Double] = [:]
  var params: [String: String] = [:]
  var tags: [String: String] = [:]
}

/// A clause with its text and its meaning; an order with its text and the key that it sorts by.
private struct PlainClause {
  var text: String
  var holds: (PlainRun) -> Bool
}

private struct PlainOrder {
  var field: String
  var text: String
  /// Negative when the first run comes first; missing values last both ways.
  var compare: (PlainRun, PlainRun) -> Int
}

private struct SearchGenerator {
  var random: SearchRandom
  let metricKeys = ["acc", "val/loss", "손실", "none"]
  let textKeys = ["lr", "opt name", "a.b", "absent"]
  let texts = ["0.1", "Adam", "adam", "ADAM", "it's", "", "zoë", "a%b", "a_b", "axb"]
  let numbers: [Double] = [-2, -0.5, 0, 0.5, 1, 1e6, .nan, .infinity, -.infinity]

  mutating func pick<T>(_ items: [T]) -> T { items[Int(random.next() % UInt64(items.count))] }
  mutating func chance(_ percent: UInt64) -> Bool { random.next() % 100 < percent }

  mutating func run(_ index: Int) -> PlainRun {
    var run = PlainRun()
    run.uid = "r\(random.next() % 1000)x\(index)"
    run.name = pick(["a", "A", "run 1", "b%"])
    run.user = pick(["ann", "Bob", ""])
    run.status = pick(RunStatus.allCases)
    run.start = Int64(random.next() % 5)
    run.end = chance(50) ? Int64(random.next() % 5) : nil
    run.isDeleted = chance(20)
    run.experiment = Int64(random.next() % 2)
    for key in metricKeys where key != "none" && chance(70) { run.metrics[key] = pick(numbers) }
    for key in textKeys where key != "absent" {
      if chance(60) { run.params[key] = pick(texts) }
      if chance(60) { run.tags[key] = pick(texts) }
    }
    return run
  }

  mutating func quoted(_ text: String) -> String {
    text.contains("'") || chance(30) ? "\"\(text)\"" : "'\(text)'"
  }

  func name(_ key: String) -> String { key.allSatisfy { $0.isLetter } ? key : "`\(key)`" }

  private static func matches(_ value: Double, _ comparator: String, _ other: Double) -> Bool {
    switch comparator {
    case "=": value == other
    case "!=": value != other
    case "<": value < other
    case "<=": value <= other
    case ">": value > other
    default: value >= other
    }
  }

  /// LIKE by backtracking over scalars.
  static func isLike(_ text: ArraySlice<Unicode.Scalar>, _ pattern: ArraySlice<Unicode.Scalar>) -> Bool {
    guard let first = pattern.first else { return text.isEmpty }
    if first == "%" {
      return (text.startIndex...text.endIndex).contains { isLike(text[$0...], pattern.dropFirst()) }
    }
    guard let letter = text.first, first == "_" || first == letter else { return false }
    return isLike(text.dropFirst(), pattern.dropFirst())
  }

  private static func lower(_ text: String) -> String {
    String(
      String.UnicodeScalarView(
        text.unicodeScalars.map {
          $0.isASCII ? $0.properties.lowercaseMapping.unicodeScalars.first ?? $0 : $0
        }))
  }

  private static func matches(_ value: String, _ comparator: String, _ other: String) -> Bool {
    func like(_ text: String, _ pattern: String) -> Bool {
      isLike(Array(text.unicodeScalars)[...], Array(pattern.unicodeScalars)[...])
    }
    switch comparator {
    case "=": return value.utf8.elementsEqual(other.utf8)
    case "!=": return !value.utf8.elementsEqual(other.utf8)
    case "LIKE": return like(value, other)
    default: return like(lower(value), lower(other))
    }
  }

  mutating func clause() -> PlainClause {
    switch random.next() % 6 {
    case 0, 1:
      let (key, comparator) = (pick(metricKeys), pick(["=", "!=", "<", "<=", ">", ">="]))
      let limit = pick([-2.0, -0.5, 0, 0.5, 1, 1e6])
      return PlainClause(text: "\(pick(["metric", "metrics"])).\(name(key)) \(comparator) \(limit)") { run in
        run.metrics[key].map { Self.matches($0, comparator, limit) } ?? false
      }
    case 2, 3:
      let isTag = chance(50)
      let key = pick(textKeys)
      let entity = isTag ? pick(["tag", "tags"]) : pick(["param", "params", "parameter", "parameters"])
      let value: (PlainRun) -> String? = { isTag ? $0.tags[key] : $0.params[key] }
      if chance(20) {
        let isNull = chance(50)
        return PlainClause(text: "\(entity).\(name(key)) IS \(isNull ? "" : "NOT ")NULL") {
          (value($0) == nil) == isNull
        }
      }
      let comparator = pick(["=", "!=", "LIKE", "ILIKE"])
      let other =
        comparator.hasSuffix("LIKE")
        ? pick(["a%", "%a%", "_d%", "a_b", "", "%", "ADAM", "zo_"]) : pick(texts)
      return PlainClause(text: "\(entity).\(name(key)) \(comparator) \(quoted(other))") { run in
        value(run).map { Self.matches($0, comparator, other) } ?? false
      }
    case 4:
      let field = pick(["start_time", "end_time", "created"])
      let comparator = pick(["=", "!=", "<", "<=", ">", ">="])
      let limit = Int64(random.next() % 5)
      return PlainClause(text: "\(pick(["", "attributes.", "run."]))\(field) \(comparator) \(limit)") { run in
        let value = field == "end_time" ? run.end : run.start
        return value.map { Self.matches(Double($0), comparator, Double(limit)) } ?? false
      }
    default:
      let field = pick(["run_name", "status", "user_id"])
      let comparator = pick(["=", "!=", "LIKE", "ILIKE"])
      let other = pick(["a", "A", "%", "FINISHED", "running", "ann", "R%", "b%"])
      return PlainClause(text: "\(field) \(comparator) \(quoted(other))") { run in
        let value = field == "run_name" ? run.name : field == "status" ? run.status.rawValue : run.user
        return Self.matches(value, comparator, other)
      }
    }
  }

  mutating func order() -> PlainOrder {
    let isAscending = chance(50)
    let direction = isAscending ? pick(["", " ASC", " asc"]) : pick([" DESC", " desc"])
    func make(
      _ field: String, _ rank: @escaping (PlainRun) -> Int, _ before: @escaping (PlainRun, PlainRun) -> Bool
    )
      -> PlainOrder
    {
      PlainOrder(field: field, text: field + direction) { left, right in
        if rank(left) != rank(right) { return rank(left) - rank(right) }
        if before(left, right) { return isAscending ? -1 : 1 }
        return before(right, left) ? (isAscending ? 1 : -1) : 0
      }
    }
    switch random.next() % 4 {
    case 0, 1:
      let key = pick(metricKeys)
      return make(
        "metrics.\(name(key))", { $0.metrics[key] == nil ? 2 : $0.metrics[key]?.isNaN == true ? 1 : 0 }
      ) {
        ($0.metrics[key] ?? 0) < ($1.metrics[key] ?? 0)
      }
    case 2:
      let key = pick(textKeys)
      return make("params.\(name(key))", { $0.params[key] == nil ? 1 : 0 }) {
        ($0.params[key] ?? "").utf8.lexicographicallyPrecedes(($1.params[key] ?? "").utf8)
      }
    default:
      return make("end_time", { $0.end == nil ? 1 : 0 }) { ($0.end ?? 0) < ($1.end ?? 0) }
    }
  }
}

private struct SearchRandom: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

@Suite struct SearchPropertyTests {
  @Test(arguments: [1, 2, 3, 4] as [UInt64])
  func searchIsTheNaiveEvaluation(seed: UInt64) throws {
    var generator = SearchGenerator(random: SearchRandom(state: seed))
    let folder = try TemporaryFolder()
    let store = try folder.open()
    let other = try store.createExperiment(name: "other", time: 1)
    let runs = (0..<40).map { generator.run($0) }
    for run in runs {
      try store.createRun(
        NewRun(
          uid: run.uid, experimentID: run.experiment == 0 ? 0 : other, name: run.name, userID: run.user,
          status: run.status, startTime: run.start, params: run.params.map { KeyValue($0.key, $0.value) },
          tags: run.tags.map { KeyValue($0.key, $0.value) } + [KeyValue(runNameTag, run.name)]))
      let points = run.metrics.flatMap { key, value in
        // An earlier point that must not count.
        [
          MetricPoint(key: key, step: 2, timestamp: 5, value: value),
          MetricPoint(key: key, step: 1, timestamp: 9, value: 0.5),
        ]
      }
      try store.append(points, run: run.uid)
      try store.write {
        try $0.setRun(run.uid, endTime: run.end, lifecycle: run.isDeleted ? .deleted : .active)
      }
    }
    for _ in 0..<250 {
      let clauses = (0..<Int(generator.random.next() % 4)).map { _ in generator.clause() }
      var orders: [PlainOrder] = []
      for _ in 0..<Int(generator.random.next() % 3) {
        let order = generator.order()
        if !orders.contains(where: { $0.field == order.field }) { orders.append(order) }
      }
      var query = RunQuery(experiments: generator.pick([[0], [other], [0, other], nil] as [[Int64]?]))
      query.lifecycle = generator.pick([Lifecycle.active, Lifecycle.deleted, nil] as [Lifecycle?])
      query.filter = clauses.map(\.text).joined(separator: " AND ")
      query.orderBy = orders.map(\.text)
      query.offset = Int(generator.random.next() % 4)
      query.limit = 1 + Int(generator.random.next() % 40)
      let scope = query.experiments
      let wanted = runs.filter { run in
        (scope == nil || scope?.contains(run.experiment == 0 ? Int64(0) : other) == true)
          && (query.lifecycle == nil || (query.lifecycle == .deleted) == run.isDeleted)
          && clauses.allSatisfy { $0.holds(run) }
      }
      let sorted = wanted.sorted { left, right in
        for order in orders {
          let result = order.compare(left, right)
          if result != 0 { return result < 0 }
        }
        return left.start == right.start ? left.uid < right.uid : left.start > right.start
      }
      let page = sorted.dropFirst(query.offset).prefix(query.limit).map(\.uid)
      let found = try store.read { [query] in try $0.searchRuns(query) }
      #expect(found.map(\.uid) == Array(page), "\(query.filter) ORDER BY \(query.orderBy)")
      for record in found {
        let run = try #require(runs.first { $0.uid == record.uid })
        #expect(Set(record.latest.map(\.key)) == Set(run.metrics.keys))
        #expect(
          record.latest.allSatisfy { $0.step == 2 && $0.value.bitPattern == run.metrics[$0.key]?.bitPattern })
      }
    }
  }

  @Test func wrongFiltersAreRefused() throws {
    let store = try TemporaryFolder().open()
    for filter in [
      "metrics.a > 'x'", "params.a = 1", "bogus = '1'", "METRICS.a > 1", "params.a > '1'",
      "start_time LIKE '1'",
      "run_name IN ('a')", "metrics.a IS NULL", "datasets.size = '1'", "metrics.a == 1", "metrics.a <> 1",
    ] {
      var query = RunQuery(experiments: nil)
      query.filter = filter
      #expect(throws: FilterError.self, "\(filter)") {
        try store.read { [query] in try $0.searchRuns(query) }
      }
    }
    for order in ["bogus", "datasets.name", "run name", "metrics.a sideways"] {
      var query = RunQuery(experiments: nil)
      query.orderBy = [order]
      #expect(throws: FilterError.self, "\(order)") { try store.read { [query] in try $0.searchRuns(query) } }
    }
    var query = RunQuery(experiments: nil)
    query.orderBy = ["start_time", "created DESC"]
    #expect(throws: FilterError.self) { try store.read { [query] in try $0.searchRuns(query) } }
  }
}
