// From a worker's answer to bytes, and what happens when time is up.
import Glibc

extension EventLoop {
  private static let lineEnd: [UInt8] = [0x0d, 0x0a]
  private static let lastChunk = Array("0\r\n\r\n".utf8)
  private static let connectionClose = Array("Connection: close\r\n".utf8)
  private static let retry = Array("retry: 3000\n\n".utf8)
  private static let ping = Array(": ping\n\n".utf8)
  /// After this many refills of one answer other connections get their turn.
  private static let roundsPerTurn = 8

  // MARK: Answers

  /// Begins to send an answer to the request in progress.
  func answer(_ connection: Connection, _ given: Answer) {
    guard let current = connection.current else { return }
    let answer = admitStream(given, current.head)
    if !connection.canDrain { connection.leavesInput = true }
    connection.mustClose =
      connection.mustClose || connection.leavesInput || current.head.wantsClose || isStopping
      || answer.endsWithConnection
    sendHead(connection, answer)
    switch answer.rest {
    case .whole(let body):
      enqueue(connection, body)
      completeAnswer(connection)
    case .pipe(let pipe, let chunked):
      connection.current?.output = .pipe(pipe, chunked: chunked)
    case .events(let stream, let chunked):
      if current.head.method == .head {
        end(stream)
        completeAnswer(connection)
        return
      }
      counters.openEventStreams += 1
      connection.current?.output = .events(stream, chunked: chunked)
      enqueueChunk(connection, Self.retry, chunked)
      stream.attach(backlog: limits.eventBacklog) { [self, exchange = current.exchange] in
        post(.output(exchange))
      }
    }
  }

  /// Event streams are bounded by themselves: each holds a connection for hours.
  private func admitStream(_ answer: Answer, _ head: RequestHead) -> Answer {
    guard case .events(let stream, _) = answer.rest, counters.openEventStreams >= limits.eventStreams else {
      return answer
    }
    end(stream)
    return responder.failed(
      HTTPFailure(status: 503, message: "too many event streams are open", headers: ["Retry-After": "10"]),
      method: head.method, minor: head.minor)
  }

  /// Answers what is not a request any more, and closes.
  func refuse(_ connection: Connection, _ failure: HTTPFailure) {
    let method = connection.current?.head.method
    connection.current = nil
    connection.mustClose = true
    connection.leavesInput = true
    let answer = responder.failed(failure, method: method)
    sendHead(connection, answer)
    if case .whole(let body) = answer.rest { enqueue(connection, body) }
    connection.phase = .closing
  }

  private func sendHead(_ connection: Connection, _ answer: Answer) {
    var head = answer.head
    head.append(contentsOf: date.current())
    if connection.mustClose { head.append(contentsOf: Self.connectionClose) }
    head.append(contentsOf: Self.lineEnd)
    enqueue(connection, head)
    counters.answers[answer.status / 100] += 1
    if let seconds = answer.handlerSeconds { counters.recordHandler(seconds: seconds) }
  }

  private func completeAnswer(_ connection: Connection) {
    guard let current = connection.current else { return }
    connection.current?.output = .none
    if current.decoder != nil {
      current.body?.fail(.malformed("the request has been answered already"))
      connection.current?.body = nil
    }
    if connection.mustClose {
      connection.current = nil
      connection.phase = .closing
    } else if current.decoder != nil {
      connection.phase = .draining
      connection.restartBodyClock(now)
    } else {
      finishRequest(connection)
    }
  }

  /// The connection is ready for the next request.
  func finishRequest(_ connection: Connection) {
    connection.current = nil
    connection.phase = .waiting
    connection.idleSince = now
  }

  // MARK: Sending

  func enqueue(_ connection: Connection, _ bytes: [UInt8]) {
    if connection.out.isEmpty { connection.writeProgress = now }
    connection.out.append(bytes)
  }

  private func enqueueChunk(_ connection: Connection, _ bytes: [UInt8], _ chunked: Bool) {
    guard !bytes.isEmpty else { return }
    guard chunked else { return enqueue(connection, bytes) }
    enqueue(connection, Array((String(bytes.count, radix: 16) + "\r\n").utf8))
    enqueue(connection, bytes)
    enqueue(connection, Self.lineEnd)
  }

