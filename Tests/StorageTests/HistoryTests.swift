// Histories in pages: the pages together are the whole, whatever the order of times and of arrival.

import Testing

@testable import Storage

@Suite struct HistoryTests {
  /// How the times of a log go with its steps.
  enum Clock: CaseIterable { case rising, standing, falling, jumping }

  private struct Point: Equatable {
    var step: Int64
    var time: Int64
    var bits: UInt64
  }

  private func sorted(_ points: [MetricPoint]) -> [Point] {
    var seen: Set<[Int64]> = []
    let unique = points.filter {
      seen.insert([$0.step, $0.timestamp, Int64(bitPattern: $0.value.bitPattern)]).inserted
    }
    func key(_ point: MetricPoint) -> (Int64, Int64, Double) {
      (point.timestamp, point.step, point.value.isNaN ? 0 : point.value)
    }
    return unique.sorted { key($0) < key($1) }.map {
      Point(step: $0.step, time: $0.timestamp, bits: $0.value.bitPattern)
    }
  }

  private func points(_ page: HistoryPage) -> [Point] {
    page.points.steps.indices.map {
      Point(
        step: page.points.steps[$0], time: page.points.timestamps[$0], bits: page.points.values[$0].bitPattern
      )
    }
  }

  private func pages(_ store: Store, limit: Int) throws -> [Point] {
    var all: [Point] = []
    while true {
      let page = try store.read { [all] in
        try $0.history(run: "r", key: "m", offset: all.count, limit: limit)
      }
      all += points(page)
      #expect(page.points.steps.count <= limit && page.points.count == page.points.steps.count)
      if !page.hasMore { return all }
      #expect(page.points.steps.count == limit)
    }
  }

  @Test(arguments: Clock.allCases, [1, 2, 3] as [UInt64])
  func pagesAreTheWhole(clock: Clock, seed: UInt64) throws {
    var random = SplitMix(state: seed)
    let folder = try TemporaryFolder()
    let store = try folder.open(limits: .lazy)
    try store.createRun(NewRun(uid: "r", name: "run"))
    var logged: [MetricPoint] = []
    for part in 0..<6 {
      let batch = (0..<900).map { index -> MetricPoint in
        let step = Int64(part * 900 + index)
        let time: Int64 =
          switch clock {
          case .rising: step / 3 * 10
          case .standing: 7
          case .falling: 1_000_000 - step
          case .jumping: Int64.random(in: 0...50, using: &random)
          }
        let value = Int.random(in: 0..<20, using: &random) == 0 ? Double.nan : Double(index % 37) / 8
        // Now and then a step that was there before.
        let late = clock != .rising && Int.random(in: 0..<10, using: &random) == 0
        return MetricPoint(key: "m", step: late ? step / 2 : step, timestamp: time, value: value)
      }
      logged += batch
      try store.append(batch + [MetricPoint(key: "other", step: 0, timestamp: 0, value: 1)], run: "r")
      // The last part stays in segments.
      if part == 2 || part == 4 { try store.foldAll() }
      let whole = sorted(logged)
      for limit in [1, 997, 1024, 5000, 100_000] where limit > 1 || part == 0 {
        #expect(try pages(store, limit: limit) == whole, "limit \(limit)")
      }
      let all = try store.read { try $0.history(run: "r", key: "m") }
      #expect(points(all) == whole && !all.hasMore)
    }
    for offset in [5400, 6000, Int.max] {
      let page = try store.read { try $0.history(run: "r", key: "m", offset: offset, limit: 10) }
      #expect(page.points.steps.isEmpty && !page.hasMore)
    }
    for (run, key) in [("r", "none"), ("none", "m")] {
      let page = try store.read { try $0.history(run: run, key: key, limit: 10) }
      #expect(page.points.steps.isEmpty && !page.hasMore)
    }
  }

  /// Each chunk is in the order of its history, and yet the chunks are not.
  @Test func timesMayBeginAnewWithAChunk() throws {
    let folder = try TemporaryFolder()
    let store = try folder.open(limits: .lazy)
    try store.createRun(NewRun(uid: "r", name: "run"))
    let chunk = Connection.chunkPoints
    let logged = (0..<3 * chunk).map {
      MetricPoint(key: "m", step: Int64($0), timestamp: Int64($0 % chunk), value: Double($0))
    }
    try store.append(logged, run: "r")
    try store.foldAll(budget: 100_000)
    let orders = try store.read { try $0.all("SELECT in_order FROM chunk") { $0.integer(0) } }
    #expect(orders.count > 1 && orders.allSatisfy { $0 == 1 })
    #expect(try pages(store, limit: 500) == sorted(logged))
  }

  /// A page of a log with rising times costs its own chunks: bytes elsewhere may be damaged.
  @Test func aPageReadsItsChunksAlone() throws {
    let folder = try TemporaryFolder()
    let store = try folder.open(limits: .lazy)
    try store.createRun(NewRun(uid: "r", name: "run"))
    let points = (0..<20_000).map {
      MetricPoint(key: "m", step: Int64($0), timestamp: Int64($0), value: Double($0))
    }
    try store.append(points, run: "r")
    try store.foldAll(budget: 100_000)
    try store.write { try $0.execute("UPDATE chunk_data SET data = x'00' WHERE id NOT IN (10, 11)") }
    let page = try store.read { try $0.history(run: "r", key: "m", offset: 10_000, limit: 1000) }
    #expect(page.points.steps == Array(10_000..<11_000) && page.hasMore)
    #expect(throws: StoreError.self) {
      try store.read { try $0.history(run: "r", key: "m", offset: 0, limit: 1000) }
    }
  }

  @Test func anOlderStoreLearnsTheOrderOfItsChunks() throws {
    let folder = try TemporaryFolder()
    var store = try folder.open(limits: .lazy)
    try store.createRun(NewRun(uid: "r", name: "run"))
    let points = (0..<3000).map { (step: Int64) -> MetricPoint in
      let isUp = step % 2 == 0
      return MetricPoint(
        key: isUp ? "up" : "down", step: step, timestamp: isUp ? step : 9000 - step, value: 1)
    }
    try store.append(points, run: "r")
    try store.foldAll()
    let columns = "SELECT last_time, in_order FROM chunk ORDER BY key_id, first_step"
    let before = try store.read { try $0.all(columns) { [$0.integer(0), $0.integer(1)] } }
    #expect(before.contains { $0[1] == 1 } && before.contains { $0[1] == 0 })
    // Back to what version 5 had.
    try store.write {
      try $0.script(
        "ALTER TABLE chunk DROP COLUMN in_order; ALTER TABLE chunk DROP COLUMN last_time; PRAGMA user_version = 5"
      )
    }
    store.close()
    store = try folder.open(limits: .lazy)
    #expect(try store.read { try $0.all(columns) { [$0.integer(0), $0.integer(1)] } } == before)
  }
}
