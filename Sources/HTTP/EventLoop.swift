// The thread that moves bytes: one epoll set with the listeners, a wake-up and every connection. It never runs a
// handler and never waits for one. This file has the loop itself, accepting, time and stopping; what happens on a
// connection is in EventLoop+Input.swift and EventLoop+Output.swift.
import CLinux
import Glibc

/// What other threads tell the loop.
enum LoopMessage: Sendable {
  case start
  case answer(Exchange, Answer)
  /// A handler waits for its body: send 100 Continue, or read on.
  case bodyWanted(Exchange)
  /// A streamed answer or an event stream has something to send.
  case output(Exchange)
  case stop(deadline: UInt64)
}

/// The loop and its connections.
final class EventLoop: @unchecked Sendable {  // its variables belong to the loop's thread
  private static let stack = 512 << 10
  private static let scratchSize = 64 << 10
  private static let acceptsPerWakeup = 64
  private static let wakeToken = UInt64.max
  private static let noDescriptor =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
  /// Listeners' tokens are their index below this; connections' begin above.
  private static let firstConnectionToken: UInt64 = 16

  let limits: HTTPLimits
  let router: Router
  let responder: Responder
  let browserGuard: BrowserGuard
  let pool: WorkerPool
  let log: @Sendable (String) -> Void
  let gauges = Lock(HTTPGauges())

  private let epoll: CInt
  private let wakeup: CInt
  private let mailbox = Lock([LoopMessage]())
  private let isFinished = Lock(false)
  private let scratch: UnsafeMutableRawBufferPointer
  private var listeners: [CInt]
  private var isListening = false
  private var listenAgain: UInt64?
  private var spare: CInt
  private let capacity: Int
  private var nextToken = EventLoop.firstConnectionToken
  private var nextSweep = UInt64.max
  private var stopDeadline: UInt64?

  var connections: [UInt64: Connection] = [:]
  var counters = HTTPGauges()
  var date = DateField()
  /// Handed to the workers at the end of this round, all at once.
  var jobs: [WorkerPool.Job] = []
  /// The time when this round of the loop began.
  var now = Clock.now
  var isStopping: Bool { stopDeadline != nil }

  init(
    _ configuration: HTTPServerConfiguration, router: Router, listener: Listener, pool: WorkerPool
  ) throws(HTTPServerError) {
    limits = configuration.limits
    self.router = router
    self.pool = pool
    responder = Responder(configuration)
    browserGuard = BrowserGuard(allowed: configuration.allowedHosts, bind: configuration.host)
    log = configuration.log
    listeners = listener.descriptors
    let descriptors = linux_raise_descriptor_limit(limits.connections + 256)
    capacity = max(1, min(limits.connections, descriptors - 128))
    scratch = .allocate(byteCount: Self.scratchSize, alignment: 64)
    epoll = linux_epoll_create()
    wakeup = linux_eventfd()
    spare = open("/dev/null", O_RDONLY | O_CLOEXEC)
    guard epoll >= 0, wakeup >= 0,
      linux_epoll_control(epoll, LINUX_EPOLL_ADD, wakeup, LINUX_READABLE, Self.wakeToken) == 0,
      Thread.start(stack: Self.stack, { self.run() })
    else {
      let reason = String(cString: strerror(errno))
      scratch.deallocate()
      for descriptor in [epoll, wakeup, spare] where descriptor >= 0 { close(descriptor) }
      throw .system("the server's thread cannot be started: \(reason)")
    }
  }

  // MARK: From any thread

  func post(_ message: LoopMessage) {
    let wasEmpty = mailbox.withLock { messages in
      messages.append(message)
      return messages.count == 1
    }
    if wasEmpty { linux_eventfd_signal(wakeup) }
    if !isRunning { discardMailbox() }
  }

  /// Stops the loop and waits for its end.
  func stop(deadline: UInt64) {
    post(.stop(deadline: deadline))
    isFinished.waiting(while: { !$0 }) { _ in }
  }

  /// Whether answers would still be sent.
  var isRunning: Bool { isFinished.withLock { !$0 } }

  // MARK: The loop's thread

