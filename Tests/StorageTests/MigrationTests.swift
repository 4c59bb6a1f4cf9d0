// The schema: its steps, its refusals, its references.

import Testing

@testable import Storage

@Suite struct MigrationTests {
  private static let known = Migrations.all.count
  private static let next = Migration(version: known + 1) { connection, _ in
    try connection.script("ALTER TABLE run ADD COLUMN colour TEXT NOT NULL DEFAULT 'grey'")
  }
  private static let broken = Migration(version: known + 1) { connection, _ in
    try connection.script("CREATE TABLE half(id INTEGER) STRICT; CREATE TABLE run(id INTEGER) STRICT")
  }

  @Test func anOlderStoreIsMigratedAndKeptAside() throws {
    let folder = try TemporaryFolder()
    var store = try folder.open()
    try store.createRun(NewRun(uid: "r", name: "run"))
    store.close()
    store = try folder.open(migrations: Migrations.all + [MigrationTests.next])
    #expect(try store.read { try $0.first("SELECT colour FROM run") { $0.text(0) } } == "grey")
    #expect(try store.read { try $0.integer("PRAGMA user_version") } == Int64(MigrationTests.known + 1))
    store.close()
    #expect(Folder.exists(folder.path + "/backup-v\(MigrationTests.known).db"))
    let error = StoreError.newerVersion(found: MigrationTests.known + 1, known: MigrationTests.known)
    #expect(throws: error) { try folder.open() }
    let text = "\(error)"
    #expect(text.contains("\(MigrationTests.known + 1)") && text.contains("newer"))
  }

  @Test func aStoreOfVersionOneGetsItsLatestMetrics() throws {
    let folder = try TemporaryFolder()
    var store = try folder.open(migrations: [m0001])
    try store.createRun(NewRun(uid: "r", name: "run"))
    let points = [("a", 2, 10, 7.0), ("a", 3, 5, .nan), ("a", 3, 5, 0.5), ("b", 1, 1, -.infinity)].map {
      MetricPoint(key: $0.0, step: Int64($0.1), timestamp: Int64($0.2), value: $0.3)
    }
    // As version 1 wrote it: keys and a segment, nothing else.
    let draft = PointCodec.Draft(MetricBatch(points))
    try store.write { connection in
      try connection.script("INSERT INTO metric_key VALUES (1, 'a'), (2, 'b')")
      try connection.execute(
        "INSERT INTO segment(run_id, points, data) VALUES (1, 4, ?)",
        .blob(PointCodec.segment(draft, keyIDs: [1, 2])))
    }
    store.close()
    store = try folder.open()
    let latest = try store.read { try $0.runWithLatest("r") }?.latest ?? []
    #expect(
      latest == [
        LatestMetric(key: "a", value: 0.5, timestamp: 5, step: 3),
        LatestMetric(key: "b", value: -.infinity, timestamp: 1, step: 1),
      ])
  }

  @Test func aFailingStepChangesNothing() throws {
    let folder = try TemporaryFolder()
    var store = try folder.open()
    try store.createRun(NewRun(uid: "r", name: "run"))
    let schema = try store.schema()
    store.close()
    #expect(throws: StoreError.self) { try folder.open(migrations: Migrations.all + [MigrationTests.broken]) }
    store = try folder.open()
    #expect(try store.schema() == schema)
    #expect(try store.run("r") != nil)
  }

  @Test func applyingTwiceIsApplyingOnce() throws {
    let folder = try TemporaryFolder()
    let store = try folder.open()
    let schema = try store.schema()
    #expect(try store.read { try Migrations.version(of: $0) } == Migrations.all.count)
    store.close()
    #expect(try folder.open().schema() == schema)
    #expect(Migrations.all.map(\.version) == Array(1...Migrations.all.count))
  }

  @Test func anotherProgramsDatabaseIsRefused() throws {
    let folder = try TemporaryFolder()
    let store = try folder.open()
    _ = try store.write { try $0.script("PRAGMA application_id=7") }
    store.close()
    #expect(throws: StoreError.self) { try folder.open() }
  }

  /// Without an index on the referring columns a deleted run would scan every table.
  @Test func everyReferenceHasAnIndex() throws {
    let folder = try TemporaryFolder()
    let store = try folder.open()
    try store.read { connection in
      let tables = try connection.all("SELECT name FROM sqlite_schema WHERE type = 'table'") { $0.text(0) }
      #expect(tables.count > 12)
      for table in tables {
        let columns = try connection.all("SELECT \"from\" FROM pragma_foreign_key_list('\(table)')") {
          $0.text(0)
        }
        for column in columns {
          let leading = try connection.all(
            """
            SELECT (SELECT name FROM pragma_index_info(l.name) WHERE seqno = 0)
            FROM pragma_index_list('\(table)') AS l WHERE l.partial = 0
            """
          ) { $0.text(0) }
          #expect(leading.contains(column), "\(table).\(column)")
        }
      }
    }
  }

  @Test func tablesAreStrict() throws {
    let folder = try TemporaryFolder()
    let store = try folder.open()
    let loose = try store.read { connection in
      try connection.all(
        "SELECT name FROM pragma_table_list WHERE type = 'table' AND NOT strict AND name NOT LIKE 'sqlite%'"
      ) { $0.text(0) }
    }
    #expect(loose == [])
  }
}

extension Store {
  func schema() throws -> [String] {
    try read { try $0.all("SELECT coalesce(sql, name) FROM sqlite_schema ORDER BY name") { $0.text(0) } }
  }
}
