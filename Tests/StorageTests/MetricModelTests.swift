// Metrics against a model that keeps a list of points and knows nothing of segments and chunks.

import Testing

@testable import Storage

/// The meaning of a series, written down naively.
private struct ModelSeries {
  struct Point {
    var step: Int64
    var timestamp: Int64
    var value: Double
  }

  private(set) var points: [Point] = []

  mutating func add(_ point: Point) {
    let isKnown = points.contains {
      $0.step == point.step && $0.timestamp == point.timestamp
        && $0.value.bitPattern == point.value.bitPattern
    }
    if !isKnown { points.append(point) }
  }

  var ordered: [Point] {
    points.enumerated().sorted { a, b in
      (a.element.step, a.element.timestamp, a.offset) < (b.element.step, b.element.timestamp, b.offset)
    }.map(\.element)
  }

  func check(_ summary: MetricSummary) -> Bool {
    let ordered = ordered
    guard let first = ordered.first else { return false }
    var last = points[0]
    for point in points.dropFirst() {
      let old = (last.step, last.timestamp, last.value.isNaN ? 0 : last.value)
      if (point.step, point.timestamp, point.value.isNaN ? 0 : point.value) > old { last = point }
    }
    let numbers = points.filter { !$0.value.isNaN }
    let low = numbers.map(\.value).min(by: ModelSeries.below)
    let high = numbers.map(\.value).max(by: ModelSeries.below)
    func firstStep(_ value: Double?) -> Int64 {
      guard let value else { return first.step }
      return numbers.filter { $0.value.bitPattern == value.bitPattern }.map(\.step).min() ?? 0
    }
    return summary.count == points.count && summary.nanCount == points.count - numbers.count
      && same(summary.first, first.value) && summary.firstStep == first.step
      && same(summary.last, last.value) && summary.lastStep == last.step
      && summary.lastTimestamp == last.timestamp
      && same(summary.min, low ?? .nan) && summary.minStep == firstStep(low)
      && same(summary.max, high ?? .nan) && summary.maxStep == firstStep(high)
  }

  func check(_ curve: Curve, from: Int64, to: Int64) -> Bool {
    let expected = ordered.filter { $0.step >= from && $0.step <= to }
    return curve.count == expected.count && !curve.sampled && curve.steps == expected.map(\.step)
      && curve.timestamps == expected.map(\.timestamp)
      && curve.values.elementsEqual(expected.map(\.value)) { same($0, $1) }
  }

  private static func below(_ a: Double, _ b: Double) -> Bool {
    a < b || (a == b && a.sign == .minus && b.sign == .plus)
  }
}

private func same(_ a: Double, _ b: Double) -> Bool { a.bitPattern == b.bitPattern || (a.isNaN && b.isNaN) }

@Suite struct MetricModelTests {
  private static let specials: [Double] = [
    .nan, .infinity, -.infinity, 0, -0.0, .greatestFiniteMagnitude, .leastNonzeroMagnitude, 0.1, -0.1,
  ]

  /// Random batches of five styles of logging, with folds, reopening and comparisons in between.
  @Test(arguments: 1...12) func agreesWithTheModel(seed: Int) throws {
    var random = SplitMix(state: UInt64(seed))
    let folder = try TemporaryFolder()
    let limits: Maintenance.Limits = seed % 3 == 0 ? .eager : .lazy
    var store = try folder.open(limits: limits)
    try store.createRun(NewRun(uid: "r", name: "run"))
    let keys = ["loss", "val/loss", "ключ"]
    var model: [String: ModelSeries] = [:]
    var clock: Int64 = 1_700_000_000_000
    var step: Int64 = 0
    for round in 0..<60 {
      var points: [MetricPoint] = []
      for _ in 0..<Int.random(in: 1...120, using: &random) {
        let key = keys[Int.random(in: 0..<keys.count, using: &random)]
        var value = Double.random(in: -1...1, using: &random)
        if seed % 2 == 0 { value = Double(Float(value)) }
        if Int.random(in: 0..<10, using: &random) == 0 {
          value = MetricModelTests.specials.randomElement(using: &random) ?? 0
        }
        switch seed % 5 {
        case 0:  // a live log
          step += 1
          clock += Int64.random(in: 0...40, using: &random)
        case 1:  // any order, few places, many repetitions
          step = Int64.random(in: -8...8, using: &random)
          clock = Int64.random(in: 0...1, using: &random)
        case 2:  // always step 0
          step = 0
          clock += Int64.random(in: 0...1, using: &random)
        case 3:  // wide
          step = Int64(truncatingIfNeeded: random.next()) >> Int64.random(in: 0..<64, using: &random)
        default:  // mostly forward with stragglers
          step = max(0, step + Int64.random(in: -300...400, using: &random))
        }
        points.append(MetricPoint(key: key, step: step, timestamp: clock, value: value))
        if Int.random(in: 0..<8, using: &random) == 0, let again = points.randomElement(using: &random) {
          points.append(again)
        }
      }
      try store.append(points, run: "r")
      for point in points {
        model[point.key, default: ModelSeries()].add(
          .init(step: point.step, timestamp: point.timestamp, value: point.value))
      }
      switch Int.random(in: 0..<8, using: &random) {
      case 0: try store.foldAll(budget: Int.random(in: 1...500, using: &random))
      case 1:
        store.close()
        store = try folder.open(limits: limits)
      case 2: try store.append(points, run: "r")  // a retried request
      default: break
      }
      let summaries = try store.summaries(run: "r")
      #expect(summaries.map(\.key) == model.keys.sorted())
      for summary in summaries {
        #expect(model[summary.key]?.check(summary) == true, "seed \(seed), round \(round): \(summary)")
      }
      let key = keys[round % keys.count]
      let ends = [Int64.random(in: -9...500, using: &random), Int64.random(in: -9...3000, using: &random)]
      for (from, to) in [(Int64.min, Int64.max), (ends[0], ends[1])] {
        let curve = try store.curve(run: "r", key: key, fromStep: from, toStep: to)
        let agrees = (model[key] ?? ModelSeries()).check(curve, from: from, to: to)
        #expect(agrees, "seed \(seed), round \(round), steps \(from)...\(to)")
      }
    }
    #expect(try store.check() == [])
    store.close()
  }

