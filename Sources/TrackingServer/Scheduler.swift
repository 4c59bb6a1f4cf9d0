import JSON
import Storage
import Training

/// Takes queued jobs, the most urgent first, and trains each on a worker thread.
///
/// What is in the store decides: a worker claims a job by moving it from queued to running in one statement, so
/// two workers never train the same one, and a job that was running when the process ended is queued again at
/// the next start and goes on from its newest checkpoint.
final class Scheduler: Sendable {
  private struct Active {
    var control: RunControl
    var progress: JobProgress
  }

  private struct State {
    var stopping = false
    /// Counts what may have made a job claimable or have ended one; waiters look again when it changes.
    var changes: UInt64 = 0
    /// Workers that are about to claim a job, which may be `running` in the store before it is in `active`.
    var claiming = 0
    var active: [Int64: Active] = [:]
    var workers: [Thread] = []
  }

  private let store: Store
  private let hub: LiveHub
  private let catalog: DatasetCatalog
  private let weights: WeightsLibrary
  private let threads: Int
  private let log: @Sendable (String) -> Void
  private let state = Guarded(State())

  init(
    store: Store, hub: LiveHub, catalog: DatasetCatalog, weights: WeightsLibrary, threads: Int,
    log: @escaping @Sendable (String) -> Void
  ) {
    self.store = store
    self.hub = hub
    self.catalog = catalog
    self.weights = weights
    self.threads = threads
    self.log = log
  }

  /// Puts the jobs that an earlier process left running back into the queue and starts the workers.
  func start(workers count: Int) throws {
    let crashed = CrashNotes.begin(store.artifactFolder + "/crashed-jobs")
    for job in try store.listJobs(state: .running, limit: .max) {
      guard !crashed.contains(job.id) else {
        try giveUp(job)
        continue
      }
      if try store.transition(job: job.id, from: [.running], to: .queued) { log("job \(job.id) goes on") }
    }
    let workers = (0..<count).map { _ in Thread { [self] in work() } }
    state.withLock { $0.workers = workers }
  }

  /// Fails a job in whose training the process ended by a fault of its own: it would end again.
  private func giveUp(_ job: JobRecord) throws {
    let fault =
      "the server ended at a fault in its own code while it trained this job, which is not tried again"
    _ = try store.transition(job: job.id, from: [.running], to: .failed, error: fault, endedAt: now())
    log("job \(job.id) failed: \(fault)")
  }

  /// Starts one worker that trains one queued job and nothing else.
  func start(only id: Int64) throws {
    guard try store.transition(job: id, from: [.queued], to: .running), let job = try store.job(id) else {
      return
    }
    state.withLock { $0.claiming += 1 }
    let worker = Thread { [self] in train(job) }
    state.withLock { $0.workers = [worker] }
  }

  /// Checkpoints the running jobs, which stay `running` in the store, and ends the workers.
  func stop() {
    state.update { state in
      state.stopping = true
      for active in state.active.values { active.control.request(.stop) }
    }
    for worker in state.withLock({ $0.workers }) { worker.join() }
  }

  /// Tells idle workers that there may be something to do.
  func wake() { state.update { $0.changes += 1 } }

  /// A number that grows whenever a job may have begun or ended.
  var changes: UInt64 { state.withLock { $0.changes } }

  /// Waits until that number has grown or the time is over.
  func waitForChange(after seen: UInt64, seconds: Double) {
    _ = state.wait(seconds: seconds) { $0.changes != seen ? true : nil }
  }

  /// How far a job is that trains right now.
  func progress(of job: Int64) -> JobProgress? { state.withLock { $0.active[job]?.progress } }

  /// How many jobs train right now.
  var activeCount: Int { state.withLock { $0.active.count } }

  /// Asks the trainer of a running job to end; false when the job is not in training here.
  func request(_ request: RunControl.Request, of job: Int64) -> Bool {
    _ = state.wait(seconds: 5) { $0.active[job] != nil || $0.claiming == 0 ? true : nil }
    return state.withLock { state in
      guard let active = state.active[job] else { return false }
      active.control.request(request)
      return true
    }
  }

  /// Waits until the job is no longer in training here.
  func waitUntilIdle(_ job: Int64, seconds: Double) {
    _ = state.wait(seconds: seconds) { $0.active[job] == nil ? true : nil }
  }

