// What the writer does between groups, in slices of some milliseconds: checkpoints of the write-ahead log,
// folding of segments, bytes of deleted checkpoints, giving free pages back to the file system.

import CSQLite

/// The segments of one run that wait to be folded.
struct UnfoldedRun {
  var points: Int
  /// Monotonic time of the oldest and the newest of them.
  var since: UInt64
  var latest: UInt64
}

/// All of those runs. There may be ten thousand, and every commit asks: so the sums are kept.
struct UnfoldedRuns {
  private(set) var runs: [Int64: UnfoldedRun] = [:]
  /// Points of all runs.
  private(set) var points = 0
  /// Runs with so many points that they are folded without waiting for a quiet time.
  private(set) var large: Set<Int64> = []
  private var threshold = Int.max

  subscript(run: Int64) -> UnfoldedRun? {
    get { runs[run] }
    set {
      points += (newValue?.points ?? 0) - (runs[run]?.points ?? 0)
      runs[run] = newValue
      if newValue?.points ?? -1 >= threshold {
        large.insert(run)
      } else {
        large.remove(run)
      }
    }
  }

  /// Chooses how many points make a run large.
  mutating func setThreshold(_ points: Int) {
    threshold = points
    large = Set(runs.filter { $0.value.points >= points }.keys)
  }

  mutating func add(_ count: Int, run: Int64, now: UInt64) {
    var waiting = runs[run] ?? UnfoldedRun(points: 0, since: now, latest: now)
    waiting.points += count
    waiting.latest = now
    self[run] = waiting
  }
}

/// The writer's housekeeping; used by its thread alone.
struct Maintenance {
  /// When to act. Folding rewrites the open chunk of every series of the run, so it waits for enough points.
  struct Limits: Sendable {
    var foldPoints = 8192
    var foldAge: UInt64 = 30_000_000_000
    var foldQuiet: UInt64 = 5_000_000_000
    /// Points of a run above which folding goes on although writers wait: bounds the cost of a read.
    var foldPressure = 100_000
    /// Segments that the inbox may hold while writers wait, and how long it keeps fewer.
    var inboxRows = 256
    var inboxQuiet: UInt64 = 50_000_000
    var checkpointPages = 4096
    var truncatePages = 16384
    var shrinkQuiet: UInt64 = 500_000_000
    var checkpointQuiet: UInt64 = 2_000_000_000
    /// Free pages that stay in the file for the next rows.
    var sparePages: Int64 = 64
  }

  var limits: Limits
  var lastWork: UInt64 = monotonicNanoseconds()
  private var foldBudget = 16_384
  /// After a failure (a full disk, a damaged segment) nothing is tried before this time.
  private var restUntil: UInt64 = 0
  /// Runs that are to be folded because of their age; and the time before which no other comes to be of that age.
  private var aged: [Int64] = []
  private var nextAging = UInt64.max

  init(limits: Limits = Limits()) { self.limits = limits }

  /// Does one slice; returns how long the writer may sleep (nanoseconds; 0: there is more; nil: nothing to do).
  mutating func work(_ connection: Connection, isPressed: () -> Bool) -> UInt64? {
    let now = monotonicNanoseconds()
    if now < restUntil { return restUntil - now }
    do {
      return try slice(connection, now: now, isPressed: isPressed)
    } catch {
      connection.undo()
      restUntil = now + 5_000_000_000
      return 5_000_000_000
    }
  }

  private mutating func slice(_ connection: Connection, now: UInt64, isPressed: () -> Bool) throws -> UInt64?
  {
    if connection.walPages > limits.checkpointPages {
      try checkpoint(connection, truncate: connection.walPages > limits.truncatePages)
    }
    let pressed = isPressed()
    let waiting = connection.memory.inboxRows
    if waiting >= limits.inboxRows || (waiting > 0 && !pressed && now - lastWork >= limits.inboxQuiet) {
      try connection.transaction { try connection.emptyInbox() }
    }
    if let run = foldable(connection.memory.unfolded, now: now, pressed: pressed) {
      try fold(connection, run: run)
      return 0
    }
    if pressed { return 0 }
    if connection.memory.hasDoomedCheckpoints {
      connection.memory.hasDoomedCheckpoints = try connection.removeDoomedBytes()
      connection.memory.mayShrink = true
      return 0
    }
    let quiet = now - lastWork
    if connection.memory.mayShrink && quiet >= limits.shrinkQuiet {
      connection.memory.mayShrink = try shrink(connection)
      return 0
    }
    if connection.walPages > 0 && quiet >= limits.checkpointQuiet {
      // A reader may hold the log; then there is nothing to gain before the next quiet time.
      if try !checkpoint(connection, truncate: true) { lastWork = now }
      return 0
    }
    return pause(connection, now: now, quiet: quiet)
  }