  /// What a folded series looks like must not depend on when it was folded.
  @Test func foldingChangesNothing() throws {
    let folder = try TemporaryFolder()
    let store = try folder.open(limits: .lazy)
    try store.createRun(NewRun(uid: "r", name: "run"))
    var random = SplitMix(state: 99)
    for _ in 0..<20 {
      let points = (0..<500).map { _ in
        MetricPoint(
          key: "m", step: Int64.random(in: 0..<6000, using: &random), timestamp: 5,
          value: Double(Int.random(in: 0..<3, using: &random)))
      }
      try store.append(points, run: "r")
    }
    let (before, summary) = (try store.curve(run: "r", key: "m"), try store.summaries(run: "r"))
    try store.foldAll(budget: 700)
    #expect(store.gauges.unfoldedPoints == 0)
    #expect(try store.read { try $0.integer("SELECT count(*) FROM segment") } == 0)
    #expect(try store.read { try $0.integer("SELECT count(*) FROM chunk") } ?? 0 > 5)
    #expect(try store.curve(run: "r", key: "m") == before)
    #expect(try store.summaries(run: "r") == summary)
  }

  /// Many values at one place must stay in one chunk, or a repetition would not be seen.
  @Test func onePlaceOneChunk() throws {
    let folder = try TemporaryFolder()
    let store = try folder.open(limits: .lazy)
    try store.createRun(NewRun(uid: "r", name: "run"))
    let points = (0..<3000).map { MetricPoint(key: "m", step: 7, timestamp: 7, value: Double($0)) }
    for part in [points[0..<1000], points[1000..<3000], points[500..<2500]] {
      try store.append(Array(part), run: "r")
      try store.foldAll()
    }
    #expect(try store.summaries(run: "r").first?.count == 3000)
    #expect(try store.curve(run: "r", key: "m").values == (0..<3000).map(Double.init))
    #expect(try store.summaries(run: "r").first?.last == 2999)
  }

  /// A request whose answer was lost comes again, after its points were folded.
  @Test func aRepeatedRequestCountsOnce() throws {
    let folder = try TemporaryFolder()
    let store = try folder.open(limits: .lazy)
    try store.createRun(NewRun(uid: "r", name: "run"))
    let point = MetricPoint(key: "m", step: 3, timestamp: 4, value: 5)
    for _ in 0..<3 {
      try store.append([point], run: "r")
      #expect(try store.summaries(run: "r").first?.count == 1)
      #expect(try store.curve(run: "r", key: "m").count == 1)
      try store.foldAll()
      #expect(try store.summaries(run: "r").first?.count == 1)
    }
  }

  /// One character or two that Unicode takes for the same text, in one request and in two.
  @Test func namesThatLookTheSameAreTwo() throws {
    let folder = try TemporaryFolder()
    let store = try folder.open(limits: .lazy)
    try store.createRun(NewRun(uid: "r", name: "run"))
    let names = ["\u{c5}", "A\u{30a}", "\u{212b}"]
    func point(_ index: Int, _ step: Int64) -> MetricPoint {
      MetricPoint(key: names[index], step: step, timestamp: step, value: Double(index))
    }
    try store.append([point(0, 0), point(1, 0)], run: "r")
    for index in [2, 1, 0] { try store.append([point(index, 1)], run: "r") }
    for name in names {
      let index = try #require(names.firstIndex { $0.utf8.elementsEqual(name.utf8) })
      let curve = try store.curve(run: "r", key: name)
      #expect(curve.values == [Double](repeating: Double(index), count: index == 2 ? 1 : 2), "\(index)")
    }
    #expect(try store.summaries(run: "r").count == 3)
  }

  @Test func latestFollowsMLflow() throws {
    let folder = try TemporaryFolder()
    let store = try folder.open(limits: .lazy)
    try store.createRun(NewRun(uid: "r", name: "run"))
    func last(_ key: String, _ points: [(Double, Int64, Int64)]) throws -> Double? {
      for (value, timestamp, step) in points {
        let point = MetricPoint(key: key, step: step, timestamp: timestamp, value: value)
        try store.append([point], run: "r")
      }
      return try store.summaries(run: "r").first { $0.key == key }?.last
    }
    #expect(try last("L", [(1, 10, 5), (2, 20, 4), (3, 5, 5), (4, 10, 5), (3, 10, 5)]) == 4)
    #expect(try last("stays", [(5, 1, 1), (.nan, 1, 1)]) == 5)
    #expect(try last("becomes", [(-5, 1, 1), (.nan, 1, 1)])?.isNaN == true)
    #expect(try store.lastSteps(run: "r") == ["L": 5, "stays": 1, "becomes": 1])
  }

  @Test func unknownRunIsRefused() throws {
    let folder = try TemporaryFolder()
    let store = try folder.open()
    let point = MetricPoint(key: "m", step: 0, timestamp: 0, value: 0)
    #expect(throws: StoreError.notFound("run 'none'")) { try store.append([point], run: "none") }
    #expect(throws: StoreError.notFound("run 'none'")) { try store.summaries(run: "none") }
    #expect(throws: StoreError.notFound("run 'none'")) { try store.curve(run: "none", key: "m") }
  }
}
