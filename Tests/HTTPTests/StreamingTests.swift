import Glibc
import HTTP
import Testing

/// A byte of an endless pattern, so that a lost, doubled or moved piece shows.
private func pattern(_ index: Int) -> UInt8 { UInt8(truncatingIfNeeded: index &* 31 &+ index >> 12) }

private func pattern(from start: Int, count: Int) -> [UInt8] { (start..<(start + count)).map(pattern) }

extension Sockets {
  @Suite struct Streaming {
    static let gate = Lock(true)
    static let uploaded = Lock(0)
    static let written = Lock(0)
    static let gone = Tally()

    /// `/upload` waits for the gate and checks what it reads; `/download/{n}` writes n bytes of the pattern.
    static let routes = [
      HTTPRoute(.put, "/upload", .write, bodyLimit: 1 << 30) { request in
        gate.waiting(while: { !$0 }) { _ in }
        var count = 0
        while true {
          let piece = try request.body.read(upTo: 100_000)
          if piece.isEmpty { break }
          guard piece.count <= 100_000, piece == pattern(from: count, count: piece.count) else {
            throw HTTPFailure(status: 409, message: "wrong at \(count)")
          }
          count += piece.count
          uploaded.withLock { $0 = count }
        }
        return .text("\(count)")
      },
      HTTPRoute(.put, "/halting", .write, bodyLimit: 1 << 30) { request in
        var count = 0
        while count < 2 << 20 { count += try request.body.read(upTo: 100_000).count }
        gate.waiting(while: { !$0 }) { _ in }
        return .text("\(count)")
      },
      HTTPRoute(.put, "/unread", .write, bodyLimit: 1 << 30) { _ in .text("no need", status: 401) },
      HTTPRoute(.put, "/small", .write, bodyLimit: 1000) { request in
        .text("\(try request.body.readAll().count)")
      },
      HTTPRoute(.get, "/failing", .read) { _ in
        HTTPResponse(
          status: 200, body: .stream(length: nil) { _ in throw HTTPFailure(status: 409, message: "no") })
      },
      HTTPRoute(.get, "/download/{n}", .read) { request in
        let total = Int(request.parameters["n"] ?? "") ?? 0
        let length = request.query.first("length").flatMap(Int.init)
        return HTTPResponse(
          status: 200,
          body: .stream(length: length) { writer in
            do {
              for start in stride(from: 0, to: total, by: 100_000) {
                try writer.write(pattern(from: start, count: min(100_000, total - start)))
                written.withLock { $0 = min(total, start + 100_000) }
              }
            } catch let error as HTTPPeerGone {
              gone.add()
              throw error
            }
          })
      },
    ]

    init() {
      Self.gate.withLock { $0 = true }
      Self.uploaded.withLock { $0 = 0 }
      Self.written.withLock { $0 = 0 }
    }

    private func open() { Self.gate.withLock { $0 = true }; Self.gate.wakeAll() }

    private func head(_ line: String, _ fields: String...) -> String {
      line + " HTTP/1.1\r\nHost: localhost\r\n" + fields.map { $0 + "\r\n" }.joined() + "\r\n"
    }

    @Test(arguments: [0, 1, 262_143, 262_144, 262_145, 3_000_000])
    func uploadsArriveWhole(_ size: Int) throws {
      let server = try TestServer(Self.routes)
      let client = try server.connect()
      let body = pattern(from: 0, count: size)
      try client.send(head("PUT /upload", "Content-Length: \(size)"))
      try client.send(body)
      #expect(try client.reply()?.text == "\(size)")

      try client.send(head("PUT /upload", "Transfer-Encoding: chunked"))
      for start in stride(from: 0, to: size, by: 70_001) {
        let piece = body[start..<min(size, start + 70_001)]
        try client.send(Array((String(piece.count, radix: 16) + "\r\n").utf8) + piece + [0x0d, 0x0a])
      }
      try client.send("0\r\n\r\n")
      #expect(try client.reply()?.text == "\(size)")
      #expect(try client.reply(afterSending: head("GET /")) == 200)
    }

    @Test func aHandlerThatDoesNotReadStopsTheClient() throws {
      let server = try TestServer(Self.routes)
      Self.gate.withLock { $0 = false }
      let client = try server.connect()
      let size = 96 << 20
      let before = residentMemory()
      try client.send(head("PUT /upload", "Content-Length: \(size)"))
      client.setTimeout(seconds: 0.5)
      let piece = 1 << 20
      var sent = 0
      while sent < size, (try? client.send(pattern(from: sent, count: piece))) != nil { sent += piece }
      #expect(sent < size, "the client was stopped")
      // Collected and queued bytes, and one read above the mark.
      #expect(server.server.gauges.bytesReceived < (256 << 10) * 2 + (128 << 10))
      #expect(residentMemory() - before < 24 << 20)
      open()
    }

