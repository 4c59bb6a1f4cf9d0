// From bytes to a job for a worker.

extension EventLoop {
  /// Gives received bytes to whatever the connection is in the middle of.
  func consume(_ connection: Connection, _ input: UnsafeRawBufferPointer) {
    var rest = input[...]
    while connection.isOpen, !rest.isEmpty {
      switch connection.phase {
      case .waiting:
        guard connection.out.count < limits.highMark else {
          connection.lookahead.append(contentsOf: rest)
          return
        }
        readHead(connection, &rest)
      case .collecting, .handling, .draining:
        guard connection.current?.decoder != nil else {
          connection.lookahead.append(contentsOf: rest)
          return
        }
        readBody(connection, &rest)
      case .closing, .lingering:
        connection.discarded += rest.count
        if connection.discarded > limits.linger { drop(connection) }
        return
      }
    }
  }

  /// Takes up what was read ahead; false when there was nothing or it has to wait.
  func resumeInput(_ connection: Connection) -> Bool {
    guard connection.phase == .waiting else { return false }
    if !connection.lookahead.isEmpty, connection.out.count < limits.highMark {
      let saved = connection.lookahead
      connection.lookahead = []
      saved.withUnsafeBytes { consume(connection, $0) }
      // The end that came meanwhile is the end of what was read ahead.
      if connection.inputEnded, connection.isOpen, connection.current?.decoder != nil { endInput(connection) }
      return true
    }
    guard connection.inputEnded, connection.lookahead.isEmpty else { return false }
    if connection.parser.hasStarted {
      refuse(connection, .malformed("the request ended in the middle of its head"))
    } else {
      connection.phase = .closing
    }
    return true
  }

  // MARK: Heads

  private func readHead(_ connection: Connection, _ rest: inout Slice<UnsafeRawBufferPointer>) {
    let hadStarted = connection.parser.hasStarted
    do throws(HTTPFailure) {
      let (taken, head) = try connection.parser.feed(UnsafeRawBufferPointer(rebasing: rest))
      rest = rest.dropFirst(taken)
      if !hadStarted { connection.headSince = now }
      guard let head else { return }
      connection.parser = HeadParser(limits: limits)
      try begin(connection, try RequestHead(head, limits: limits))
    } catch {
      rest = rest.dropFirst(rest.count)
      refuse(connection, error)
    }
  }

  /// What the head alone decides: host, origin, route, method, length. Only then is a byte of the body awaited.
  private func begin(_ connection: Connection, _ head: RequestHead) throws(HTTPFailure) {
    let outcome = router.route(head.method, head.target.segments)
    var limit = limits.drain
    if case .found(let route, _) = outcome { limit = min(route.bodyLimit, limits.body) }
    let hasBody = head.framing != .none && head.framing != .fixed(0)
    connection.phase = .handling
    connection.current = Connection.Current(
      exchange: Exchange(token: connection.token), head: head,
      decoder: BodyDecoder(head.framing, limit: limit, limits: limits),
      owesContinue: head.expectsContinue && hasBody)
    do throws(HTTPFailure) {
      try browserGuard.check(head)
      try follow(outcome, connection, head)
    } catch {
      answer(connection, responder.failed(error, method: head.method, minor: head.minor))
    }
  }

  private func follow(
    _ outcome: Router.Outcome, _ connection: Connection, _ head: RequestHead
  ) throws(HTTPFailure) {
    if head.target.isAsterisk { return allow(HTTPMethod.allCases, status: 200, connection, head) }
    switch outcome {
    case .found(let route, let parameters):
      let limit = min(route.bodyLimit, limits.body)
      if case .fixed(let length) = head.framing, length > limit {
        throw HTTPFailure(status: 413, message: "the body is larger than \(limit) bytes")
      }
      connection.current?.job = Job(
        request: request(connection, head, parameters), minor: head.minor, destination: .route(route))
      awaitBody(connection, length: length(head.framing))
    case .methodNotAllowed(let methods):
      guard head.method == .options else {
        throw Responder.methodNotAllowed(methods, path: head.target.path)
      }
      allow(methods, status: 204, connection, head)
    case .escapedSlash:
      throw .malformed("the path holds an escaped slash")
    case .emptySegment:
      throw .malformed("the path holds an empty segment")
    case .notFound:
      connection.current?.job = Job(
        request: request(connection, head, [:]), minor: head.minor, destination: .fallback)
      dispatch(connection, .empty, streams: false)
    }
  }

  private func allow(_ methods: [HTTPMethod], status: Int, _ connection: Connection, _ head: RequestHead) {
    let list = methods.map(\.rawValue).joined(separator: ", ")
    let response = HTTPResponse(status: status, headers: ["Allow": list])
    answer(connection, responder.encode(response, method: head.method, minor: head.minor, pipe: nil))
  }

  private func request(
    _ connection: Connection, _ head: RequestHead, _ parameters: [String: String]
  ) -> HTTPRequest {
    HTTPRequest(
      method: head.method, path: head.target.path, segments: head.target.segments.map(\.text),
      parameters: parameters, query: head.target.query, headers: head.headers, peer: connection.peer)
  }

  private func length(_ framing: BodyFraming) -> Int? {
    switch framing {
    case .none: 0
    case .fixed(let length): length
    case .chunked: nil
    }
  }

  // MARK: Bodies

