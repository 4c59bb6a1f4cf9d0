// One socket's state. Only the loop's thread touches it; what happens to it is decided in EventLoop.
import CLinux
import Glibc

/// The identity of one request, so that a late message from its handler cannot reach the next one.
final class Exchange: Sendable {
  /// The connection's token.
  let token: UInt64
  init(token: UInt64) { self.token = token }
}

/// A connection and the one request it may have in progress.
final class Connection {
  enum Phase {
    /// Between requests, or in the middle of a head.
    case waiting
    /// A head is known and its small body is being collected.
    case collecting
    /// The handler was called and its answer is not complete.
    case handling
    /// The answer is complete and the rest of the request's body is thrown away.
    case draining
    /// Nothing more is answered; what is queued goes out first.
    case closing
    /// Our side is shut; waiting for the peer's, so that no reset overtakes the answer.
    case lingering
  }

  enum Output {
    case none
    case pipe(ResponsePipe, chunked: Bool)
    case events(HTTPEventStream, chunked: Bool)
  }

  /// The request in progress.
  struct Current {
    let exchange: Exchange
    let head: RequestHead
    var job: Job?
    /// Nil when the body has been received whole, or there is none.
    var decoder: BodyDecoder?
    var collected: [UInt8] = []
    /// The body a handler reads from while it still arrives; nil before dispatch and for bodies nobody wants.
    var body: HTTPBody?
    var isPaused = false
    var owesContinue = false
    var output = Output.none
    var endsWithConnection = false
  }

  let descriptor: CInt
  let token: UInt64
  let peer: String
  private let limits: HTTPLimits

  var isOpen = true
  var phase = Phase.waiting
  var parser: HeadParser
  var lookahead: [UInt8] = []
  var inputEnded = false
  var current: Current?
  var out = OutQueue()
  /// A stream stopped being pumped for fairness and has more.
  var hasMoreOutput = false
  /// The answer in progress is the last one.
  var mustClose = false
  /// The peer may still be sending what nobody will read, so closing has to linger.
  var leavesInput = false
  var discarded = 0
  /// What epoll watches.
  var interest: UInt32

  // Monotonic nanoseconds.
  var idleSince: UInt64
  var headSince: UInt64
  var bodyProgress: UInt64 = 0
  var bodySince: UInt64 = 0
  var bodyBytes = 0
  var writeProgress: UInt64 = 0
  var lingerSince: UInt64 = 0

  init(descriptor: CInt, token: UInt64, peer: String, limits: HTTPLimits, now: UInt64) {
    self.descriptor = descriptor
    self.token = token
    self.peer = peer
    self.limits = limits
    parser = HeadParser(limits: limits)
    interest = LINUX_READABLE
    idleSince = now
    headSince = now
  }

  /// Whether bytes of the body are awaited from the client now.
  var awaitsBody: Bool {
    guard let current, current.decoder != nil else { return false }
    switch phase {
    case .collecting, .draining: return true
    case .handling: return current.body != nil && !current.isPaused
    default: return false
    }
  }

  /// Between requests, with nothing to do in either direction.
  var isIdle: Bool { phase == .waiting && !parser.hasStarted && lookahead.isEmpty && out.isEmpty }

  var isEventStream: Bool {
    if case .events? = current?.output { true } else { false }
  }

  /// Whether the socket should be read: never faster than somebody takes what comes.
  var wantsInput: Bool {
    guard !inputEnded else { return false }
    switch phase {
    case .waiting: return out.count < limits.highMark
    case .collecting, .draining, .closing, .lingering: return true
    case .handling:
      return current?.decoder == nil ? lookahead.count < limits.lookahead : awaitsBody
    }
  }

  var wantedInterest: UInt32 {
    (wantsInput ? LINUX_READABLE : 0) | (out.isEmpty && !hasMoreOutput ? 0 : LINUX_WRITABLE)
  }

  /// Whether bytes lie in the socket that were not read yet: a client that was to wait for 100 Continue did not wait
  /// (RFC 9110 section 10.1.1 lets the server leave it out then).
  var hasUnreadInput: Bool {
    var byte: UInt8 = 0
    return recv(descriptor, &byte, 1, CInt(MSG_PEEK) | CInt(MSG_DONTWAIT)) > 0
  }

  /// When the connection must be looked at even if nothing happens; nil when never.
  var deadline: UInt64? {
    if !out.isEmpty { return writeProgress + Clock.nanoseconds(limits.writeStallTime) }
    switch phase {
    case .waiting:
      return parser.hasStarted
        ? headSince + Clock.nanoseconds(limits.headerTime) : idleSince + Clock.nanoseconds(limits.idleTime)
    case .collecting, .draining: return bodyDeadline
    case .handling:
      if isEventStream { return writeProgress + Clock.nanoseconds(limits.heartbeatTime) }
      return awaitsBody && current?.owesContinue == false ? bodyDeadline : nil
    case .closing: return writeProgress + Clock.nanoseconds(limits.writeStallTime)
    case .lingering: return lingerSince + Clock.nanoseconds(limits.lingerTime)
    }
  }

  /// Progress restarts the idle time, and the average rate has its own clock: neither alone stops a slow sender
  /// without also stopping a healthy slow transfer.
  private var bodyDeadline: UInt64 {
    let idle = bodyProgress + Clock.nanoseconds(limits.bodyIdleTime)
    let rated = max(limits.bodyRateTime, Double(bodyBytes) / max(1, limits.bodyRate))
    return min(idle, bodySince + Clock.nanoseconds(rated))
  }

  /// Starts the clocks of a body that is awaited from now on.
  func restartBodyClock(_ now: UInt64) {
    bodyProgress = now
    bodySince = now
    bodyBytes = 0
  }

  /// Whether the rest of the body is small enough to be thrown away for the sake of the connection.
  var canDrain: Bool {
    guard let current, let decoder = current.decoder else { return true }
    guard !current.owesContinue, !inputEnded, let remaining = decoder.remaining else { return false }
    return remaining <= limits.drain
  }
}
