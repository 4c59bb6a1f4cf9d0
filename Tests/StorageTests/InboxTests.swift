import Testing

@testable import Storage

/// Small requests wait in a table of their own: nobody who reads or deletes must notice.
@Suite struct InboxTests {
  private func rows(_ store: Store) throws -> [Int64] {
    try ["inbox", "segment"].map { table in
      try store.read { try $0.integer("SELECT count(*) FROM \(table)") ?? -1 }
    }
  }

  private func patient() -> Maintenance.Limits {
    var limits = Maintenance.Limits.lazy
    limits.inboxQuiet = 1 << 60
    return limits
  }

  /// The curve of a series keeps the order of arrival between points of one place, wherever they wait.
  @Test func bothTablesAreReadInOrderOfArrival() throws {
    let folder = try TemporaryFolder()
    let store = try folder.open(limits: patient())
    try store.createRun(NewRun(uid: "r", name: "run"))
    var expected: [Double] = []
    var generator = SplitMix(state: 5)
    for round in 0..<40 {
      let count = Bool.random(using: &generator) ? 1 : 200
      try store.append(
        (0..<count).map {
          MetricPoint(key: "m", step: 7, timestamp: 1, value: Double(round * 1000 + $0) / 3)
        },
        run: "r")
      expected += (0..<count).map { Double(round * 1000 + $0) / 3 }
      if round == 20 { try store.write { try $0.emptyInbox() } }
      let arrived = try store.read { connection in
        try connection.unfolded(run: 1).values.flatMap(\.values)
      }
      #expect(arrived == expected)
    }
    let waiting = try rows(store)
    #expect(waiting[0] > 0 && waiting[1] > 0)
    store.close()
    let again = try folder.open(limits: patient())
    #expect(try rows(again) == [0, 40], "the store begins with an empty inbox")
    try again.append([MetricPoint(key: "m", step: 8, timestamp: 1, value: 9)], run: "r")
    #expect(try again.summaries(run: "r").map(\.count) == [expected.count + 1])
    try again.foldAll()
    #expect(try rows(again) == [0, 0])
    #expect(try again.summaries(run: "r").map(\.count) == [expected.count + 1])
    #expect(try again.check() == [])
  }

  @Test func theInboxIsEmptiedWhenItIsFullAndWhenItIsQuiet() throws {
    let folder = try TemporaryFolder()
    var limits = patient()
    limits.inboxRows = 10
    let store = try folder.open(limits: limits)
    try store.createRun(NewRun(uid: "r", name: "run"))
    for step in 0..<25 {
      try store.append([MetricPoint(key: "m", step: Int64(step), timestamp: 1, value: 2)], run: "r")
    }
    #expect(try store.eventually { try rows(store) == [5, 20] })
    store.close()
    limits.inboxQuiet = 1000
    let quiet = try folder.open(limits: limits)
    try quiet.append([MetricPoint(key: "m", step: 99, timestamp: 1, value: 2)], run: "r")
    #expect(try quiet.eventually { try rows(quiet) == [0, 26] })
  }

  @Test func aJobThatIsUndoneLeavesTheInboxAsItWas() throws {
    let folder = try TemporaryFolder()
    let store = try folder.open(limits: patient())
    try store.createRun(NewRun(uid: "r", name: "run"))
    try store.append([MetricPoint(key: "m", step: 1, timestamp: 1, value: 2)], run: "r")
    #expect(throws: StoreError.conflict("no")) {
      try store.write { connection in
        try connection.append(MetricBatch([MetricPoint(key: "m", step: 2, timestamp: 1, value: 2)]), run: "r")
        try connection.emptyInbox()
        throw StoreError.conflict("no")
      }
    }
    #expect(try rows(store) == [1, 0])
    try store.foldAll()
    #expect(try rows(store) == [0, 0], "what came back into the inbox was not seen")
    #expect(try store.curve(run: "r", key: "m").steps == [1])
  }

  @Test func aDeletedRunLeavesNothing() throws {
    let folder = try TemporaryFolder()
    let store = try folder.open(limits: patient())
    for run in ["a", "b"] {
      try store.createRun(NewRun(uid: run, name: run))
      try store.append([MetricPoint(key: "m", step: 1, timestamp: 1, value: 2)], run: run)
    }
    try store.deleteRun("a")
    #expect(try rows(store).reduce(0, +) == 1)
    #expect(try store.curve(run: "b", key: "m").steps == [1])
    #expect(try store.check() == [])
  }
}
