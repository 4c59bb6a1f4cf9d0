import HTTP
import JSON
import Storage
import Training

/// How far a job is.
struct JobProgress: Sendable {
  var step: Int64
  var totalSteps: Int64
  var epoch: Int64
  var etaSeconds: Double?

  init(_ job: JobRecord) {
    step = job.step
    totalSteps = job.totalSteps
    epoch = job.epoch
    etaSeconds = nil
  }
}

/// Takes what a run reports to the store, and from there to the event streams.
///
/// The trainer only appends to a buffer; a thread of its own commits the buffer twenty times a second, and events
/// go out after the commit. Before a checkpoint everything recorded so far is committed, so a checkpoint never
/// stands for points that are not there. After a resume the trainer repeats steps whose points are stored
/// already: the same spec gives the same bits, so those points are the same, and are left alone.
///
/// Unchecked: beside the guarded buffer, its fields are used by the trainer's thread alone.
final class StoreRecorder: RunRecorder, @unchecked Sendable {
  /// Points that wait at most; beyond them the trainer waits for the store.
  private static let bufferLimit = 200_000

  private struct Buffer {
    var points = MetricBatch()
    var lines: [NewLogLine] = []
    var isClosed = false
    var isEmpty: Bool { points.count == 0 && lines.isEmpty }
  }

  private let store: Store
  private let hub: LiveHub
  private let run: String
  private let experiment: String
  private let report: (JobProgress) -> Void
  private let isStopping: () -> Bool
  private let buffer = Guarded(Buffer())
  /// Held while a buffer is committed, so that buffers reach the store in the order in which they were filled.
  private let order = Guarded(())
  private var committer: Thread?

  // Used by the trainer's thread alone.
  private var job: JobRecord
  /// For each table, the place of its keys in the batch and the highest step that the store already has.
  private var tables: [[(key: String, stored: Int64)]] = []
  private(set) var progress: JobProgress
  /// Whether the server stopped before the store took everything; the job then goes on at its last checkpoint.
  private(set) var gaveUp = false
  private var firstStep: Int64?
  private var startSeconds = 0.0
  private var lastAnnouncement = 0.0

  init(
    store: Store, hub: LiveHub, job: JobRecord, isStopping: @escaping () -> Bool,
    report: @escaping (JobProgress) -> Void
  ) {
    self.store = store
    self.hub = hub
    self.job = job
    run = job.runUID
    experiment = job.experimentName
    self.isStopping = isStopping
    self.report = report
    progress = JobProgress(job)
    committer = Thread { [weak self] in
      while let self {
        let closed = buffer.wait(seconds: 0.05) { $0.isClosed ? true : nil } ?? false
        if closed { return }
        try? commit()  // what could not be stored stays in the buffer and is tried again
      }
    }
  }

  /// Commits what is left and ends the thread; the points that the store refused are lost with the error thrown.
  func close() throws {
    defer {
      buffer.update { $0.isClosed = true }
      committer?.join()
      committer = nil
    }
    try persist { try commit() }
  }

  // MARK: what the trainer reports

  func begin(_ tables: [CurveTable]) throws {
    let stored = try store.lastSteps(run: run)
    self.tables = tables.map { table in table.keys.map { ($0, stored[$0] ?? .min) } }
    startSeconds = monotonicSeconds()
    let startedAt = job.startedAt ?? now()
    try persist {
      try store.updateProgress(job: job.id, step: progress.step, epoch: progress.epoch, startedAt: startedAt)
    }
    job.startedAt = startedAt
  }

  func record(_ table: CurveTable, step: Int64, timestamp: Int64, values: [Double]) throws {
    let keys = tables[table.index]
    let waiting = buffer.withLock { buffer in
      for (index, value) in values.enumerated() where step > keys[index].stored {
        let key = buffer.points.key(keys[index].key)
        buffer.points.append(key, step: step, timestamp: timestamp, value: value)
      }
      return buffer.points.count
    }
    if waiting > Self.bufferLimit { try persist { try commit() } }
  }

  func log(_ line: String) throws { buffer.withLock { $0.lines.append(NewLogLine(time: now(), text: line)) } }

