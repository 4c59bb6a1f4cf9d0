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

    var waiting: Int { jobs.count - next }

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

  /// Queues a job; a closed pool drops it.
  func submit(_ job: @escaping Job) {
    let grow = state.withLock { state in
      guard !state.isClosing else { return false }
      state.jobs.append(job)
      return reserveThread(&state)
    }
    state.wakeOne()
    if grow { startThread() }
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
    return state.waiting(
      while: { $0.waiting == 0 && !$0.isClosing && $0.threads - $0.blocked <= size },
      { state in
        state.idle -= 1
        if let job = state.take() { return job }
        state.threads -= 1
        return nil
      })
  }
}
