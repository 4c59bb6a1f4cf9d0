// The one thread that writes.
//
// Rule: this thread's connection is the only one in the process that ever commits or checkpoints. It is what
// makes group commit possible, and it is what keeps SQLite 3.40 clear of its WAL-reset race (a checkpoint that
// meets a commit of another connection may lose pages; fixed in 3.51.3). Nothing may open a second writer.
//
// A group is whatever waits when the last commit is done, so the disk sets the group's size: one transaction,
// a savepoint for each job so that a bad one is undone alone, answers after COMMIT.

import CSQLite
import Glibc

/// What the writer's connection knows between transactions. Lost (by `forget`) whenever something is rolled back.
struct WriterMemory {
  /// Ids of metric keys and runs, so that an append of known keys asks the database nothing.
  var keyIDs: [String: Int64] = [:]
  var runIDs: [String: Int64] = [:]
  /// The same of runs that are known to be active.
  var activeRunIDs: [String: Int64] = [:]
  /// Segments that wait to be folded, by run.
  var unfolded = UnfoldedRuns()
  /// There are deleted checkpoints whose bytes are still stored.
  var hasDoomedCheckpoints = true
  /// Pages were freed since the file was last made smaller.
  var mayShrink = true

  /// Forgets what may have been rolled back; the other fields are hints that may be wrong.
  mutating func forget() {
    keyIDs.removeAll()
    runIDs.removeAll()
    activeRunIDs.removeAll()
  }
}

/// Unchecked: the queue is under `monitor`, the connection belongs to the writer thread once it runs.
final class Writer: @unchecked Sendable {
  /// One waiting request. Unchecked: written by the writer thread before `done`, read by the caller after it.
  private final class Job: @unchecked Sendable {
    let cost: Int
    let body: (Connection) throws -> Void
    /// Called once on the writer thread, after the commit.
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
  static let longestGathering: UInt64 = 1_000_000

  private let monitor = Monitor()
  private var queue: [Job] = []
  private var queuedCost = 0
  private var stopping = false
  private var paused = false
  /// Jobs that wake the writer while it gathers a group.
  private var wanted = 1
  private var gaugeValues = Store.Gauges()

  private let connection: Connection
  private var maintenance: Maintenance
  private var thread: pthread_t?
  /// Jobs that were under way when the last group was answered: its own, and those that came meanwhile.
  private var expected = 1
  /// How long the last commit took.
  private var commitTime: UInt64 = 0

  init(connection: Connection, maintenance: Maintenance) throws(StoreError) {
    self.connection = connection
    self.maintenance = maintenance
    connection.memory.unfolded.setThreshold(maintenance.limits.foldPoints)
    let thread = try startThread { [self] in loop() }
    monitor.locked { self.thread = thread }
  }

  // MARK: Callers' side

  func submit<T: Sendable>(cost: Int, _ body: @escaping @Sendable (Connection) throws -> T) throws -> T {
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

  /// Queues a job and returns; `done` gets its error, or nil, on the writer thread and must not take long.
  func submit(
    cost: Int, _ body: @escaping @Sendable (Connection) throws -> Void,
    done: @escaping @Sendable ((any Error)?) -> Void
  ) throws(StoreError) {
    try enqueue(Job(cost: cost, body: body, done: done))
  }

  private func enqueue(_ job: Job) throws(StoreError) {
    let refusal: StoreError? = monitor.locked {
      if stopping { return .closed }
      if let thread { precondition(pthread_equal(thread, pthread_self()) == 0, "a write inside a write") }
      // A job above the limit on its own is let through when nothing else waits.
      let tooMuch = queuedCost + job.cost > Writer.maximumCost && !queue.isEmpty
      if queue.count >= Writer.maximumJobs || tooMuch { return .busy }
      queue.append(job)
      queuedCost += job.cost
      if queue.count == 1 || queue.count == wanted { monitor.signal() }
      return nil
    }
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
    return true
  }

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
      if queue.isEmpty { return nil }
      gather()
      let group = Array(queue.prefix(Writer.maximumGroup))
      queue.removeFirst(group.count)
      queuedCost -= group.reduce(0) { $0 + $1.cost }
      return group
    }
  }

  /// Waits for the others: clients that log in lock-step come back when they are answered, and a commit for all of
  /// them costs what a commit for the first one would. One client alone is never waited for, and nobody longer than
  /// a commit takes.
  private func gather() {
    let most = min(expected, Writer.maximumGroup)
    guard queue.count < most, !stopping else { return }
    let end = monotonicNanoseconds() + min(commitTime, Writer.longestGathering)
    wanted = most
    while queue.count < most, !stopping {
      let now = monotonicNanoseconds()
      if now >= end { break }
      monitor.wait(nanoseconds: end - now)
    }
    wanted = 1
  }

  private func commit(_ jobs: [Job]) {
    let begin = monotonicNanoseconds()
    do {
      try connection.execute("BEGIN IMMEDIATE")
      for job in jobs { try run(job) }
      try connection.execute("COMMIT")
    } catch {
      // Whatever a job got, nothing of the group is stored.
      connection.undo()
      for job in jobs where job.failure == nil { job.failure = error }
    }
    maintenance.lastWork = monotonicNanoseconds()
    commitTime = maintenance.lastWork - begin
    publish(jobs.count)
    for job in jobs { job.done(job.failure) }
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
      if jobs > 0 { expected = jobs + queue.count }
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