  func checkpoint(_ checkpoint: TrainingCheckpoint) throws {
    progress.step = Int64(checkpoint.step)
    progress.epoch = Int64(checkpoint.epoch)
    let record = NewCheckpoint(
      step: Int64(checkpoint.step), epoch: Int64(checkpoint.epoch), createdAt: now(),
      metrics: checkpoint.metrics.map { CheckpointMetric($0.key, $0.value) },
      labels: checkpoint.isBest ? ["latest", "best"] : ["latest"],
      deleting: checkpoint.deleting.map(Int64.init))
    try persist {
      try commit()
      try put(record, checkpoint.file)
    }
    let data: JSON = [
      "run_id": .string(run), "step": JSON(checkpoint.step), "epoch": JSON(checkpoint.epoch),
      "bytes": JSON(checkpoint.file.count), "labels": .array(record.labels.map(JSON.string)),
      "metrics": JSON(checkpoint.metrics.map { ($0.key, JSON($0.value)) }),
    ]
    hub.publish(.checkpoint, run: run, experiment: experiment, data: data.encoded)
  }

  /// Stores a checkpoint as it is made.
  private func put(_ record: NewCheckpoint, _ file: SafetensorsFile) throws {
    var writer = try store.beginCheckpoint(record, run: run)
    do {
      try file.write { try writer.append($0) }
      try writer.finish()
    } catch {
      try? writer.abandon()
      throw error
    }
  }

  func progress(step: Int, epoch: Int) throws {
    let seconds = monotonicSeconds()
    progress.step = Int64(step)
    progress.epoch = Int64(epoch)
    let first = firstStep ?? Int64(step)
    firstStep = first
    let done = Double(progress.step - first)
    let left = Double(progress.totalSteps - progress.step)
    progress.etaSeconds = done > 0 ? (seconds - startSeconds) / done * left : nil
    report(progress)
    // A job's frame is a few hundred bytes; four a second are enough for a bar.
    if seconds - lastAnnouncement > 0.25 {
      lastAnnouncement = seconds
      publishJob(job, progress: progress, to: hub)
    }
  }

  // MARK: to the store

  /// Commits the buffer and tells the event streams; on a fault everything goes back to its place.
  private func commit() throws {
    try order.withLock { _ in
      let taken = buffer.withLock { buffer in
        let taken = buffer
        buffer.points = MetricBatch()
        buffer.lines = []
        return taken
      }
      if taken.isEmpty { return }
      let lastLine: Int64
      do {
        let (run, points, lines) = (run, taken.points, taken.lines)
        lastLine = try store.write(cost: points.count * 24) { db in
          try db.append(points, run: run)
          return lines.isEmpty ? 0 : try db.appendLog(lines, run: run)
        }
      } catch {
        buffer.withLock { buffer in
          buffer.points = joined(taken.points, buffer.points)
          buffer.lines = taken.lines + buffer.lines
        }
        throw error
      }
      publishPoints(taken.points, run: run, experiment: experiment, to: hub)
      for (index, line) in taken.lines.enumerated() {
        publish(line, number: lastLine - Int64(taken.lines.count - 1 - index))
      }
    }
  }

  /// Tries again while the disk is full or the store is busy: training waits for room, and loses nothing.
  private func persist(_ body: () throws -> Void) throws {
    var seconds = 0.05
    while true {
      do { return try body() } catch let error as StoreError {
        guard error == .full || error == .busy else { throw error }
        if isStopping() {
          gaveUp = true
          throw error
        }
        _ = buffer.wait(seconds: seconds) { _ in nil as Bool? }
        seconds = min(1, seconds * 2)
      }
    }
  }

  private func publish(_ line: NewLogLine, number: Int64) {
    let data: JSON = [
      "run_id": .string(run), "line": JSON(number), "time": JSON(line.time),
      "text": .string(line.text),
    ]
    hub.publish(.log, run: run, experiment: experiment, data: data.encoded)
  }
}

/// The points of both, in order.
private func joined(_ first: MetricBatch, _ second: MetricBatch) -> MetricBatch {
  var whole = first
  for index in 0..<second.count {
    let key = whole.key(second.keys[Int(second.keyIndices[index])])
    whole.append(
      key, step: second.steps[index], timestamp: second.timestamps[index], value: second.values[index])
  }
  return whole
}

/// Tells the event streams about points that are stored.
func publishPoints(_ points: MetricBatch, run: String, experiment: String, to hub: LiveHub) {
  guard points.count > 0 else { return }
  var writer = JSONWriter(reserving: points.count * 120)
  writer.beginArray()
  for index in 0..<points.count {
    writer.beginObject()
    writer.key("run_id")
    writer.value(run)
    writer.key("key")
    writer.value(points.keys[Int(points.keyIndices[index])])
    writer.key("step")
    writer.value(points.steps[index])
    writer.key("timestamp")
    writer.value(points.timestamps[index])
    writer.key("value")
    writer.value(points.values[index])
    writer.endObject()
  }
  writer.endArray()
  hub.publish(.metric, run: run, experiment: experiment, data: writer.bytes)
}
