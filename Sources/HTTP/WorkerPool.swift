// The threads that run handlers: a fixed number do work at any moment. A handler that waits for a slow client's body
// or answer lends its place to another thread, so slow clients cannot occupy the workers.

/// A queue of jobs and the threads that take them.
final class WorkerPool: Sendable {
  typealias Job = @Sendable () -> Void

  private struct State: Sendable {
    var jobs: [Job?] = []
    var next = 0
    var threads = 0
    var idle = 0
    var blocked = 0
    var isClosing = false
    /// A worker was signalled and has not looked yet. One at a time is woken, and wakes the next one if there is still
    /// something to do: short jobs are not paid for with a herd of context switches.
    var isWaking = false

    var waiting: Int { jobs.count - next }

    /// Whether to signal a worker now.
    mutating func wakes() -> Bool {
      guard waiting > 0, idle > 0, !isWaking else { return false }
      isWaking = true
      return true
    }

    mutating func take() -> Job? {
      guard waiting > 0 else { return nil }
      let job = jobs[next]
      jobs[next] = nil
      next += 1
      if next == jobs.count {
        jobs.removeAll(keepingCapacity: true)
        next = 0
      }
      return job
    }
  }

  private static let stack = 1 << 20

  private let size: Int
  private let ceiling: Int
  private let state = Lock(State())

  /// `size` threads at work, and at most `blocked` more that stand in for waiting ones.
  init(size: Int, blocked: Int) {
    self.size = max(1, size)
    ceiling = self.size + blocked
  }

  /// Queues jobs; a closed pool drops them.
  func submit(_ jobs: [Job]) {
    let (wake, grow) = state.withLock { state in
      guard !state.isClosing else { return (false, 0) }
      state.jobs.append(contentsOf: jobs)
      var grow = 0
      while grow < jobs.count, reserveThread(&state) { grow += 1 }
      return (state.wakes(), grow)
    }
    if wake { state.wakeOne() }
    for _ in 0..<grow { startThread() }
  }

  /// Runs `wait`, which may block for long, without counting the calling worker as busy.
  func blocking<Result, Failure: Error>(_ wait: () throws(Failure) -> Result) throws(Failure) -> Result {
    let grow = state.withLock { state in
      state.blocked += 1
      return reserveThread(&state)
    }
    if grow { startThread() }
    defer { state.withLock { $0.blocked -= 1 } }
    return try wait()
  }

  /// Takes no more jobs, and waits until `deadline` for those it has.
  func close(deadline: UInt64) {
    state.withLock { $0.isClosing = true }
    state.wakeAll()
    state.waiting(while: { $0.threads > 0 }, until: deadline) { _ in }
  }

  private func reserveThread(_ state: inout State) -> Bool {
    guard state.waiting > state.idle, state.threads - state.blocked < size, state.threads < ceiling else {
      return false
    }
    state.threads += 1
    return true
  }

  private func startThread() {
    if !Thread.start(stack: Self.stack, { self.work() }) {
      state.withLock { $0.threads -= 1 }
    }
  }

  private func work() {
    while let job = nextJob() { job() }
    state.wakeAll()
  }

  /// Nil when the pool closes, or when this thread stood in for one that came back and nothing waits.
  private func nextJob() -> Job? {
    state.withLock { $0.idle += 1 }
    let size = size
    let (job, wake) = state.waiting(
      while: { state in
        state.isWaking = false
        return state.waiting == 0 && !state.isClosing && state.threads - state.blocked <= size
      },
      { state -> (Job?, Bool) in
        state.idle -= 1
        guard let job = state.take() else {
          state.threads -= 1
          return (nil, false)
        }
        return (job, state.wakes())
      })
    if wake { state.wakeOne() }
    return job
  }
}