  // MARK: a worker's life

  private func work() {
    while true {
      let seen = state.withLock { $0.changes }
      guard !state.withLock({ $0.stopping }) else { return }
      state.withLock { $0.claiming += 1 }
      do {
        if let job = try store.claimNextJob() {
          train(job)
          continue
        }
      } catch {
        log("the queue cannot be read: \(error)")
      }
      state.update { $0.claiming -= 1 }
      // A second at most, so that a failed read is tried again.
      _ = state.wait(seconds: 1) { $0.stopping || $0.changes != seen ? true : nil }
    }
  }

  private func train(_ job: JobRecord) {
    let control = RunControl()
    state.update { state in
      state.active[job.id] = Active(control: control, progress: JobProgress(job))
      state.claiming -= 1
      if state.stopping { control.request(.stop) }
    }
    announce(job)
    let recorder = StoreRecorder(store: store, hub: hub, job: job, isStopping: { [self] in isStopping }) {
      [self] progress in state.withLock { $0.active[job.id]?.progress = progress }
    }
    let ending = CrashNotes.during(job.id) { run(job, recorder, control) }
    finish(job, ending, recorder.progress)
  }

  /// How a worker leaves a job.
  private enum Ending {
    case finished, paused, cancelled
    /// Left `running` in the store, to go on at the next start.
    case stopped
    case failed(String)
  }

  private func run(_ job: JobRecord, _ recorder: StoreRecorder, _ control: RunControl) -> Ending {
    do {
      let outcome: TrainingOutcome
      do {
        let spec = try JobSpec.decode(try JSON.parse(job.spec), catalog: catalog)
        let newest = try newestCheckpoint(of: job)
        let plan = try JobPlan.make(
          spec, catalog: catalog, checkpoints: checkpointSource(store, weights), isResuming: newest != nil)
        outcome = try Trainer(plan: plan).run(
          from: newest, recorder: recorder, control: control, threads: threads)
      } catch {
        // What was recorded before the fault is kept, and the fault is the log's last line.
        try? recorder.log("failed: \(error)")
        try recorder.close()
        throw error
      }
      try recorder.close()
      switch outcome {
      case .finished: return .finished
      case .paused: return .paused
      case .cancelled: return .cancelled
      case .stopped: return .stopped
      }
    } catch {
      // A store that stays full until the server stops is no fault of the job.
      if recorder.gaveUp { return .stopped }
      log("job \(job.id) failed: \(error)")
      return .failed("\(error)")
    }
  }

  private func newestCheckpoint(of job: JobRecord) throws -> ByteSource? {
    guard
      let newest = try store.listCheckpoints(run: job.runUID).last(where: { $0.labels.contains("latest") })
    else {
      return nil
    }
    return checkpointBytes(store, job.runUID, newest)
  }

  /// Stores how a job ended. Tried until the store takes it: a full disk must not leave it running for ever.
  private func finish(_ job: JobRecord, _ ending: Ending, _ progress: JobProgress) {
    defer {
      state.update { state in
        state.active[job.id] = nil
        state.changes += 1
      }
      if let ended = try? store.job(job.id) { announce(ended) }
    }
    let (next, fault): (JobState, String?) =
      switch ending {
      case .stopped: (.running, nil)
      case .finished: (.finished, nil)
      case .paused: (.paused, nil)
      case .cancelled: (.cancelled, nil)
      case .failed(let message): (.failed, message)
      }
    while true {
      do {
        try store.write { db in
          try db.updateProgress(job: job.id, step: progress.step, epoch: progress.epoch)
          guard next != .running else { return }
          _ = try db.transition(
            job: job.id, from: [.running], to: next, error: fault, endedAt: next.isFinal ? now() : nil)
        }
        return
      } catch {
        log("the end of job \(job.id) cannot be stored: \(error)")
        if state.wait(seconds: 1, { $0.stopping ? true : nil }) == true { return }
      }
    }
  }

  private var isStopping: Bool { state.withLock { $0.stopping } }

  /// Sends the job's and its run's new state to the event streams.
  func announce(_ job: JobRecord) {
    publishJob(job, progress: progress(of: job.id), to: hub)
    publishRun(job, to: hub)
  }
}