    @Test func aHandlerThatStopsReadingStopsTheClient() throws {
      let server = try TestServer(Self.routes)
      let client = try server.connect()
      let size = 96 << 20
      try client.send(head("PUT /halting", "Content-Length: \(size)"))
      Self.gate.withLock { $0 = false }
      client.setTimeout(seconds: 0.5)
      var sent = 0
      while sent < size, (try? client.send(pattern(from: 0, count: 1 << 20))) != nil { sent += 1 << 20 }
      #expect(sent < size, "the client was stopped")
      #expect(
        server.server.gauges.bytesReceived < (2 << 20) + (1 << 20), "two mebibytes were read, and the marks")
      open()
    }

    @Test func aStoppedUploadGoesOn() throws {
      let server = try TestServer(Self.routes)
      Self.gate.withLock { $0 = false }
      let client = try server.connect()
      let size = 24 << 20
      let thread = Background {
        try client.send("PUT /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(size)\r\n\r\n")
        for start in stride(from: 0, to: size, by: 1 << 20) {
          try client.send(pattern(from: start, count: 1 << 20))
        }
      }
      // Longer than the body may idle: a paused body has no deadline.
      usleep(1_300_000)
      #expect(Self.uploaded.withLock { $0 } == 0)
      open()
      #expect(try client.reply()?.text == "\(size)")
      try thread.join()
    }

    @Test(arguments: [0, 1, 262_144, 5_000_000])
    func downloadsArriveWhole(_ size: Int) throws {
      let server = try TestServer(Self.routes)
      let client = try server.connect()
      for path in ["/download/\(size)", "/download/\(size)?length=\(size)"] {
        try client.send(head("GET " + path))
        let reply = try #require(try client.reply())
        #expect(reply.body == pattern(from: 0, count: size))
      }
      try client.send(head("HEAD /download/\(size)?length=\(size)"))
      #expect(try client.reply(to: "HEAD")?.headers["Content-Length"] == "\(size)")
      #expect(try client.reply(afterSending: head("GET /")) == 200)
    }

    @Test func aClientThatReadsSlowlyHoldsTheWriterNotTheMemory() throws {
      let server = try TestServer(Self.routes)
      let client = try server.connect()
      let size = 200 << 20
      let before = residentMemory()
      try client.send(head("GET /download/\(size)"))
      usleep(500_000)
      let early = Self.written.withLock { $0 }
      #expect(early < 24 << 20, "only what the kernel holds was written: \(early)")
      for _ in 0..<20 {
        try client.receive(upTo: 65_536)
        usleep(20_000)
      }
      #expect(residentMemory() - before < 24 << 20)
    }

    @Test func aClientThatNeverReadsIsLeft() throws {
      let server = try TestServer(Self.routes)
      let before = Self.gone.value
      let client = try server.connect()
      try client.send(head("GET /download/\(200 << 20)"))
      #expect(eventually { Self.gone.value == before + 1 }, "the writer learns of it")
      #expect(eventually { server.server.gauges.openConnections == 0 })
      _ = client
    }

    @Test func aClientThatGoesAwayEndsTheStream() throws {
      let server = try TestServer(Self.routes)
      let before = Self.gone.value
      do {
        let client = try server.connect()
        try client.send(head("GET /download/\(200 << 20)"))
        try client.receive()
      }
      #expect(eventually { Self.gone.value == before + 1 })
    }

    @Test func anAnswerThatIsNotAsLongAsAnnouncedIsCutOff() throws {
      let server = try TestServer(Self.routes)
      let short = try server.connect()
      try short.send(head("GET /download/1000?length=2000"))
      #expect(throws: ClientError.self) { try short.reply() }
      let long = try server.connect()
      try long.send(head("GET /download/300000?length=200000") + head("GET /"))
      let size = try long.reply()?.body.count
      #expect(size == 200_000)
      #expect(try long.isClosed(), "no answer may follow bytes that nobody announced")
      #expect(server.logs.withLock { $0.count } == 2)
    }

    @Test func aStreamThatFailsBeforeItsFirstByteIsAnError() throws {
      let server = try TestServer(Self.routes)
      let client = try server.connect()
      try client.send(head("GET /failing"))
      #expect(try client.reply()?.status == 409)
      try client.send(head("GET /download/5?length=3"))
      #expect(try client.reply()?.status == 500)
      #expect(try client.reply(afterSending: head("GET /")) == 200)
    }

    @Test func slowClientsDoNotOccupyTheWorkers() throws {
      let server = try TestServer(Self.routes) { $0.workers = 1 }
      var clients: [Client] = []
      for _ in 0..<4 {
        let down = try server.connect()
        try down.send(head("GET /download/\(100 << 20)"))
        let up = try server.connect()
        try up.send(head("PUT /upload", "Content-Length: 1000000"))
        try up.send(pattern(from: 0, count: 300_000))
        clients += [down, up]
      }
      #expect(try server.exchange("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").status == 200)
      #expect(server.server.gauges.openConnections >= 8)
      clients = []
    }

    // MARK: 100-continue and unread bodies

    @Test func continueIsSentWhenTheHandlerReads() throws {
      let server = try TestServer(Self.routes)
      let client = try server.connect()
      for _ in 0..<2 {
        try client.send(head("PUT /upload", "Content-Length: 5", "Expect: 100-continue"))
        #expect(try client.reply()?.status == 100)
        try client.send(pattern(from: 0, count: 5))
        #expect(try client.reply()?.text == "5")
      }
    }

