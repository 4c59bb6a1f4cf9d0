// The one thread that writes.
//
// Rule: this thread's connection is the only one in the process that ever commits or checkpoints. It is what
// makes group commit possible, and it is what keeps SQLite 3.40 clear of its WAL-reset race (a checkpoint that
// meets a commit of another connection may lose pages; fixed in 3.51.3). Nothing may open a second writer.
//
// A group is one transaction, with a savepoint for each job so that a bad one is undone alone. Its jobs are run as they
// come while the disk is busy with the last group (see LogSync.swift), so the disk sets the group's size; answers go
// out when the group itself is on the disk.

import CSQLite
import Glibc

/// What the writer's connection knows between transactions. Lost (by `forget`) whenever something is rolled back.
struct WriterMemory {
  /// Ids of metric keys and runs, so that an append of known keys asks the database nothing.
  var keyIDs: [ExactText: Int64] = [:]
  var runIDs: [String: Int64] = [:]
  /// The same of runs that are known to be active.
  var activeRunIDs: [String: Int64] = [:]
  /// Segments that wait to be folded, by run.
  var unfolded = UnfoldedRuns()
  /// At most so many segments are in the inbox: it may be one too many, but is not nothing when there are some.
  var inboxRows = 1
  /// The id of the next segment.
  var nextSegment: Int64?
  /// There are deleted checkpoints whose bytes are still stored.
  var hasDoomedCheckpoints = true
  /// Pages were freed since the file was last made smaller.
  var mayShrink = true

  /// Forgets what may have been rolled back; the other fields are hints that may be wrong.
  mutating func forget() {
    keyIDs.removeAll()
    runIDs.removeAll()
    activeRunIDs.removeAll()
    nextSegment = nil
    inboxRows += 1
  }
}

/// Unchecked: the queue is under `monitor`, the connection belongs to the writer thread once it runs.
final class Writer: @unchecked Sendable {
  /// One waiting request. Unchecked: written by the writer thread before `done`, read by the caller after it.
  private final class Job: @unchecked Sendable {
    let cost: Int
    let body: (Connection) throws -> Void
    /// Called once when the commit is on the disk, on the thread that saw to it.
    let done: ((any Error)?) -> Void
    var failure: (any Error)?

    init(cost: Int, body: @escaping (Connection) throws -> Void, done: @escaping ((any Error)?) -> Void) {
      self.cost = cost
      self.body = body
      self.done = done
    }
  }

  /// Carries the result of a job from the writer thread to the caller. Unchecked: as `Job`.
  private final class Box<T>: @unchecked Sendable {
    var value: T?
    var failure: (any Error)?
  }

  static let maximumJobs = 2048
  static let maximumCost = 64 << 20
  static let maximumGroup = 256

  private let monitor = Monitor()
  private var queue: [Job] = []
  private var queuedCost = 0
  private var stopping = false
  private var paused = false
  /// The last group is not on the disk yet.
  private var diskIsBusy = false
  private var gaugeValues = Store.Gauges()

  private let connection: Connection
  private var maintenance: Maintenance
  private var thread: pthread_t?
  /// Nil when acknowledged writes need not survive the loss of power.
  private var log: LogSync?

  /// `sync` puts the write-ahead log on the disk and tells whether it could; without it nobody waits for the disk.
  init(
    connection: Connection, maintenance: Maintenance, sync: (@Sendable () -> Bool)?
  ) throws(StoreError) {
    self.connection = connection
    self.maintenance = maintenance
    connection.memory.unfolded.setThreshold(maintenance.limits.foldPoints)
    if let sync {
      log = try LogSync(sync: sync) { [monitor, weak self] in
        monitor.locked { self?.diskIsBusy = false }
        monitor.signal()
      }
    }
    let thread = try startThread { [self] in loop() }
    monitor.locked { self.thread = thread }
  }

  // MARK: Callers' side

  func submit<T: Sendable>(cost: Int, _ body: @escaping @Sendable (Connection) throws -> T) throws -> T {
    if let log { precondition(!log.isCurrent, "a write that waits for itself") }
    let box = Box<T>()
    let done = Semaphore()
    let job = Job(cost: cost) {
      box.value = try body($0)
    } done: { failure in
      box.failure = failure
      done.post()
    }
    try enqueue(job)
    done.wait()
    if let failure = box.failure { throw failure }
    guard let value = box.value else { throw StoreError.closed }
    return value
  }

  /// Queues a job and returns; `done` gets its error, or nil when it is on the disk, and must not take long.
  func submit(
    cost: Int, _ body: @escaping @Sendable (Connection) throws -> Void,
    done: @escaping @Sendable ((any Error)?) -> Void
  ) throws(StoreError) {
    try enqueue(Job(cost: cost, body: body, done: done))
  }

  private func enqueue(_ job: Job) throws(StoreError) {
    var wakes = false
    let refusal: StoreError? = monitor.locked {
      if stopping { return .closed }
      if let thread { precondition(pthread_equal(thread, pthread_self()) == 0, "a write inside a write") }
      // A job above the limit on its own is let through when nothing else waits.
      let tooMuch = queuedCost + job.cost > Writer.maximumCost && !queue.isEmpty
      if queue.count >= Writer.maximumJobs || tooMuch { return .busy }
      queue.append(job)
      queuedCost += job.cost
      wakes = queue.count == 1
      return nil
    }
    if wakes { monitor.signal() }
    if let refusal { throw refusal }
  }