  private func run() {
    let events = UnsafeMutableBufferPointer<linux_event>.allocate(capacity: 256)
    defer { events.deallocate() }
    while !(isStopping && connections.isEmpty) {
      let count = linux_epoll_wait(epoll, events.baseAddress, 256, waitTime())
      now = Clock.now
      for index in 0..<max(0, Int(count)) { handle(events[index]) }
      if now >= nextSweep { sweep() }
      if let stopDeadline, now >= stopDeadline { dropEverything() }
      if !jobs.isEmpty {
        pool.submit(jobs)
        jobs.removeAll(keepingCapacity: true)
      }
      gauges.withLock { [counters] in $0 = counters }
    }
    finish()
  }

  private func finish() {
    closeListeners()
    if spare >= 0 { close(spare) }
    close(epoll)
    scratch.deallocate()
    gauges.withLock { [counters] in $0 = counters }
    isFinished.withLock { $0 = true }
    isFinished.wakeAll()
    discardMailbox()
  }

  private func discardMailbox() {
    for message in takeMessages() { discard(message) }
  }

  private func takeMessages() -> [LoopMessage] {
    mailbox.withLock { messages in
      let taken = messages
      messages = []
      return taken
    }
  }

  deinit { close(wakeup) }

  private func waitTime() -> CInt {
    let next = min(nextSweep, stopDeadline ?? .max)
    guard next != .max else { return -1 }
    let moment = Clock.now
    return next <= moment ? 0 : CInt(min((next - moment) / 1_000_000 + 1, 3_600_000))
  }

  private func handle(_ event: linux_event) {
    if event.token == Self.wakeToken {
      linux_eventfd_drain(wakeup)
      for message in takeMessages() { handle(message) }
    } else if event.token < Self.firstConnectionToken {
      if isListening { acceptSome(listeners[Int(event.token)]) }
    } else if let connection = connections[event.token] {
      if event.events & LINUX_HANGUP != 0 {
        drop(connection)
        return
      }
      if event.events & LINUX_READABLE != 0 { receive(connection) }
      advance(connection)
    }
  }

  private func handle(_ message: LoopMessage) {
    switch message {
    case .start: listen()
    case .stop(let deadline): beginStop(deadline)
    case .answer(let exchange, let answer):
      guard let connection = connection(of: exchange) else { return discard(message) }
      self.answer(connection, answer)
      advance(connection)
    case .bodyWanted(let exchange):
      guard let connection = connection(of: exchange) else { return }
      resumeBody(connection)
      advance(connection)
    case .output(let exchange):
      guard let connection = connection(of: exchange) else { return }
      advance(connection)
    }
  }

  private func connection(of exchange: Exchange) -> Connection? {
    guard let connection = connections[exchange.token], connection.current?.exchange === exchange else {
      return nil
    }
    return connection
  }

  /// An answer that nobody waits for any more.
  private func discard(_ message: LoopMessage) {
    guard case .answer(_, let answer) = message else { return }
    switch answer.rest {
    case .whole: break
    case .pipe(let pipe, _): pipe.abort()
    case .events(let stream, _): end(stream)
    }
  }

  /// Calls the stream's owner on a worker: the loop must not wait for the owner's locks.
  func end(_ stream: HTTPEventStream) {
    if let onClose = stream.end() { pool.submit([onClose]) }
  }

  // MARK: Accepting

  private func listen() {
    guard !isListening, !isStopping, connections.count < capacity else { return }
    isListening = true
    for (index, listener) in listeners.enumerated() {
      _ = linux_epoll_control(epoll, LINUX_EPOLL_ADD, listener, LINUX_READABLE, UInt64(index))
    }
  }

  /// At the limit clients wait in the kernel's queue: accepting only to drop them would tell them nothing better.
  private func pauseListening() {
    guard isListening else { return }
    isListening = false
    for listener in listeners {
      _ = linux_epoll_control(epoll, LINUX_EPOLL_REMOVE, listener, 0, 0)
    }
  }

  private func closeListeners() {
    pauseListening()
    for listener in listeners { close(listener) }
    listeners = []
  }

