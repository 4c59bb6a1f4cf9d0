// Histories in pages: the pages together are the whole, whatever the order of times and of arrival.

import Testing

@testable import Storage

@Suite struct HistoryTests {
  /// How the times of a log go with its steps.
  enum Clock: CaseIterable { case rising, standing, falling, jumping, resumed }

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
          case .resumed: part < 3 ? step : step + 100_000
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

  /// The same of a log whose times fall, and of one that was taken up again from an earlier step: the chunks of other
  /// times are not read.
  @Test(arguments: [true, false]) func aPageReadsTheChunksOfItsTimes(isFalling: Bool) throws {
    let folder = try TemporaryFolder()
    let store = try folder.open(limits: .lazy)
    try store.createRun(NewRun(uid: "r", name: "run"))
    // Falling, or 0..<12000 and then 8000..<16000 again an hour later.
    let points = (0..<20_000).map { (index: Int64) -> MetricPoint in
      let step = isFalling || index < 12_000 ? index : index - 4000
      let time = isFalling ? 20_000 - index : index < 12_000 ? index : index + 3_600_000
      return MetricPoint(key: "m", step: step, timestamp: time, value: Double(index))
    }
    try store.append(points, run: "r")
    try store.foldAll(budget: 100_000)
    let history = points.sorted { $0.timestamp < $1.timestamp }.map(\.value)
    for offset in stride(from: 0, to: 20_000, by: 700) {
      let page = try store.read { try $0.history(run: "r", key: "m", offset: offset, limit: 700) }
      #expect(page.points.values == Array(history[offset..<min(20_000, offset + 700)]), "offset \(offset)")
    }
    let first = try #require(try store.read { try $0.integer("SELECT min(max_time) FROM chunk") })
    try store.write {
      try $0.execute(
        "UPDATE chunk_data SET data = x'00' WHERE id NOT IN (SELECT data_id FROM chunk WHERE max_time <= ?)",
        .integer(first + 2000))
    }
    let page = try store.read { try $0.history(run: "r", key: "m", offset: 0, limit: 1000) }
    #expect(page.points.values == Array(history[..<1000]) && page.hasMore)
    #expect(throws: StoreError.self) {
      try store.read { try $0.history(run: "r", key: "m", offset: 10_000, limit: 1000) }
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
    let columns = "SELECT last_time, in_order, min_time, max_time FROM chunk ORDER BY key_id, first_step"
    func rows() throws -> [[Int64]] {
      try store.read { try $0.all(columns) { row in (0..<4).map { row.integer($0) } } }
    }
    let before = try rows()
    #expect(before.contains { $0[1] == 1 } && before.contains { $0[1] == 0 })
    #expect(before.allSatisfy { $0[2] < $0[3] })
    // Back to what version 5 had.
    let gone = ["in_order", "last_time", "min_time", "max_time"].map {
      "ALTER TABLE chunk DROP COLUMN \($0);"
    }
    try store.write { try $0.script(gone.joined() + "PRAGMA user_version = 5") }
    store.close()
    store = try folder.open(limits: .lazy)
    #expect(try rows() == before)
  }
}