  /// Moves a connection as far as it goes: answers to the socket, the next requests out of what was read ahead.
  func advance(_ connection: Connection) {
    guard connection.isOpen else { return }
    connection.hasMoreOutput = false
    for round in 1... {
      let pumped = pump(connection)
      guard connection.isOpen, flush(connection) else { return }
      let resumed = resumeInput(connection)
      guard connection.isOpen else { return }
      guard pumped || resumed else { break }
      if round == Self.roundsPerTurn {
        connection.hasMoreOutput = true
        break
      }
    }
    if connection.phase == .closing, connection.out.isEmpty { finishSending(connection) }
    if connection.isOpen { watch(connection) }
  }

  /// Takes what a stream has for the socket, up to the high mark. False when there was nothing to take.
  private func pump(_ connection: Connection) -> Bool {
    guard let current = connection.current, connection.out.count < limits.highMark else { return false }
    switch current.output {
    case .none: return false
    case .pipe(let pipe, let chunked):
      let taken = pipe.take()
      enqueueChunk(connection, taken.bytes, chunked)
      guard taken.isFinished else { return !taken.bytes.isEmpty }
      if taken.isBroken {
        // The client must not take a part for the whole: neither the last chunk nor the last byte is sent.
        _ = connection.out.send(to: connection.descriptor)
        drop(connection)
        return false
      }
      if chunked { enqueue(connection, Self.lastChunk) }
      completeAnswer(connection)
      return true
    case .events(let stream, let chunked):
      let taken = stream.take()
      if taken.isDropped {
        drop(connection)
        return false
      }
      enqueueChunk(connection, taken.bytes, chunked)
      guard taken.isClosed else { return !taken.bytes.isEmpty }
      if chunked { enqueue(connection, Self.lastChunk) }
      counters.openEventStreams -= 1
      end(stream)
      connection.mustClose = true
      completeAnswer(connection)
      return true
    }
  }

  /// Sends what the socket takes; false when the peer is gone.
  private func flush(_ connection: Connection) -> Bool {
    guard !connection.out.isEmpty else { return true }
    switch connection.out.send(to: connection.descriptor) {
    case .gone:
      drop(connection)
      return false
    case .bytes(let count):
      if count > 0 {
        connection.writeProgress = now
        counters.bytesSent += count
      }
    }
    switch connection.current?.output {
    case .pipe(let pipe, _): pipe.report(inFlight: connection.out.count)
    case .events(let stream, _): stream.report(inFlight: connection.out.count)
    default: break
    }
    return true
  }

  /// Everything is sent: shut our side and wait a little for the peer's, because closing with unread input resets the
  /// connection, and the reset can overtake the answer (RFC 9112 section 9.6).
  private func finishSending(_ connection: Connection) {
    if connection.inputEnded || (isStopping && !connection.leavesInput) {
      drop(connection)
      return
    }
    shutdown(connection.descriptor, CInt(SHUT_WR))
    connection.phase = .lingering
    connection.lingerSince = now
  }

  // MARK: Time is up

  func expire(_ connection: Connection) {
    if !connection.out.isEmpty { return drop(connection) }
    switch connection.phase {
    case .waiting:
      guard connection.parser.hasStarted else { return drop(connection) }
      refuse(connection, HTTPFailure(status: 408, message: "the request's head took too long"))
    case .collecting, .draining:
      breakBody(connection, HTTPFailure(status: 408, message: "the request's body came too slowly"))
    case .handling:
      if connection.isEventStream {
        heartbeat(connection)
      } else {
        breakBody(connection, HTTPFailure(status: 408, message: "the request's body came too slowly"))
      }
    case .closing, .lingering: drop(connection)
    }
  }

  /// A comment that keeps proxies from giving up and finds peers that are gone.
  func heartbeat(_ connection: Connection) {
    guard case .events(_, let chunked)? = connection.current?.output else { return }
    enqueueChunk(connection, Self.ping, chunked)
    connection.writeProgress = now
  }
}
