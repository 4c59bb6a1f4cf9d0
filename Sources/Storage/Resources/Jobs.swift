// Jobs of the built-in trainer: one for each run that it makes.
//
// A job's state changes only by `transition`, which names the states that it may leave; SQL checks that, so two
// callers cannot both win. The run's status follows in the same transaction.

/// Where a job stands.
public enum JobState: String, Sendable, Equatable, CaseIterable {
  /// Waits for a worker.
  case queued
  /// A worker has it; found at a start of the server it is to be resumed.
  case running
  /// Stopped by a person, to go on later.
  case paused
  /// Ended as planned.
  case finished
  /// Ended by an error.
  case failed
  /// Ended by a person.
  case cancelled

  /// No way leads out of these.
  public var isFinal: Bool { self == .finished || self == .failed || self == .cancelled }

  /// What MLflow calls a run of such a job.
  public var runStatus: RunStatus {
    switch self {
    case .queued, .paused: .scheduled
    case .running: .running
    case .finished: .finished
    case .failed: .failed
    case .cancelled: .killed
    }
  }
}

/// A job as it is made, with its run.
public struct NewJob: Sendable {
  /// The experiment's name; made when there is none.
  public var experiment: String
  /// The run; its experiment and status are filled in.
  public var run: NewRun
  /// The full spec, as JSON text.
  public var spec: String
  /// Higher runs first.
  public var priority: Int64
  /// Updates until the end.
  public var totalSteps: Int64
  /// ms since 1970.
  public var createdAt: Int64

  /// A job to be made.
  public init(
    experiment: String, run: NewRun, spec: String, priority: Int64 = 0, totalSteps: Int64, createdAt: Int64
  ) {
    self.experiment = experiment
    self.run = run
    self.spec = spec
    self.priority = priority
    self.totalSteps = totalSteps
    self.createdAt = createdAt
  }
}

/// A job as it is stored.
public struct JobRecord: Sendable, Equatable {
  /// Counts up from 1.
  public var id: Int64
  /// Its run.
  public var runUID: String
  /// The run's name.
  public var runName: String
  /// The name of the run's experiment.
  public var experimentName: String
  /// Where it stands.
  public var state: JobState
  /// Why it failed.
  public var error: String?
  /// Higher runs first.
  public var priority: Int64
  /// ms since 1970.
  public var createdAt: Int64
  /// Time of the first step, ms since 1970.
  public var startedAt: Int64?
  /// Time of the last record, ms since 1970.
  public var endedAt: Int64?
  /// The full spec, as JSON text.
  public var spec: String
  /// Updates done.
  public var step: Int64
  /// Updates until the end.
  public var totalSteps: Int64
  /// Epochs done.
  public var epoch: Int64
  /// Seconds until the end, as far as is known.
  public var etaSeconds: Double?
}

extension Connection {
  private static let jobSelect = """
    SELECT job.id, run.uid, job.state, error, priority, job.created_at, started_at, ended_at, spec, step,
      total_steps, epoch, eta_seconds, run.name, experiment.name
    FROM job JOIN run ON run.id = job.run_id JOIN experiment ON experiment.id = run.experiment_id
    """

  /// Makes a queued job with its run, parameters and tags. Throws `.conflict` for a used uid.
  public func createJob(_ job: NewJob) throws -> JobRecord {
    var run = job.run
    run.experimentID = try ensureExperiment(job.experiment, time: job.createdAt)
    run.status = JobState.queued.runStatus
    run.startTime = run.startTime ?? job.createdAt
    let number = try createRun(run)
    try execute(
      "INSERT INTO job(run_id, state, priority, created_at, spec, total_steps) VALUES (?,'queued',?,?,?,?)",
      .integer(number), .integer(job.priority), .integer(job.createdAt), .text(job.spec),
      .integer(job.totalSteps))
    guard let made = try self.job(lastInsertedID) else { throw StoreError.notFound("the new job") }
    return made
  }

  /// A job by id; nil when there is none.
  public func job(_ id: Int64) throws -> JobRecord? { try oneJob("job.id = ?", .integer(id)) }

  /// The job of a run; nil when the run has none.
  public func job(ofRun uid: String) throws -> JobRecord? { try oneJob("run.uid = ?", .text(uid)) }

  /// Jobs, newest first: those in a state (nil: all) with ids below `before`.
  public func listJobs(state: JobState? = nil, limit: Int, before: Int64? = nil) throws -> [JobRecord] {
    let scope = state == nil ? "?1 IS NULL" : "job.state = ?1"
    return try all(
      "\(Connection.jobSelect) WHERE \(scope) AND job.id < ?2 ORDER BY job.id DESC LIMIT ?3",
      .optional(state?.rawValue), .integer(before ?? .max), .integer(Int64(limit)), map: Connection.jobRow)
  }

  /// The job that is to run next: highest priority, then oldest; nil when none is queued.
  public func nextQueued() throws -> JobRecord? {
    try oneJob("job.state = 'queued' ORDER BY priority DESC, job.id LIMIT 1")
  }

  /// Takes the next job: queued becomes running; nil when none is queued.
  public func claimNextJob() throws -> JobRecord? {
    guard let next = try nextQueued() else { return nil }
    guard try transition(job: next.id, from: [.queued], to: .running) else { return nil }
    return try job(next.id)
  }