    @Test func continueIsNotSentWhenTheAnswerIsKnown() throws {
      let server = try TestServer(Self.routes)
      for (path, status) in [("/unread", 401), ("/small", 413), ("/nothing", 404), ("/download/1", 405)] {
        let client = try server.connect()
        try client.send(head("PUT " + path, "Content-Length: 5000", "Expect: 100-continue"))
        let reply = try client.reply()
        #expect(reply?.status == status)
        #expect(reply?.headers["Connection"] == "close")
        #expect(try client.isClosed())
      }
    }

    /// The body comes with the head, right after it, or when the handler has been called already.
    @Test(arguments: [nil, 0, 50_000] as [UInt32?])
    func aClientThatDoesNotWaitIsNotToldToContinue(_ pause: UInt32?) throws {
      let server = try TestServer(Self.routes)
      Self.gate.withLock { $0 = false }
      let client = try server.connect()
      let head = Array(head("PUT /upload", "Content-Length: 5", "Expect: 100-continue").utf8)
      let body = pattern(from: 0, count: 5)
      if let pause {
        try client.send(head)
        usleep(pause)
        try client.send(body)
      } else {
        try client.send(head + body)
      }
      usleep(100_000)
      open()
      #expect(try client.reply()?.status == 200)
    }

    @Test func anUnreadBodyCostsTheConnectionOnlyWhenItIsLarge() throws {
      let server = try TestServer(Self.routes)
      let client = try server.connect()
      try client.send(head("PUT /nothing", "Content-Length: 60000"))
      try client.send(pattern(from: 0, count: 60_000))
      #expect(try client.reply()?.status == 404)
      #expect(try client.reply(afterSending: head("GET /")) == 200)

      try client.send(head("PUT /unread", "Content-Length: 900000"))
      try client.send(pattern(from: 0, count: 900_000))
      let reply = try client.reply()
      #expect(reply?.text == "no need", "the answer survives although its request was not read")
      #expect(reply?.headers["Connection"] == "close")
      #expect(try client.isClosed())
      #expect(!client.wasReset, "a reset could overtake the answer")
    }

    @Test func aChunkedBodyBeyondItsRouteIsTooLarge() throws {
      let server = try TestServer(Self.routes)
      for size in [1000, 1001] {
        let client = try server.connect()
        try client.send(head("PUT /small", "Transfer-Encoding: chunked"))
        for _ in 0..<size { try client.send("1\r\nx\r\n") }
        try client.send("0\r\n\r\n")
        #expect(try client.reply()?.status == (size > 1000 ? 413 : 200))
      }
    }

    @Test func aSlowBodyTimesOut() throws {
      var limits = TestServer.limits
      limits.bodyRateTime = 0.8
      limits.bodyRate = 100_000
      let server = try TestServer(Self.routes, limits: limits)
      // Silent, dripping above the idle time but below the rate, and silent after the handler has begun.
      for (first, drips) in [(10, false), (10, true), (300_000, false)] {
        let client = try server.connect()
        try client.send(head("PUT /upload", "Content-Length: 1000000"))
        try client.send(pattern(from: 0, count: first))
        let dripped = Lock(0)
        let drip = Background {
          for index in 0..<90 where drips {
            usleep(100_000)
            try client.send([pattern(first + index)])
            dripped.withLock { $0 += 1 }
          }
        }
        let reply = try client.reply()
        #expect(reply?.status == 408, "\(first) \(drips)")
        #expect(dripped.withLock { $0 } < 60, "dripping does not help")
        #expect(try client.isClosed())
        try? drip.join()
      }
    }

    @Test func oldClientsGetBodiesThatEndWithTheConnection() throws {
      let server = try TestServer(Self.routes)
      let client = try server.connect()
      try client.send("GET /download/300000 HTTP/1.0\r\nHost: localhost\r\n\r\n")
      let reply = try #require(try client.reply())
      #expect(reply.headers["Transfer-Encoding"] == nil)
      #expect(reply.headers["Connection"] == "close")
      #expect(reply.body == pattern(from: 0, count: 300_000))
    }
  }
}

extension Client {
  func reply(afterSending text: String) throws -> Int? {
    try send(text)
    return try reply()?.status
  }
}

/// A thread that runs `body` beside the test.
final class Background: @unchecked Sendable {  // the body's captures are used by one thread at a time
  private let outcome = Lock<Result<Void, ClientError>?>(nil)
  private let body: () throws -> Void

  init(_ body: @escaping () throws -> Void) {
    self.body = body
    var thread = pthread_t()
    pthread_create(
      &thread, nil,
      { argument in
        if let argument { Unmanaged<Background>.fromOpaque(argument).takeRetainedValue().run() }
        return nil
      }, Unmanaged.passRetained(self).toOpaque())
    pthread_detach(thread)
  }

  private func run() {
    let result = Result { try body() }.mapError { ClientError(what: "\($0)") }
    outcome.withLock { $0 = result }
    outcome.wakeAll()
  }

  func join() throws {
    try outcome.waiting(while: { $0 == nil }) { $0 }?.get()
  }
}