  private func acceptSome(_ listener: CInt) {
    var peer = [CChar](repeating: 0, count: Int(LINUX_ADDRESS_TEXT))
    for _ in 0..<Self.acceptsPerWakeup {
      guard connections.count < capacity else { return pauseListening() }
      let descriptor = linux_accept(listener, &peer, 30_000)
      if descriptor >= 0 {
        admit(
          descriptor,
          peer: String(decoding: peer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self))
        continue
      }
      switch errno {
      case EAGAIN, EWOULDBLOCK: return
      case EMFILE, ENFILE, ENOBUFS, ENOMEM: return refuseOne(listener)
      default: continue  // the client gave up before it was accepted
      }
    }
  }

  private func admit(_ descriptor: CInt, peer: String) {
    let token = nextToken
    nextToken += 1
    guard linux_epoll_control(epoll, LINUX_EPOLL_ADD, descriptor, LINUX_READABLE, token) == 0 else {
      close(descriptor)
      return
    }
    let connection = Connection(
      descriptor: descriptor, token: token, peer: peer, limits: limits, now: now)
    connections[token] = connection
    counters.acceptedConnections += 1
    counters.openConnections += 1
    schedule(connection.deadline)
  }

  /// Without a free descriptor a level-triggered listener would spin: the spare one lets a client be told, then
  /// listening pauses for a moment.
  private func refuseOne(_ listener: CInt) {
    if spare >= 0 {
      close(spare)
      let descriptor = accept(listener, nil, nil)
      if descriptor >= 0 {
        var words = OutQueue()
        words.append(Array(Self.noDescriptor.utf8))
        _ = words.send(to: descriptor)
        close(descriptor)
      }
      spare = open("/dev/null", O_RDONLY | O_CLOEXEC)
    }
    if counters.refusedConnections == 0 { log("no file descriptor is left: connections are being refused") }
    counters.refusedConnections += 1
    pauseListening()
    let again = now + Clock.nanoseconds(0.1)
    listenAgain = again
    schedule(again)
  }

  // MARK: Time

  /// Makes sure that `sweep` runs at `deadline` or before; it finds out by itself what is really due.
  func schedule(_ deadline: UInt64?) {
    if let deadline { nextSweep = min(nextSweep, deadline) }
  }

  private func sweep() {
    nextSweep = .max
    if let again = listenAgain {
      if now >= again {
        listenAgain = nil
        listen()
      } else {
        schedule(again)
      }
    }
    for connection in Array(connections.values) {
      guard let deadline = connection.deadline else { continue }
      if now >= deadline {
        expire(connection)
        advance(connection)
      } else {
        schedule(deadline)
      }
    }
  }

  // MARK: Sockets

  func receive(_ connection: Connection) {
    let count = recv(connection.descriptor, scratch.baseAddress, scratch.count, 0)
    if count > 0 {
      counters.bytesReceived += count
      consume(connection, UnsafeRawBufferPointer(rebasing: scratch[..<count]))
    } else if count == 0 {
      connection.inputEnded = true
      endInput(connection)
    } else if errno != EAGAIN, errno != EWOULDBLOCK, errno != EINTR {
      drop(connection)
    }
  }

  func watch(_ connection: Connection) {
    let wanted = connection.wantedInterest
    if wanted != connection.interest {
      connection.interest = wanted
      _ = linux_epoll_control(epoll, LINUX_EPOLL_CHANGE, connection.descriptor, wanted, connection.token)
    }
    schedule(connection.deadline)
  }

  /// Closes at once and tells everyone who works for the connection.
  func drop(_ connection: Connection) {
    guard connection.isOpen else { return }
    connection.isOpen = false
    connections[connection.token] = nil
    counters.openConnections -= 1
    close(connection.descriptor)
    if let current = connection.current {
      current.body?.fail(.malformed("the connection was lost"))
      switch current.output {
      case .none: break
      case .pipe(let pipe, _): pipe.abort()
      case .events(let stream, _):
        counters.openEventStreams -= 1
        end(stream)
      }
    }
    connection.current = nil
    if listenAgain == nil { listen() }
  }

  // MARK: Stopping

  private func beginStop(_ deadline: UInt64) {
    stopDeadline = min(stopDeadline ?? .max, deadline)
    closeListeners()
    for connection in Array(connections.values) {
      if connection.isIdle {
        drop(connection)
      } else if case .events(let stream, _)? = connection.current?.output {
        stream.close()
        advance(connection)
      }
    }
  }

  private func dropEverything() {
    for connection in Array(connections.values) { drop(connection) }
  }
}
