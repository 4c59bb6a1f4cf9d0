// Checkpoints: bytes by run and step, with labels, in rows of one MiB.
//
// A put goes through the writer row by row, so that a large one does not hold the others up; it is invisible
// (`partial`) until one last transaction completes it, moves the labels and drops what retention drops. Dropped
// checkpoints are `doomed`: gone for readers, their bytes are removed in slices when the writer is idle.

/// A checkpoint without its bytes.
public struct CheckpointRecord: Sendable, Equatable {
  /// Updates done when it was made; unique in its run.
  public var step: Int64
  /// Epochs done when it was made.
  public var epoch: Int64
  /// ms since 1970.
  public var createdAt: Int64
  /// Size.
  public var bytes: Int
  /// Such as "latest" and "best"; each is on one checkpoint of a run at most.
  public var labels: [String]
  /// Metrics at that step.
  public var metrics: [CheckpointMetric]
}

/// A metric that is noted with a checkpoint.
public struct CheckpointMetric: Sendable, Equatable {
  /// Name of the metric.
  public var key: String
  /// Any double; every bit of it is kept.
  public var value: Double

  /// A metric.
  public init(_ key: String, _ value: Double) {
    self.key = key
    self.value = value
  }
}

/// What there is to say of a checkpoint before its bytes.
public struct NewCheckpoint: Sendable {
  /// Updates done.
  public var step: Int64
  /// Epochs done.
  public var epoch: Int64
  /// ms since 1970.
  public var createdAt: Int64
  /// Metrics to note.
  public var metrics: [CheckpointMetric]
  /// Labels that move here from where they are.
  public var labels: [String]
  /// Steps of the run whose checkpoints are dropped in the same transaction.
  public var deleting: [Int64]

  /// A checkpoint to be put.
  public init(
    step: Int64, epoch: Int64, createdAt: Int64, metrics: [CheckpointMetric] = [], labels: [String] = [],
    deleting: [Int64] = []
  ) {
    self.step = step
    self.epoch = epoch
    self.createdAt = createdAt
    self.metrics = metrics
    self.labels = labels
    self.deleting = deleting
  }
}

/// A checkpoint that is being put; `finish` makes it appear. One that is left unfinished never does, and its
/// bytes are removed by `abandon` or at the next start.
public struct CheckpointWriter: Sendable {
  private let store: Store
  private let run: String
  private let checkpoint: NewCheckpoint
  private let id: Int64
  private var pending: [UInt8] = []
  private var rows: Int64 = 0
  private var bytes = 0

  init(store: Store, run: String, checkpoint: NewCheckpoint) throws {
    self.store = store
    self.run = run
    self.checkpoint = checkpoint
    id = try store.write { try $0.beginCheckpoint(checkpoint, run: run) }
  }

  /// Adds bytes at the end.
  public mutating func append(_ part: some Sequence<UInt8>) throws {
    pending.append(contentsOf: part)
    while pending.count >= Store.checkpointRowBytes {
      try flush(Array(pending.prefix(Store.checkpointRowBytes)))
      pending.removeFirst(Store.checkpointRowBytes)
    }
  }

  /// Adds bytes at the end, without a copy of the whole.
  public mutating func append(_ part: [UInt8]) throws {
    var start = 0
    while pending.count + part.count - start >= Store.checkpointRowBytes {
      let end = start + Store.checkpointRowBytes - pending.count
      try flush(pending + part[start..<end])
      pending.removeAll()
      start = end
    }
    pending += part[start...]
  }

  /// Completes the checkpoint, moves its labels and drops others, in one transaction.
  ///
  /// A complete checkpoint of the same step is replaced.
  public mutating func finish() throws {
    if !pending.isEmpty { try flush(pending) }
    pending = []
    let (run, checkpoint, id, bytes) = (run, checkpoint, id, bytes)
    try store.write { try $0.finishCheckpoint(id, checkpoint, bytes: bytes, run: run) }
  }

  /// Gives the bytes back.
  public func abandon() throws {
    let id = id
    try store.write { try $0.doom("id = ? AND state = 'partial'", .integer(id)) }
  }

  private mutating func flush(_ row: [UInt8]) throws {
    let (id, number) = (id, rows)
    let sum = row.withUnsafeBytes { checksum($0) }
    try store.write(cost: row.count) { connection in
      try connection.execute(
        """
        INSERT INTO checkpoint_chunk(checkpoint_id, number, checksum, data)
        SELECT id, ?, ?, ? FROM checkpoint WHERE id = ? AND state = 'partial'
        """, .integer(number), .integer(Int64(bitPattern: sum)), .blob(row), .integer(id))
      // The run may have been deleted meanwhile.
      if connection.changes == 0 { throw StoreError.notFound("the checkpoint that was begun") }
    }
    rows += 1
    bytes += row.count
  }
}

