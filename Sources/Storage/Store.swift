// Storage: one folder, one SQLite file, one writer.
//
// What lives here: everything that is kept. `Core/` is the machine (connection, writer thread, reader pool,
// housekeeping), `Migrations/` the schema, `Metrics/` the time series, `Resources/` one file a resource with
// its SQL and its functions, `Artifacts/` files by path. What does not: JSON (a spec is text here), HTTP, training.
//
// A resource's functions are on `Connection`, so that several of them can be one transaction:
//     try store.write { try $0.logParams(params, run: uid); try $0.append(batch, run: uid) }
// and each has a twin on `Store` that is one transaction of its own.
//
// To add a resource: a table in a new migration, a file in `Resources/`, a test that reopens the store.

import CSQLite
import Glibc

/// A data folder that is open in this process.
public final class Store: Sendable {
  /// What an acknowledged write survives.
  public enum Durability: Sendable {
    /// Power loss: every commit is on the disk before its answer.
    case full
    /// The death of the process; power loss may take the last commits, never the store.
    case normal
  }

  /// Counts for monitoring.
  public struct Gauges: Sendable, Equatable {
    /// Writes that wait.
    public var queuedWrites = 0
    /// Transactions since the start.
    public var commits = 0
    /// Writes since the start; `writes / commits` is the size of a group.
    public var writes = 0
    /// Bytes in the write-ahead log.
    public var walBytes = 0
    /// Metric points in segments.
    public var unfoldedPoints = 0
  }

  let folder: Folder
  /// Acknowledged writes survive power loss.
  let isDurable: Bool
  let writer: Writer
  private let readers: Readers
  private let lock: Int32

  /// Opens the store in `folder`, making what is missing and migrating what is older.
  ///
  /// Throws `StoreError`: `.locked`, `.notWritable`, `.newerVersion`, `.corrupt`.
  public static func open(folder: String, durability: Durability = .full) throws -> Store {
    try open(folder: folder, durability: durability, migrations: Migrations.all, limits: .init())
  }

  static func open(
    folder: String, durability: Durability, migrations: [Migration], limits: Maintenance.Limits,
    sync: (@Sendable () -> Bool)? = nil
  ) throws -> Store {
    let folder = Folder(path: folder)
    try folder.make()
    let lock = try folder.takeLock()
    do {
      return try Store(
        folder: folder, lock: lock, durability: durability, migrations: migrations, limits: limits, sync: sync
      )
    } catch {
      Glibc.close(lock)
      throw error
    }
  }

  private init(
    folder: Folder, lock: Int32, durability: Durability, migrations: [Migration], limits: Maintenance.Limits,
    sync: (@Sendable () -> Bool)?
  ) throws {
    self.folder = folder
    self.lock = lock
    isDurable = durability == .full
    let connection = try Connection(path: folder.database, role: .writer)
    // A store of a newer program must not be touched, not even by a pragma.
    let version = try Migrations.version(of: connection, known: migrations)
    try connection.configure(role: .writer, durability: durability)
    if version > 0 && version < migrations.map(\.version).max() ?? 0 {
      try Store.keepBackup(of: folder, version: version)
    }
    try Migrations.run(connection, known: migrations, now: wallMilliseconds())
    // On a full disk these fail and wait; the store opens all the same.
    try? connection.abandonPartialCheckpoints()
    try? connection.transaction { try connection.emptyInbox() }
    connection.memory.unfolded = try connection.unfoldedRuns()
    readers = try Readers(path: folder.database, durability: durability)
    writer = try Writer(
      connection: connection, maintenance: Maintenance(limits: limits),
      sync: try sync ?? (durability == .full ? Store.logSync(of: folder, connection) : nil))
    try? cleanArtifacts(now: wallMilliseconds())
  }

  deinit { close() }

  /// What puts the log on the disk from now on; the connection itself does so no more after each commit.
  private static func logSync(of folder: Folder, _ connection: Connection) throws -> @Sendable () -> Bool {
    let log = try SyncedFile(path: folder.database + "-wal")
    try connection.script("PRAGMA synchronous=NORMAL")
    return { log.sync() }
  }

  /// Finishes the writes that wait, empties the log and lets the folder go. Later calls throw `.closed`.
  public func close() {
    readers.close()
    if writer.stop() { Glibc.close(lock) }
  }

  /// Runs `job` on the writer thread and returns when its transaction is on the disk.
  ///
  /// The job shares a transaction with others but is undone alone when it throws; its error is rethrown here.
  /// It may run before an error of the whole group makes it fail, so it should have no other effects. `cost` is
  /// the memory that the job holds, in bytes. Throws `.busy` at once when too much waits.
  public func write<T: Sendable>(cost: Int = 0, _ job: @escaping @Sendable (Connection) throws -> T) throws
    -> T
  {
    try writer.submit(cost: cost, job)
  }

  /// Queues `job` as `write` does and returns at once; `done` gets its error, or nil when its transaction is on the
  /// disk, on a thread that it must not hold up, nor wait on for another write. Throws `.busy` when too much waits.
  public func writeLater(
    cost: Int = 0, _ job: @escaping @Sendable (Connection) throws -> Void,
    done: @escaping @Sendable ((any Error)?) -> Void
  ) throws {
    try writer.submit(cost: cost, job, done: done)
  }

  /// Runs `body` on a read-only connection: one snapshot, which holds all that was acknowledged before.
  ///
  /// There are four of them, and an open snapshot holds the log: `body` must not wait for a client, nor read again
  /// inside. Throws `.busy` when SQLite is at it for more than ten seconds.
  public func read<T>(_ body: (Connection) throws -> T) throws -> T {
    defer { writer.awaitDisk() }
    return try readers.read(body)
  }

  /// Counts for monitoring.
  public var gauges: Gauges { writer.gauges }

  /// The folder for artifacts' bytes.
  public var artifactFolder: String { folder.artifacts }
}

/// Milliseconds since 1970.
func wallMilliseconds() -> Int64 {
  var time = timespec()
  clock_gettime(CLOCK_REALTIME, &time)
  return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
}
