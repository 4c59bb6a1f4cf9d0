// The store as a whole: opening, locking, groups, crashes, a full disk, backups.

import Glibc
import Testing

@testable import Storage

@Suite struct StoreTests {
  @Test func opensAnEmptyFolder() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a/b"
    let store = try Store.open(folder: path)
    defer { store.close() }
    #expect(try store.experiment(0)?.name == "Default")
    #expect(Folder.exists(path + "/cairn.db") && Folder.exists(path + "/artifacts"))
    var status = stat()
    #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o700)
    let pragmas = try store.write { connection in
      try ["journal_mode", "synchronous", "auto_vacuum", "foreign_keys", "wal_autocheckpoint"].map {
        try connection.first("PRAGMA \($0)") { $0.text(0) } ?? ""
      }
    }
    // A commit does not wait for the disk; the answer to it does: see LogSyncTests.
    #expect(pragmas == ["wal", "1", "2", "1", "0"])
  }

  @Test func onlyOneProcessHoldsTheFolder() throws {
    let folder = try TemporaryFolder()
    let store = try folder.open()
    #expect(throws: StoreError.locked(path: folder.path)) { try folder.open() }
    store.close()
    try folder.open().close()
    #expect(throws: StoreError.closed) { try store.write { _ in } }
    #expect(throws: StoreError.closed) { try store.read { _ in } }
  }

  @Test func aFileInTheWayIsNamed() throws {
    let folder = try TemporaryFolder()
    try copyFile("/proc/self/comm", folder.path + "/file")
    #expect(throws: StoreError.notWritable(path: folder.path + "/file", reason: "Not a directory")) {
      try Store.open(folder: folder.path + "/file")
    }
  }

  @Test func aForeignFileIsLeftAlone() throws {
    let folder = try TemporaryFolder()
    try copyFile("/proc/self/exe", folder.path + "/cairn.db")
    let size = Folder.size(folder.path + "/cairn.db")
    #expect(throws: StoreError.self) { try folder.open() }
    #expect(Folder.size(folder.path + "/cairn.db") == size)
  }

  /// The writer's connection is the only one that may commit or checkpoint: see Core/Writer.swift.
  @Test func readersNeitherWriteNorCheckpoint() throws {
    let folder = try TemporaryFolder()
    let store = try folder.open(limits: .lazy)
    try store.createRun(NewRun(uid: "r", name: "run"))
    #expect(throws: StoreError.self) { try store.read { try $0.execute("DELETE FROM run") } }
    #expect(throws: StoreError.self) { try store.read { try $0.createRun(NewRun(name: "x")) } }
    let size = Folder.size(folder.path + "/cairn.db")
    _ = try? store.read { try $0.execute("PRAGMA wal_checkpoint(TRUNCATE)") }
    #expect(Folder.size(folder.path + "/cairn.db") == size)
    #expect(Folder.size(folder.path + "/cairn.db-wal") > 0)
    #expect(try Store.check(folder: folder.path) == [])
    #expect(Folder.size(folder.path + "/cairn.db-wal") > 0)
  }

  // MARK: Groups

  @Test func aFailingJobIsUndoneAlone() throws {
    let folder = try TemporaryFolder()
    let store = try folder.open()
    let before = store.gauges.commits
    store.writer.pause(true)
    let results = Results()
    let threads = try (0..<40).map { index in
      try startThread {
        let made = Result {
          try store.write { connection in
            try connection.createRun(NewRun(uid: "run-\(index)", name: "run"))
            try connection.append(
              MetricBatch([MetricPoint(key: "key-\(index)", step: 0, timestamp: 0, value: 1)]),
              run: "run-\(index)")
            if index % 4 == 0 { throw StoreError.conflict("job \(index)") }
            return index
          }
        }
        results.note(index, made)
      }
    }
    #expect(store.eventually { store.gauges.queuedWrites == 40 })
    store.writer.pause(false)
    for thread in threads { pthread_join(thread, nil) }
    #expect(store.gauges.commits - before == 1, "forty waiting jobs are one group")
    for index in 0..<40 {
      if index % 4 == 0 {
        #expect(throws: StoreError.conflict("job \(index)")) { try results[index]?.get() }
        #expect(try store.run("run-\(index)") == nil)
      } else {
        #expect(try results[index]?.get() == index)
        #expect(try store.run("run-\(index)")?.metrics.map(\.key) == ["key-\(index)"])
      }
    }
    // What the failed jobs had entered in the writer's memory must not be believed afterwards.
    try store.append([MetricPoint(key: "key-0", step: 0, timestamp: 0, value: 1)], run: "run-1")
    #expect(try store.run("run-1")?.metrics.map(\.key) == ["key-0", "key-1"])
    #expect(throws: StoreError.notFound("run 'run-0'")) { try store.append([], run: "run-0") }
  }

  @Test func aFullQueueRefusesAtOnce() throws {
    let folder = try TemporaryFolder()
    let store = try folder.open()
    store.writer.pause(true)
    let thread = try startThread { try? store.write(cost: Writer.maximumCost) { _ in } }
    #expect(store.eventually { store.gauges.queuedWrites == 1 })
    #expect(throws: StoreError.busy) { try store.write(cost: 1) { _ in } }
    store.writer.pause(false)
    pthread_join(thread, nil)
    try store.write(cost: 1) { _ in }
  }

  @Test func writersAndReadersOnManyThreads() throws {
    let folder = try TemporaryFolder()
    let store = try folder.open(limits: .eager)
    for run in 0..<8 { try store.createRun(NewRun(uid: "r\(run)", name: "run")) }
    let failures = Results()
    try onThreads(8) { thread in
      for step in 0..<100 {
        let result = Result {
          let points = (0..<5).map { MetricPoint(key: "k\($0)", step: Int64(step), timestamp: 1, value: 2) }
          try store.append(points, run: "r\(thread)")
          let counts = try store.summaries(run: "r\(thread)").map(\.count)
          if counts != [Int](repeating: step + 1, count: 5) {
            throw StoreError.conflict("\(step): \(counts)")
          }
          return step
        }
        if case .failure = result { failures.note(thread, result) }
      }
    }
    #expect(failures.isEmpty, "an acknowledged write was not read back")
    #expect(try store.check() == [])
  }

  // MARK: Crashes and full disks

  /// The files of a store that was never closed hold every acknowledged write.
  @Test func anAbandonedStoreHoldsWhatWasAcknowledged() throws {
    let (folder, copy) = (try TemporaryFolder(), try TemporaryFolder())
    let store = try Store.open(folder: folder.path)
    try store.createRun(NewRun(uid: "r", name: "run"))
    var expected: [Double] = []
    for step in 0..<50 {
      expected.append(Double(step) / 3)
      try store.append(
        [MetricPoint(key: "m", step: Int64(step), timestamp: 1, value: Double(step) / 3)], run: "r")
    }
    try store.putCheckpoint(NewCheckpoint(step: 9, epoch: 1, createdAt: 1), bytes: [1, 2, 3], run: "r")
    for name in ["/cairn.db", "/cairn.db-wal"] { try copyFile(folder.path + name, copy.path + name) }
    let second = try copy.open()
    #expect(try second.curve(run: "r", key: "m").values == expected)
    #expect(try second.readCheckpoint(run: "r", step: 9, offset: 0, count: 10) == [1, 2, 3])
    #expect(try second.check() == [])
    second.close()
    store.close()
    #expect(!Folder.exists(folder.path + "/cairn.db-wal"), "closing empties the log")
  }

  @Test func aFullDiskFailsWritesAndNothingElse() throws {
    let folder = try TemporaryFolder()
    let store = try folder.open()
    try store.createRun(NewRun(uid: "r", name: "run"))
    try store.append([MetricPoint(key: "m", step: 1, timestamp: 1, value: 1)], run: "r")
    let pages = try store.write { connection in
      let pages = try connection.integer("PRAGMA page_count") ?? 0
      try connection.script("PRAGMA max_page_count=\(pages + 40)")
      return pages
    }
    let large = [UInt8](repeating: 7, count: 3 << 20)
    let checkpoint = NewCheckpoint(step: 1, epoch: 0, createdAt: 0, labels: ["latest"])
    #expect(throws: StoreError.full) { try store.putCheckpoint(checkpoint, bytes: large, run: "r") }
    #expect(try store.listCheckpoints(run: "r") == [])
    #expect(try store.summaries(run: "r").first?.count == 1)
    var stored: Int64 = 1
    while stored < 5000 {
      let point = MetricPoint(
        key: String(repeating: "k", count: 900) + "\(stored)", step: 0, timestamp: 0, value: 0)
      do { try store.append([point], run: "r") } catch {
        #expect(error as? StoreError == .full)
        break
      }
      stored += 1
    }
    #expect(stored > 1 && stored < 5000)
    #expect(try store.summaries(run: "r").count == Int(stored))
    _ = try store.write { try $0.script("PRAGMA max_page_count=\(pages + 100_000)") }
    try store.putCheckpoint(checkpoint, bytes: large, run: "r")
    #expect(try store.readCheckpoint(run: "r", step: 1, offset: (3 << 20) - 2, count: 9) == [7, 7])
    #expect(try store.check() == [])
  }

  // MARK: Backups and checks

  @Test func backsUpALiveStore() throws {
    let (folder, copy) = (try TemporaryFolder(), try TemporaryFolder())
    let store = try folder.open(limits: .lazy)
    try store.createRun(NewRun(uid: "r", name: "run"))
    try store.append([MetricPoint(key: "m", step: 1, timestamp: 1, value: -0.0)], run: "r")
    let file = copy.path + "/cairn.db"
    #expect(try Store.backup(folder: folder.path, to: file) == Folder.size(file))
    #expect(throws: StoreError.self) { try store.backup(to: file) }
    let second = try copy.open()
    #expect(try second.curve(run: "r", key: "m").values.first?.sign == .minus)
    #expect(try Store.check(folder: copy.path) == [])
    #expect(throws: StoreError.self) { try Store.check(folder: copy.path + "/none") }
  }

  @Test(arguments: ["chunk_data", "segment", "inbox", "checkpoint_chunk"]) func damageIsFound(
    table: String
  ) throws {
    let folder = try TemporaryFolder()
    let store = try folder.open(limits: .lazy)
    try store.createRun(NewRun(uid: "r", name: "run"))
    for key in ["a", "b"] {
      try store.append(
        (0..<(table == "inbox" ? 5 : 60)).map {
          MetricPoint(key: key, step: $0, timestamp: 1, value: key == "a" ? 0.3 : 0.7)
        },
        run: "r")
      if table == "chunk_data" { try store.foldAll() }
    }
    try store.putCheckpoint(NewCheckpoint(step: 1, epoch: 0, createdAt: 0), bytes: [1, 2, 3], run: "r")
    #expect(try store.check() == [])
    // One byte of the first row's blob.
    try store.write { connection in
      try connection.execute(
        """
        UPDATE \(table) SET data = CAST(substr(data, 1, 2) || x'FF' || substr(data, 4) AS BLOB)
        WHERE data = (SELECT data FROM \(table) LIMIT 1)
        """)
    }
    #expect(try store.check().count >= 1)
    if table == "checkpoint_chunk" {
      #expect(throws: StoreError.self) { try store.readCheckpoint(run: "r", step: 1, offset: 0, count: 3) }
    } else {
      #expect(throws: StoreError.self) { try store.curve(run: "r", key: "a") }
    }
    if table == "chunk_data" { #expect(try store.curve(run: "r", key: "b").count == 60) }
  }
}

/// Results by number, from many threads. Unchecked: all under the monitor.
final class Results: @unchecked Sendable {
  private let monitor = Monitor()
  private var results: [Int: Result<Int, any Error>] = [:]

  func note(_ index: Int, _ result: Result<Int, any Error>) { monitor.locked { results[index] = result } }

  subscript(index: Int) -> Result<Int, any Error>? { monitor.locked { results[index] } }

  var isEmpty: Bool { monitor.locked { results.isEmpty } }
}