extension Store {
  /// Bytes of a checkpoint in one row: reads that start at its multiples cost least.
  public static let checkpointRowBytes = 1 << 20

  /// Stores a checkpoint: it, its labels and what it replaces appear together. Throws `.notFound`, `.full`.
  public func putCheckpoint(_ checkpoint: NewCheckpoint, bytes: [UInt8], run: String) throws {
    var writer = try beginCheckpoint(checkpoint, run: run)
    do {
      try writer.append(bytes)
      try writer.finish()
    } catch {
      try? writer.abandon()
      throw error
    }
  }

  /// Begins a checkpoint whose bytes come in parts.
  public func beginCheckpoint(_ checkpoint: NewCheckpoint, run: String) throws -> CheckpointWriter {
    try CheckpointWriter(store: self, run: run, checkpoint: checkpoint)
  }

  /// The checkpoints of a run by step. Throws `.notFound` for the run.
  public func listCheckpoints(run: String) throws -> [CheckpointRecord] {
    try read { try $0.listCheckpoints(run: run) }
  }

  /// At most `count` bytes of a checkpoint from `offset` on; empty at the end. Throws `.notFound`, `.corrupt`.
  ///
  /// Each call is a read of its own: a checkpoint that is dropped between two of them is `.notFound`.
  public func readCheckpoint(run: String, step: Int64, offset: Int, count: Int) throws -> [UInt8] {
    try read { try $0.readCheckpoint(run: run, step: step, offset: offset, count: count) }
  }

  /// Drops a checkpoint. Throws `.notFound`.
  public func deleteCheckpoint(run: String, step: Int64) throws {
    try write { try $0.deleteCheckpoint(run: run, step: step) }
  }

  /// Moves labels to a checkpoint from where they are. Throws `.notFound`.
  public func setCheckpointLabels(_ labels: [String], run: String, step: Int64) throws {
    try write { try $0.setCheckpointLabels(labels, run: run, step: step) }
  }
}

extension Connection {
  /// The checkpoints of a run by step. Throws `.notFound` for the run.
  public func listCheckpoints(run uid: String) throws -> [CheckpointRecord] {
    let found = try all(
      """
      SELECT id, step, epoch, created_at, bytes FROM checkpoint WHERE run_id = ? AND state = 'complete'
      ORDER BY step
      """, .integer(try runID(uid))
    ) { row in
      let record = CheckpointRecord(
        step: row.integer(1), epoch: row.integer(2), createdAt: row.integer(3), bytes: Int(row.integer(4)),
        labels: [], metrics: [])
      return (row.integer(0), record)
    }
    return try found.map { id, record in
      var record = record
      record.labels = try all(
        "SELECT label FROM checkpoint_label WHERE checkpoint_id = ? ORDER BY label", .integer(id)
      ) { $0.text(0) }
      record.metrics = try all(
        "SELECT key, bits FROM checkpoint_metric WHERE checkpoint_id = ? ORDER BY key", .integer(id)
      ) { CheckpointMetric($0.text(0), $0.bits(1)) }
      return record
    }
  }

  /// At most `count` bytes of a checkpoint from `offset` on; empty at the end. Throws `.notFound`, `.corrupt`.
  public func readCheckpoint(run uid: String, step: Int64, offset: Int, count: Int) throws -> [UInt8] {
    let id = try checkpointID(run: uid, step: step)
    let total = Int(try integer("SELECT bytes FROM checkpoint WHERE id = ?", .integer(id)) ?? 0)
    guard offset >= 0, count > 0, offset < total else { return [] }
    let end = offset + min(count, total - offset)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(end - offset)
    let size = Store.checkpointRowBytes
    try each(
      """
      SELECT number, checksum, data FROM checkpoint_chunk WHERE checkpoint_id = ? AND number BETWEEN ? AND ?
      ORDER BY number
      """, .integer(id), .integer(Int64(offset / size)), .integer(Int64((end - 1) / size))
    ) { row in
      let begin = Int(row.integer(0)) * size
      try row.withBlob(2) { data in
        guard checksum(data) == UInt64(bitPattern: row.integer(1)) else {
          throw StoreError.corrupt("checkpoint \(step) of run '\(uid)', byte \(begin) and after")
        }
        bytes += data[(max(offset, begin) - begin)..<min(end - begin, data.count)]
      }
    }
    guard bytes.count == end - offset else {
      throw StoreError.corrupt("checkpoint \(step) of run '\(uid)' has lost bytes")
    }
    return bytes
  }

  /// Drops a checkpoint. Throws `.notFound`.
  public func deleteCheckpoint(run uid: String, step: Int64) throws {
    try doom("id = ?", .integer(try checkpointID(run: uid, step: step)))
  }