  /// The time until the next of the waits above is over.
  private func pause(_ connection: Connection, now: UInt64, quiet: UInt64) -> UInt64? {
    var waits: [UInt64] = []
    if connection.memory.inboxRows > 0 { waits.append(limits.inboxQuiet - quiet) }
    if connection.memory.mayShrink { waits.append(limits.shrinkQuiet - quiet) }
    if connection.walPages > 0 { waits.append(limits.checkpointQuiet - quiet) }
    if !connection.memory.unfolded.runs.isEmpty { waits.append(nextAging > now ? nextAging - now : 0) }
    return waits.min().map { $0 + 1_000_000 }
  }

  /// The run whose segments are to be folded now.
  private mutating func foldable(_ unfolded: UnfoldedRuns, now: UInt64, pressed: Bool) -> Int64? {
    func points(_ run: Int64) -> Int { unfolded[run]?.points ?? 0 }
    if let largest = unfolded.large.max(by: { points($0) < points($1) }),
      !pressed || points(largest) >= limits.foldPressure
    {
      return largest
    }
    if pressed || unfolded.runs.isEmpty { return nil }
    let shortest = min(limits.foldAge, limits.foldQuiet)
    // No run that is new since the last look can be due before this.
    if nextAging == .max { nextAging = now + shortest }
    if aged.isEmpty, now >= nextAging {
      nextAging = now + shortest
      for (number, run) in unfolded.runs {
        let due = min(run.since + limits.foldAge, run.latest + limits.foldQuiet)
        if due <= now { aged.append(number) } else { nextAging = min(nextAging, due) }
      }
    }
    while let run = aged.popLast() {
      if unfolded[run] != nil { return run }
    }
    return nil
  }

  private mutating func fold(_ connection: Connection, run: Int64) throws {
    let start = monotonicNanoseconds()
    do {
      let folded = try connection.transaction { try connection.foldSegments(run: run, budget: foldBudget) }
      connection.noteFolded(run: run, folded)
    } catch let error as StoreError {
      // A damaged segment stays as it is and must not keep the other runs waiting.
      if case .corrupt = error { connection.memory.unfolded[run] = nil }
      throw error
    }
    let took = monotonicNanoseconds() - start
    if took > 8_000_000 { foldBudget = max(1024, foldBudget / 2) }
    if took < 3_000_000 { foldBudget = min(65_536, foldBudget * 2) }
  }

  /// Frees a slice of the free pages; false when few enough are left.
  private func shrink(_ connection: Connection) throws -> Bool {
    let free = try connection.integer("PRAGMA freelist_count") ?? 0
    guard free > limits.sparePages else { return false }
    try connection.execute("PRAGMA incremental_vacuum(200)")
    return true
  }

  /// Copies the log into the database; true when all of it went.
  @discardableResult
  func checkpoint(_ connection: Connection, truncate: Bool) throws -> Bool {
    var logged: Int32 = 0
    var copied: Int32 = 0
    sqlite3_busy_timeout(connection.handle, 100)
    defer { sqlite3_busy_timeout(connection.handle, 5000) }
    let mode = truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE
    let code = sqlite3_wal_checkpoint_v2(connection.handle, nil, mode, &logged, &copied)
    guard code == SQLITE_OK || code & 0xff == SQLITE_BUSY else { throw connection.error(code) }
    let complete = code == SQLITE_OK && logged == copied
    if complete { connection.walPages = 0 }
    return complete
  }

  /// The end of the writer: leaves an empty log behind when no reader prevents it.
  mutating func finish(_ connection: Connection) { _ = try? checkpoint(connection, truncate: true) }
}