  /// Moves a job to another state when it is in one of `from`; false, and no change, when it is not.
  ///
  /// `startedAt` holds only the first time, `endedAt` also ends the run. Throws `.notFound`.
  public func transition(
    job id: Int64, from: [JobState], to: JobState, error: String? = nil, startedAt: Int64? = nil,
    endedAt: Int64? = nil
  ) throws -> Bool {
    let allowed = from.map { "'\($0.rawValue)'" }.joined(separator: ",")
    try execute(
      """
      UPDATE job SET state = ?, error = ?, started_at = coalesce(started_at, ?),
        ended_at = coalesce(?, ended_at), eta_seconds = NULL
      WHERE id = ? AND state IN (\(allowed))
      """, .text(to.rawValue), .optional(error), .optional(startedAt), .optional(endedAt), .integer(id))
    if changes == 0 {
      if try job(id) == nil { throw StoreError.notFound("job \(id)") }
      return false
    }
    try execute(
      "UPDATE run SET status = ?, end_time = ? WHERE id = (SELECT run_id FROM job WHERE id = ?)",
      .text(to.runStatus.rawValue), to.isFinal ? .optional(endedAt) : .null, .integer(id))
    return true
  }

  /// Writes how far a job is; `startedAt` holds only the first time, and starts the run. Throws `.notFound`.
  public func updateProgress(
    job id: Int64, step: Int64, epoch: Int64, etaSeconds: Double? = nil, startedAt: Int64? = nil
  ) throws {
    let eta = etaSeconds.flatMap { $0.isFinite ? $0 : nil }
    if let startedAt {
      try execute(
        """
        UPDATE run SET start_time = ?1
        WHERE id = (SELECT run_id FROM job WHERE id = ?2 AND started_at IS NULL)
        """, .integer(startedAt), .integer(id))
    }
    try execute(
      "UPDATE job SET step = ?, epoch = ?, eta_seconds = ?, started_at = coalesce(started_at, ?) WHERE id = ?",
      .integer(step), .integer(epoch), .optional(eta), .optional(startedAt), .integer(id))
    if changes == 0 { throw StoreError.notFound("job \(id)") }
  }

  private func oneJob(_ condition: String, _ values: SQLValue...) throws -> JobRecord? {
    let sql = "\(Connection.jobSelect) WHERE \(condition)"
    guard let value = values.first else { return try first(sql, map: Connection.jobRow) }
    return try first(sql, value, map: Connection.jobRow)
  }

  private static func jobRow(_ row: Row) -> JobRecord {
    JobRecord(
      id: row.integer(0), runUID: row.text(1), runName: row.text(13), experimentName: row.text(14),
      state: JobState(rawValue: row.text(2)) ?? .failed,
      error: row.optionalText(3), priority: row.integer(4), createdAt: row.integer(5),
      startedAt: row.optionalInteger(6), endedAt: row.optionalInteger(7), spec: row.text(8),
      step: row.integer(9), totalSteps: row.integer(10), epoch: row.integer(11),
      etaSeconds: row.optionalReal(12))
  }
}

extension Store {
  /// Makes a queued job with its run in one transaction; see `Connection.createJob`.
  public func createJob(_ job: NewJob) throws -> JobRecord { try write { try $0.createJob(job) } }

  /// A job by id; nil when there is none.
  public func job(_ id: Int64) throws -> JobRecord? { try read { try $0.job(id) } }

  /// The job of a run; nil when the run has none.
  public func job(ofRun uid: String) throws -> JobRecord? { try read { try $0.job(ofRun: uid) } }

  /// Jobs, newest first; see `Connection.listJobs`.
  public func listJobs(state: JobState? = nil, limit: Int, before: Int64? = nil) throws -> [JobRecord] {
    try read { try $0.listJobs(state: state, limit: limit, before: before) }
  }

  /// The job that is to run next; nil when none is queued.
  public func nextQueued() throws -> JobRecord? { try read { try $0.nextQueued() } }

  /// Takes the next job: queued becomes running, for one caller only; nil when none is queued.
  public func claimNextJob() throws -> JobRecord? {
    // Workers look every second: as long as nothing waits, the writer is not disturbed and can keep house.
    guard try read({ try $0.nextQueued() }) != nil else { return nil }
    return try write { try $0.claimNextJob() }
  }

  /// Moves a job to another state; see `Connection.transition`.
  public func transition(
    job id: Int64, from: [JobState], to: JobState, error: String? = nil, startedAt: Int64? = nil,
    endedAt: Int64? = nil
  ) throws -> Bool {
    try write {
      try $0.transition(job: id, from: from, to: to, error: error, startedAt: startedAt, endedAt: endedAt)
    }
  }

  /// Writes how far a job is; see `Connection.updateProgress`.
  public func updateProgress(
    job id: Int64, step: Int64, epoch: Int64, etaSeconds: Double? = nil, startedAt: Int64? = nil
  ) throws {
    try write {
      try $0.updateProgress(job: id, step: step, epoch: epoch, etaSeconds: etaSeconds, startedAt: startedAt)
    }
  }
}
