// The way of a streamed answer from a worker to the loop, bounded by the high mark.

/// The peer went away or took nothing for too long; a stream handler may let it pass through.
public struct HTTPPeerGone: Error, Sendable {}

/// Bytes between the worker that writes a streamed answer and the loop that sends them.
final class ResponsePipe: Sendable {
  private struct State: Sendable {
    var pending: [UInt8] = []
    /// Bytes the loop has taken and not sent.
    var inFlight = 0
    var isFinished = false
    var isBroken = false
    var isAborted = false
    var isFull = false
    var isAnnounced = false
  }

  struct Taken {
    var bytes: [UInt8]
    var isFinished: Bool
    /// The writer failed: the answer must be cut off.
    var isBroken: Bool
  }

  private let pool: WorkerPool
  private let highMark: Int
  private let lowMark: Int
  private let announce: @Sendable () -> Void
  private let state = Lock(State())

  init(pool: WorkerPool, limits: HTTPLimits, announce: @escaping @Sendable () -> Void) {
    self.pool = pool
    highMark = limits.highMark
    lowMark = limits.lowMark
    self.announce = announce
  }

  // The worker's side.

  func write(_ bytes: [UInt8]) throws(HTTPPeerGone) {
    var start = 0
    while start < bytes.count {
      if state.withLock({ $0.isFull && !$0.isAborted }) {
        pool.blocking { state.waiting(while: { $0.isFull && !$0.isAborted }) { _ in } }
      }
      let (taken, tell) = try state.withLock { (state) throws(HTTPPeerGone) -> (Int, Bool) in
        guard !state.isAborted else { throw HTTPPeerGone() }
        let room = max(1, highMark - state.pending.count - state.inFlight)
        let taken = min(room, bytes.count - start)
        state.pending.append(contentsOf: bytes[start..<(start + taken)])
        state.isFull = state.pending.count + state.inFlight >= highMark
        defer { state.isAnnounced = true }
        return (taken, !state.isAnnounced)
      }
      start += taken
      if tell { announce() }
    }
  }

  /// Ends the answer, as whole or, when `broken`, as cut off.
  func finish(broken: Bool) {
    let tell = state.withLock { state in
      state.isFinished = true
      state.isBroken = broken
      defer { state.isAnnounced = true }
      return !state.isAnnounced
    }
    if tell { announce() }
  }

  // The loop's side.

  func take() -> Taken {
    state.withLock { state in
      let bytes = state.pending
      state.pending = []
      state.inFlight += bytes.count
      state.isAnnounced = false
      return Taken(bytes: bytes, isFinished: state.isFinished, isBroken: state.isBroken)
    }
  }

  /// Says how many taken bytes still wait for the socket, and lets the writer go on below the low mark.
  func report(inFlight: Int) {
    let wake = state.withLock { state in
      state.inFlight = inFlight
      guard state.isFull, state.pending.count + inFlight <= lowMark else { return false }
      state.isFull = false
      return true
    }
    if wake { state.wakeAll() }
  }

  /// The peer is gone: every further write throws.
  func abort() {
    state.withLock { state in
      state.isAborted = true
      state.pending = []
    }
    state.wakeAll()
  }
}

/// Writes a streamed answer, on the worker that runs the stream's closure. The head is sent with the first write, so
/// a closure that throws before it still gets a proper error answer.
public final class HTTPBodyWriter: Sendable {
  private struct State: Sendable {
    var remaining: Int?
    var hasBegun = false
  }

  private let pipe: ResponsePipe
  private let sendHead: @Sendable () -> Void
  private let state: Lock<State>

  init(pipe: ResponsePipe, length: Int?, sendHead: @escaping @Sendable () -> Void) {
    self.pipe = pipe
    self.sendHead = sendHead
    state = Lock(State(remaining: length))
  }

  /// Sends bytes; blocks while more than the high mark waits for a slow client. Throws HTTPPeerGone when the client is
  /// gone, and HTTPFailure 500 when more bytes come than the announced length.
  public func write(_ bytes: [UInt8]) throws {
    try state.withLock { (state) throws(HTTPFailure) in
      guard let left = state.remaining else { return }
      guard bytes.count <= left else {
        throw HTTPFailure(status: 500, message: "the answer is longer than announced")
      }
      state.remaining = left - bytes.count
    }
    guard !bytes.isEmpty else { return }
    begin()
    try pipe.write(bytes)
  }

  /// Sends the head unless it was sent.
  func begin() {
    if abandon() { sendHead() }
  }

  /// Whether the head was not sent; after this it will not be.
  func abandon() -> Bool {
    state.withLock { state in
      defer { state.hasBegun = true }
      return !state.hasBegun
    }
  }

  /// Whether as many bytes were written as announced.
  var isComplete: Bool { state.withLock { $0.remaining == nil || $0.remaining == 0 } }
}