  /// A body that is small, or not known to be large, is collected first: its handler never waits for the client. A
  /// client that expects 100 Continue waits itself, so its handler is called at once.
  private func awaitBody(_ connection: Connection, length: Int?) {
    guard let current = connection.current else { return }
    if current.decoder == nil {
      dispatch(connection, .empty, streams: false)
    } else if current.owesContinue {
      connection.current?.isPaused = true
      dispatch(connection, stream(connection, received: [], isPaused: true), streams: true)
    } else {
      connection.phase = .collecting
      connection.restartBodyClock(now)
    }
  }

  private func stream(_ connection: Connection, received: [UInt8], isPaused: Bool) -> HTTPBody {
    guard let current = connection.current, let job = current.job else { return .empty }
    var limit = limits.drain
    if case .route(let route) = job.destination { limit = min(route.bodyLimit, limits.body) }
    return HTTPBody(
      length: length(current.head.framing), limit: limit, received: received, isPaused: isPaused,
      source: HTTPBody.Source(
        pool: pool, highMark: limits.highMark, lowMark: limits.lowMark,
        wanted: { [self, exchange = current.exchange] in post(.bodyWanted(exchange)) }))
  }

  private func dispatch(_ connection: Connection, _ body: HTTPBody, streams: Bool) {
    guard var job = connection.current?.job, let exchange = connection.current?.exchange else { return }
    connection.current?.job = nil
    connection.phase = .handling
    if streams { connection.current?.body = body }
    job.request.body = body
    if !streams, body.length ?? .max <= Self.briefBody,
      responder.runBriefly(job, deliver: { [self] in post(.answer(exchange, $0)) })
    {
      return
    }
    jobs.append { [self, job] in
      guard isRunning else { return }
      responder.run(
        job,
        pipe: { ResponsePipe(pool: pool, limits: limits, announce: { self.post(.output(exchange)) }) },
        deliver: { self.post(.answer(exchange, $0)) })
    }
  }

  /// Bytes of a body that a brief route may be given on this thread.
  private static let briefBody = 2048

  private func readBody(_ connection: Connection, _ rest: inout Slice<UnsafeRawBufferPointer>) {
    guard var current = connection.current, var decoder = current.decoder else { return }
    connection.current = nil  // one owner: the collected bytes grow in place
    var failure: HTTPFailure?
    let isCollecting = connection.phase == .collecting
    var decoded = isCollecting ? current.collected : []
    current.collected = []
    do throws(HTTPFailure) {
      let taken = try decoder.decode(UnsafeRawBufferPointer(rebasing: rest), into: &decoded)
      rest = rest.dropFirst(taken)
      connection.bodyBytes += taken
      connection.bodyProgress = now
    } catch {
      rest = rest.dropFirst(rest.count)
      failure = error
    }
    let isComplete = failure == nil && decoder.isComplete
    current.decoder = isComplete ? nil : decoder
    if isCollecting { current.collected = decoded }
    let body = current.body
    connection.current = current

    if let failure {
      breakBody(connection, failure)
    } else if isCollecting {
      collect(connection, isComplete: isComplete)
    } else if connection.phase == .draining {
      if isComplete { finishRequest(connection) }
    } else if let body {
      connection.current?.owesContinue = false  // the client did not wait for it
      if !decoded.isEmpty { connection.current?.isPaused = !body.push(decoded) }
      if isComplete {
        body.finish()
        connection.current?.body = nil
      }
    }
  }

  private func collect(_ connection: Connection, isComplete: Bool) {
    guard let collected = connection.current?.collected else { return }
    guard isComplete || collected.count >= limits.collectedBody else { return }
    connection.current?.collected = []
    if isComplete {
      dispatch(connection, HTTPBody(collected), streams: false)
      return
    }
    let isFull = collected.count >= limits.highMark
    connection.current?.isPaused = isFull
    dispatch(connection, stream(connection, received: collected, isPaused: isFull), streams: true)
  }

  /// The body will never be whole: malformed (400), cut off (400), too slow (408) or too large (413).
  func breakBody(_ connection: Connection, _ failure: HTTPFailure) {
    connection.mustClose = true
    connection.leavesInput = true
    switch connection.phase {
    case .collecting:
      refuse(connection, failure)
    case .handling:
      connection.current?.body?.fail(failure)
      connection.current?.body = nil
    default:
      connection.current = nil
      connection.phase = .closing
    }
  }

  /// A handler waits for its body.
  func resumeBody(_ connection: Connection) {
    guard var current = connection.current, current.decoder != nil, current.body != nil else { return }
    if current.owesContinue {
      if !connection.hasUnreadInput { enqueue(connection, Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)) }
      current.owesContinue = false
    }
    current.isPaused = false
    connection.current = current
    connection.restartBodyClock(now)
  }

  /// The client has shut its sending side. It may still be reading.
  func endInput(_ connection: Connection) {
    switch connection.phase {
    case .waiting, .closing: break
    case .collecting, .draining:
      breakBody(connection, .malformed("the body ended before its announced end"))
    case .handling:
      if connection.current?.decoder != nil {
        breakBody(connection, .malformed("the body ended before its announced end"))
      } else if connection.isEventStream {
        // A peer that is gone answers this with a reset; one that only stopped sending reads a comment.
        heartbeat(connection)
      }
    case .lingering: drop(connection)
    }
  }
}