  /// Moves labels to a checkpoint from where they are. Throws `.notFound`.
  public func setCheckpointLabels(_ labels: [String], run uid: String, step: Int64) throws {
    let id = try checkpointID(run: uid, step: step)
    for label in labels {
      try execute(
        """
        INSERT OR REPLACE INTO checkpoint_label(run_id, label, checkpoint_id)
        SELECT run_id, ?, id FROM checkpoint WHERE id = ?
        """, .text(label), .integer(id))
    }
  }

  // MARK: Putting

  func beginCheckpoint(_ checkpoint: NewCheckpoint, run uid: String) throws -> Int64 {
    try execute(
      "INSERT INTO checkpoint(run_id, step, epoch, created_at, bytes, state) VALUES (?,?,?,?,0,'partial')",
      .integer(try knownRunID(uid)), .integer(checkpoint.step), .integer(checkpoint.epoch),
      .integer(checkpoint.createdAt))
    return lastInsertedID
  }

  func finishCheckpoint(_ id: Int64, _ checkpoint: NewCheckpoint, bytes: Int, run uid: String) throws {
    let run = try runID(uid)
    for step in checkpoint.deleting + [checkpoint.step] {
      try doom(
        "run_id = ? AND step = ? AND state = 'complete'", .integer(run), .integer(step))
    }
    try execute(
      "UPDATE checkpoint SET state = 'complete', bytes = ? WHERE id = ? AND state = 'partial'",
      .integer(Int64(bytes)), .integer(id))
    if changes == 0 { throw StoreError.notFound("the checkpoint that was begun") }
    for metric in checkpoint.metrics {
      try execute(
        "INSERT OR REPLACE INTO checkpoint_metric(checkpoint_id, key, bits) VALUES (?,?,?)",
        .integer(id), .text(metric.key), .bits(metric.value))
    }
    try setCheckpointLabels(checkpoint.labels, run: uid, step: checkpoint.step)
  }

  /// What a crash left unfinished; at the start.
  func abandonPartialCheckpoints() throws { try transaction { try doom("state = 'partial'") } }

  // MARK: Removing

  /// Takes checkpoints out of sight at once; their bytes follow when there is time.
  func doom(_ condition: String, _ values: SQLValue...) throws {
    let sql = "SELECT id FROM checkpoint WHERE \(condition)"
    let ids: [Int64]
    switch values.count {
    case 0: ids = try all(sql) { $0.integer(0) }
    case 1: ids = try all(sql, values[0]) { $0.integer(0) }
    default: ids = try all(sql, values[0], values[1]) { $0.integer(0) }
    }
    for id in ids {
      try execute("DELETE FROM checkpoint_label WHERE checkpoint_id = ?", .integer(id))
      try execute("DELETE FROM checkpoint_metric WHERE checkpoint_id = ?", .integer(id))
      try execute("UPDATE checkpoint SET state = 'doomed', run_id = NULL WHERE id = ?", .integer(id))
      memory.hasDoomedCheckpoints = true
    }
  }

  /// Removes a slice of the bytes of doomed checkpoints; false when there are none left.
  func removeDoomedBytes() throws -> Bool { try transaction { try removeDoomedSlice() } }

  /// The same inside a transaction.
  func removeDoomedSlice() throws -> Bool {
    guard let id = try integer("SELECT id FROM checkpoint WHERE state = 'doomed' LIMIT 1") else {
      return false
    }
    // Four rows are four MiB.
    try execute(
      """
      DELETE FROM checkpoint_chunk WHERE id IN
        (SELECT id FROM checkpoint_chunk WHERE checkpoint_id = ? LIMIT 4)
      """, .integer(id))
    if changes == 0 { try execute("DELETE FROM checkpoint WHERE id = ?", .integer(id)) }
    return true
  }

  private func checkpointID(run uid: String, step: Int64) throws -> Int64 {
    let id = try integer(
      "SELECT id FROM checkpoint WHERE run_id = ? AND step = ? AND state = 'complete'",
      .integer(try runID(uid)), .integer(step))
    guard let id else { throw StoreError.notFound("checkpoint \(step) of run '\(uid)'") }
    return id
  }

  /// What is wrong with stored checkpoints.
  func damagedCheckpoints() throws -> [String] {
    var damage: [String] = []
    try each("SELECT checkpoint_id, number, checksum, data FROM checkpoint_chunk") { row in
      let sum = row.withBlob(3) { checksum($0) }
      if sum != UInt64(bitPattern: row.integer(2)) {
        damage.append("checkpoint \(row.integer(0)), part \(row.integer(1)): wrong checksum")
      }
    }
    try each(
      """
      SELECT id, bytes, (SELECT total(length(data)) FROM checkpoint_chunk WHERE checkpoint_id = checkpoint.id)
      FROM checkpoint WHERE state = 'complete'
      """
    ) { row in
      if Double(row.integer(1)) != row.optionalReal(2) {
        damage.append("checkpoint \(row.integer(0)) has lost bytes")
      }
    }
    return damage
  }
}
