import HTTP

/// Computes answers that take long beside the handlers, which would all be taken by a few such questions: so many at a
/// time, the others in the order in which they came. Threads are there while there is something to do.
final class LongWork: Sendable {
  /// Asked again and again by what computes; throws when the server stops.
  typealias GoOn = @Sendable () throws -> Void
  typealias Work = @Sendable (@escaping GoOn) throws -> HTTPResponse

  private struct State {
    var waiting: [@Sendable () -> Void] = []
    /// Questions that have no answer yet.
    var open = 0
    /// Threads that take them.
    var active = 0
    var stopping = false
  }

  private let threads: Int
  private let limit: Int
  private let state = Guarded(State())

  /// At most `threads` questions are at work, and `limit` more wait; beyond that they are refused.
  init(threads: Int = 2, limit: Int = 32) {
    (self.threads, self.limit) = (threads, limit)
  }

  /// An answer that `work` computes later. Where too many wait already it is 503, and so it is when the server stops.
  func answer(_ work: @escaping Work) -> HTTPResponse {
    .later { [self] deliver in
      try submit {
        deliver(
          Result {
            try self.goOn()
            return try work { try self.goOn() }
          })
      }
    }
  }

  /// Refuses what waits, asks what computes to end, and waits for it a little.
  func stop() {
    state.update { $0.stopping = true }
    _ = state.wait(seconds: 10) { $0.active == 0 ? true : nil }
  }

  private func goOn() throws {
    guard state.withLock({ !$0.stopping }) else {
      throw HTTPFailure(status: 503, message: "the server stops; ask again when it is back")
    }
  }

  private func submit(_ work: @escaping @Sendable () -> Void) throws {
    let isNew = try state.withLock { state in
      guard state.open < threads + limit else {
        throw HTTPFailure(
          status: 503, message: "\(limit) long questions wait already; try again later",
          headers: ["Retry-After": "5"])
      }
      state.open += 1
      state.waiting.append(work)
      guard state.active < threads else { return false }
      state.active += 1
      return true
    }
    if isNew { Thread { [self] in carryOut() }.detach() }
  }

  /// One thread's life: from question to question, until none waits.
  private func carryOut() {
    while let work = next() {
      work()
      state.update { $0.open -= 1 }
    }
  }

  private func next() -> (@Sendable () -> Void)? {
    var work: (@Sendable () -> Void)?
    state.update { state in
      if state.waiting.isEmpty {
        state.active -= 1
      } else {
        work = state.waiting.removeFirst()
      }
    }
    return work
  }
}
