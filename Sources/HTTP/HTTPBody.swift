/// A request's body. It is either whole in memory or comes from the socket while it is read; then at most
/// `HTTPLimits.highMark` bytes wait here, and the socket is not read faster than the handler reads.
public final class HTTPBody: Sendable {
  private struct State: Sendable {
    var bytes: [UInt8] = []
    var start = 0
    var isEnded = false
    var failure: HTTPFailure?
    var isPaused = false

    var available: Int { bytes.count - start }

    mutating func take(_ count: Int) -> [UInt8] {
      if start == 0, count >= bytes.count {
        let whole = bytes
        bytes = []
        return whole
      }
      let piece = Array(bytes[start..<(start + min(count, available))])
      start += piece.count
      if start == bytes.count {
        bytes.removeAll(keepingCapacity: true)
        start = 0
      }
      return piece
    }
  }

  /// How a streaming body asks for more: the loop's ear, and the pool that must not count a waiting worker.
  struct Source: Sendable {
    var pool: WorkerPool
    var highMark: Int
    var lowMark: Int
    var wanted: @Sendable () -> Void
  }

  /// No body.
  public static let empty = HTTPBody([])

  /// The body's length in bytes when the client announced it.
  public let length: Int?
  private let limit: Int
  private let source: Source?
  private let state: Lock<State>

  /// A body in memory.
  public init(_ bytes: [UInt8]) {
    length = bytes.count
    limit = .max
    source = nil
    state = Lock(State(bytes: bytes, isEnded: true))
  }

  /// The same for another reader, of a body in memory that nobody has read yet.
  func copy() -> HTTPBody { HTTPBody(state.withLock { $0.bytes }) }

  /// A body that streams, with the bytes that came already.
  init(length: Int?, limit: Int, received: [UInt8], isPaused: Bool, source: Source) {
    self.length = length
    self.limit = limit
    self.source = source
    state = Lock(State(bytes: received, isPaused: isPaused))
  }

  /// The next bytes, at least one and at most `upTo`; none at the end. Blocks until bytes come. Throws HTTPFailure
  /// when the body is cut off (400), too slow (408), malformed (400) or longer than its route allows (413).
  public func read(upTo count: Int) throws(HTTPFailure) -> [UInt8] {
    guard let source else { return state.withLock { $0.take(max(1, count)) } }
    var asks = state.withLock { state in
      let asks = state.available == 0 && state.isPaused
      if asks { state.isPaused = false }
      return asks
    }
    if asks { source.wanted() }
    let mustWait = state.withLock { $0.available == 0 && !$0.isEnded && $0.failure == nil }
    let lowMark = source.lowMark
    let take = { (state: inout State) throws(HTTPFailure) -> ([UInt8], Bool) in
      if let failure = state.failure { throw failure }
      let piece = state.take(max(1, count))
      let resume = state.isPaused && state.available <= lowMark
      if resume { state.isPaused = false }
      return (piece, resume)
    }
    let piece: [UInt8]
    if mustWait {
      (piece, asks) = try source.pool.blocking { () throws(HTTPFailure) in
        try state.waiting(while: { $0.available == 0 && !$0.isEnded && $0.failure == nil }, take)
      }
    } else {
      (piece, asks) = try state.withLock(take)
    }
    if asks { source.wanted() }
    return piece
  }

  /// The whole body. Throws as `read` does; 413 when it is longer than its route allows.
  public func readAll() throws(HTTPFailure) -> [UInt8] {
    var whole = try read(upTo: .max)
    guard source != nil, !whole.isEmpty else { return whole }
    if let length { whole.reserveCapacity(min(length, limit)) }
    while true {
      let piece = try read(upTo: .max)
      if piece.isEmpty { return whole }
      whole.append(contentsOf: piece)
    }
  }

  // What the loop calls.

  /// Adds received bytes; false when the socket should rest until `wanted` is called.
  func push(_ bytes: [UInt8]) -> Bool {
    guard let source else { return true }
    let goesOn = state.withLock { state in
      state.bytes.append(contentsOf: bytes)
      if state.available >= source.highMark { state.isPaused = true }
      return !state.isPaused
    }
    state.wakeAll()
    return goesOn
  }

  func finish() {
    state.withLock { $0.isEnded = true }
    state.wakeAll()
  }

  /// Ends the body with an error that the next read throws; an ended body stays as it is.
  func fail(_ failure: HTTPFailure) {
    state.withLock { state in
      if !state.isEnded, state.failure == nil { state.failure = failure }
    }
    state.wakeAll()
  }
}