  /// Ends the thread and its connection after the jobs that wait; true for the call that did it.
  func stop() -> Bool {
    let thread = monitor.locked {
      stopping = true
      paused = false
      monitor.broadcast()
      defer { self.thread = nil }
      return self.thread
    }
    guard let thread else { return false }
    pthread_join(thread, nil)
    log?.stop()
    return true
  }

  /// Waits until all that a reader may have seen is on the disk.
  func awaitDisk() { log?.awaitDisk() }

  /// Holds the thread before its next group, so that a test can fill the queue.
  func pause(_ on: Bool) {
    monitor.locked {
      paused = on
      monitor.broadcast()
    }
  }

  var gauges: Store.Gauges {
    monitor.locked {
      var gauges = gaugeValues
      gauges.queuedWrites = queue.count
      return gauges
    }
  }

  // MARK: The thread

  private func loop() {
    connection.own()
    var patience: UInt64? = 0
    while let jobs = take(patience: patience) {
      if !jobs.isEmpty { commit(jobs) }
      patience = maintenance.work(connection, isPressed: { self.monitor.locked { !self.queue.isEmpty } })
      publish()
    }
    maintenance.finish(connection)
    connection.close()
  }

  /// The next group; empty when `patience` (nanoseconds; nil: none) ran out, nil at the end.
  private func take(patience: UInt64?) -> [Job]? {
    monitor.locked {
      let end = patience.map { monotonicNanoseconds() + $0 }
      while (queue.isEmpty || paused) && !stopping {
        guard let end else {
          monitor.wait()
          continue
        }
        let now = monotonicNanoseconds()
        if now >= end { return [] }
        monitor.wait(nanoseconds: end - now)
      }
      return queue.isEmpty ? nil : taken(most: Writer.maximumGroup)
    }
  }

  /// More jobs for a group of `count` as long as the disk is not ready for it; nil when it is.
  private func company(of count: Int) -> [Job]? {
    monitor.locked {
      while diskIsBusy {
        let room = Writer.maximumGroup - count
        if room > 0, !queue.isEmpty, !paused { return taken(most: room) }
        monitor.wait()
      }
      return nil
    }
  }

  private func taken(most: Int) -> [Job] {
    let group = Array(queue.prefix(most))
    queue.removeFirst(group.count)
    queuedCost -= group.reduce(0) { $0 + $1.cost }
    return group
  }

  private func commit(_ first: [Job]) {
    var jobs = first
    var failure: (any Error)?
    do {
      try regainDisk()
      try connection.execute("BEGIN IMMEDIATE")
      for job in jobs { try run(job) }
      while let more = company(of: jobs.count) {
        jobs += more
        for job in more { try run(job) }
      }
    } catch {
      failure = error
    }
    log?.announce()
    do {
      if failure == nil { try connection.execute("COMMIT") }
    } catch {
      failure = error
    }
    if let failure {
      // Whatever a job got, nothing of the group is stored.
      connection.undo()
      for job in jobs where job.failure == nil { job.failure = failure }
    }
    maintenance.lastWork = monotonicNanoseconds()
    publish(jobs.count)
    answer(jobs)
  }

  /// Answers a group, when it is on the disk.
  private func answer(_ jobs: [Job]) {
    guard let log else {
      for job in jobs { job.done(job.failure) }
      return
    }
    monitor.locked { diskIsBusy = true }
    log.submit { isDurable in
      for job in jobs { job.done(job.failure ?? (isDurable ? nil : StoreError.full)) }
    }
  }

  /// After a failed sync: copies the log into the database, so that nothing hangs on the blocks that were lost.
  private func regainDisk() throws {
    guard let log, log.hasFailed else { return }
    guard try maintenance.checkpoint(connection, truncate: true) else { throw StoreError.full }
    log.recover()
  }

  /// Runs one job in its savepoint; throws only when the whole transaction is gone.
  private func run(_ job: Job) throws {
    try connection.execute("SAVEPOINT job")
    do {
      try job.body(connection)
      try connection.execute("RELEASE job")
    } catch {
      job.failure = error
      connection.memory.forget()
      // A full disk may have rolled everything back already; then the others of the group fail as well.
      guard connection.inTransaction else { throw error }
      try connection.execute("ROLLBACK TO job")
      try connection.execute("RELEASE job")
    }
  }

  private func publish(_ jobs: Int = 0) {
    monitor.locked {
      gaugeValues.commits += jobs > 0 ? 1 : 0
      gaugeValues.writes += jobs
      gaugeValues.walBytes = connection.walPages * 4096
      gaugeValues.unfoldedPoints = connection.memory.unfolded.points
    }
  }
}

extension Connection {
  /// Leaves no transaction open after a failure; a full disk or I/O error may have ended it already.
  func undo() {
    memory.forget()
    if inTransaction { try? execute("ROLLBACK") }
  }

  /// Runs `body` in a transaction of its own.
  func transaction<T>(_ body: () throws -> T) throws -> T {
    try execute("BEGIN IMMEDIATE")
    do {
      let result = try body()
      try execute("COMMIT")
      return result
    } catch {
      undo()
      throw error
    }
  }
}
