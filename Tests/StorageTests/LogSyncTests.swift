// Answers wait for the disk, and the writer does not: with a disk that the test holds, lets go and breaks.

import Glibc
import Testing

@testable import Storage

/// A disk that is slow or broken on demand. Unchecked: all under the monitor.
private final class Disk: @unchecked Sendable {
  private let monitor = Monitor()
  private var isHeld = false
  private var failures = 0
  private var began = 0

  /// Syncs that began.
  var count: Int { monitor.locked { began } }

  func hold(_ on: Bool) {
    monitor.locked {
      isHeld = on
      monitor.broadcast()
    }
  }

  func fail(_ times: Int) { monitor.locked { failures = times } }

  func sync() -> Bool {
    monitor.locked {
      began += 1
      monitor.broadcast()
      while isHeld { monitor.wait() }
      failures -= 1
      return failures < 0
    }
  }
}

@Suite struct LogSyncTests {
  private let folder: TemporaryFolder
  private let disk = Disk()
  private let store: Store

  init() throws {
    folder = try TemporaryFolder()
    store = try Store.open(
      folder: folder.path, durability: .normal, migrations: Migrations.all, limits: .lazy,
      sync: { [disk] in disk.sync() })
    try store.createRun(NewRun(uid: "r", name: "run"))
  }

  private func point(_ step: Int) -> [MetricPoint] {
    [MetricPoint(key: "m", step: Int64(step), timestamp: 1, value: 2)]
  }

  /// Starts a write of one point; its result is noted when it comes.
  private func begin(_ step: Int, _ results: Results) throws -> pthread_t {
    try startThread { [store] in
      results.note(step, Result { try store.append(self.point(step), run: "r") }.map { step })
    }
  }

  @Test func aWriteIsAnsweredWhenItIsOnTheDisk() throws {
    let (results, commits) = (Results(), store.gauges.commits)
    disk.hold(true)
    let thread = try begin(1, results)
    #expect(store.eventually { store.gauges.commits == commits + 1 })
    usleep(50_000)
    #expect(results.isEmpty, "answered before it was on the disk")
    disk.hold(false)
    pthread_join(thread, nil)
    #expect(try results[1]?.get() == 1)
  }

  @Test func aReaderIsNotToldWhatMayYetBeLost() throws {
    let (writes, reads, commits) = (Results(), Results(), store.gauges.commits)
    disk.hold(true)
    let writer = try begin(1, writes)
    #expect(store.eventually { store.gauges.commits == commits + 1 })
    let reader = try startThread { [store] in
      reads.note(0, Result { try store.curve(run: "r", key: "m").count })
    }
    usleep(50_000)
    #expect(reads.isEmpty, "read before it was on the disk")
    disk.hold(false)
    for thread in [writer, reader] { pthread_join(thread, nil) }
    #expect(try reads[0]?.get() == 1)
    // With nothing under way nobody waits.
    disk.hold(true)
    #expect(try store.curve(run: "r", key: "m").count == 1)
    disk.hold(false)
  }

  /// While the disk is busy, what comes is written already and becomes one group.
  @Test func theDiskSetsTheSizeOfAGroup() throws {
    let (results, commits, syncs) = (Results(), store.gauges.commits, disk.count)
    disk.hold(true)
    var threads = [try begin(0, results)]
    #expect(store.eventually { disk.count == syncs + 1 && store.gauges.commits == commits + 1 })
    for step in 1...30 { threads.append(try begin(step, results)) }
    usleep(50_000)
    #expect(store.eventually { store.gauges.queuedWrites == 0 }, "the writer waits for the disk")
    #expect(store.gauges.commits == commits + 1)
    disk.hold(false)
    for thread in threads { pthread_join(thread, nil) }
    #expect(try (0...30).allSatisfy { try results[$0]?.get() == $0 })
    #expect(store.gauges.commits == commits + 2)
    #expect(try store.curve(run: "r", key: "m").count == 31)
  }

  @Test func afterAFailedSyncTheLogIsCopiedBeforeAnythingIsAcknowledged() throws {
    disk.fail(1)
    #expect(throws: StoreError.full) { try store.append(point(1), run: "r") }
    // A reader that stays holds the log, so it cannot be copied whole.
    try store.read { connection in
      _ = try connection.integer("SELECT count(*) FROM run")
      let (results, syncs) = (Results(), disk.count)
      pthread_join(try begin(2, results), nil)
      #expect(throws: StoreError.full) { try results[2]?.get() }
      #expect(disk.count == syncs, "the disk is not asked before the log is safe")
    }
    try store.append(point(3), run: "r")
    #expect(try store.curve(run: "r", key: "m").steps.contains(3))
    #expect(try store.check() == [])
  }

  /// What COMMIT itself refuses is told like any other failure, and the next write goes on.
  @Test func aFailedJobIsAnsweredAfterItsGroup() throws {
    #expect(throws: StoreError.notFound("run 'x'")) { try store.append(point(1), run: "x") }
    try store.append(point(1), run: "r")
    #expect(try store.curve(run: "r", key: "m").count == 1)
  }

  @Test func closingAnswersWhatWaits() throws {
    let results = Results()
    disk.hold(true)
    let thread = try begin(1, results)
    let closer = try startThread { [store, disk] in
      usleep(20_000)
      disk.hold(false)
      store.close()
    }
    for thread in [thread, closer] { pthread_join(thread, nil) }
    #expect(try results[1]?.get() == 1)
    #expect(try folder.open().curve(run: "r", key: "m").count == 1)
  }
}
