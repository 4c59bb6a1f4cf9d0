import JSON
import Storage
import Training
import Tuning

/// Brings ensembles to their end: makes the members that must wait for others, evaluates when all have trained.
///
/// The store decides what is to be done next, so an ensemble goes on where it stood when the process was killed. One
/// thread, which sleeps until the scheduler has something new.
final class EnsembleKeeper: Sendable {
  private struct Stopped: Error {}

  private struct State {
    var stopping = false
    var thread: Thread?
  }

  private let store: Store
  private let scheduler: Scheduler
  private let catalog: DatasetCatalog
  private let weights: WeightsLibrary
  private let log: @Sendable (String) -> Void
  private let state = Guarded(State())

  init(
    store: Store, scheduler: Scheduler, catalog: DatasetCatalog, weights: WeightsLibrary,
    log: @escaping @Sendable (String) -> Void
  ) {
    self.store = store
    self.scheduler = scheduler
    self.catalog = catalog
    self.weights = weights
    self.log = log
  }

  /// Goes on with what an earlier process left.
  func start() {
    let thread = Thread { [self] in work() }
    state.withLock { $0.thread = thread }
  }

  /// Ends the thread; an evaluation is given up and begun anew at the next start.
  func stop() {
    state.withLock { $0.stopping = true }
    scheduler.wake()
    state.withLock { $0.thread }?.join()
  }

  private var isStopping: Bool { state.withLock { $0.stopping } }

  private func work() {
    endWhatWasCancelled()
    while !isStopping {
      let seen = scheduler.changes
      var isWaiting = false
      do {
        for ensemble in try store.listEnsembles(state: .running, limit: .max).reversed() {
          isWaiting = true
          try advance(ensemble)
        }
      } catch is Stopped {
        return
      } catch {
        log("ensembles cannot be looked after: \(error)")
      }
      scheduler.waitForChange(after: seen, seconds: isWaiting ? 1 : 60)
    }
  }

  /// The kill of a process may have come between the end of an ensemble and that of its jobs.
  private func endWhatWasCancelled() {
    do {
      for ensemble in try store.listEnsembles(state: .cancelled, limit: .max) { try cancelJobs(of: ensemble) }
    } catch {
      log("jobs of cancelled ensembles cannot be ended: \(error)")
    }
  }

  /// Does the next thing for an ensemble, if it can be done now.
  private func advance(_ ensemble: EnsembleRecord) throws {
    let request = try EnsembleRequest(stored: ensemble.request)
    guard let design = request.design else { return try evaluate(ensemble, request) }
    var runs: [String] = []
    for member in ensemble.members where !runs.contains(member.runUID) { runs.append(member.runUID) }
    var isDone = true
    for (index, run) in runs.enumerated() {
      guard let job = try store.job(ofRun: run) else {
        return try fail(ensemble, "the run of member \(index + 1), \(run), was deleted")
      }
      switch job.state {
      case .finished: continue
      case .failed: return try fail(ensemble, "member \(index + 1) failed: \(job.error ?? "")")
      case .cancelled: return try fail(ensemble, "member \(index + 1) was cancelled")
      case .queued, .running, .paused: isDone = false
      }
    }
    guard isDone else { return }
    if runs.count == design.jobs { return try evaluate(ensemble, request) }
    do { try addMember(runs.count, after: runs, to: ensemble, design) } catch let error as SpecError {
      try fail(ensemble, "member \(runs.count + 1) cannot be trained: \(error.message)")
    }
  }

  /// Makes the job of the next member, in one transaction with its membership.
  private func addMember(
    _ number: Int, after runs: [String], to ensemble: EnsembleRecord, _ design: EnsembleDesign
  ) throws {
    let spec = try JobSpec.decode(design.job(number, after: runs, totalSteps: 0), catalog: catalog)
    let plan = try JobPlan.make(
      spec, catalog: catalog, checkpoints: checkpointSource(store, weights), forRunning: false)
    let job = newJob(spec, plan, tags: [KeyValue(ensembleTag, "\(ensemble.id)")])
    let made = try store.write { db -> JobRecord? in
      guard try db.ensemble(ensemble.id)?.state == .running else { return nil }
      let made = try db.createJob(job)
      try db.addMember(EnsembleMember(runUID: made.runUID, checkpoint: "latest"), toEnsemble: ensemble.id)
      return made
    }
    if let made { scheduler.announce(made) }
    scheduler.wake()
  }

  private func evaluate(_ ensemble: EnsembleRecord, _ request: EnsembleRequest) throws {
    do {
      let result = try EnsembleEvaluator(
        store: store, catalog: catalog, method: request.design?.method,
        splits: request.split.map { [$0] } ?? [],
        members: ensemble.members, goOn: { [self] in if isStopping { throw Stopped() } }
      ).result()
      _ = try store.endEnsemble(ensemble.id, as: .finished, result: result.text, at: now())
    } catch let fault as EnsembleFault {
      try fail(ensemble, fault.message)
    }
  }

  private func fail(_ ensemble: EnsembleRecord, _ message: String) throws {
    _ = try store.endEnsemble(ensemble.id, as: .failed, error: message, at: now())
    try cancelJobs(of: ensemble)
  }

  /// Ends what still waits or trains of an ensemble.
  func cancelJobs(of ensemble: EnsembleRecord) throws {
    for run in Set(ensemble.members.map(\.runUID)) {
      guard let job = try store.job(ofRun: run), !job.state.isFinal else { continue }
      if try store.transition(job: job.id, from: [.queued, .paused], to: .cancelled, endedAt: now()) {
        if let ended = try store.job(job.id) { scheduler.announce(ended) }
      } else {
        _ = scheduler.request(.cancel, of: job.id)
      }
    }
  }
}
