import HTTP
import Testing

extension Sockets {
  /// Answers that another thread brings.
  @Suite struct Later {
    typealias Finish = @Sendable (Result<HTTPResponse, any Error>) -> Void
    static let get = "GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n"

    @Test func moreMayWaitThanThereAreWorkers() throws {
      let waiting = Lock([Finish]())
      let server = try TestServer([
        HTTPRoute(.get, "/later", .read) { _ in .later { finish in waiting.withLock { $0.append(finish) } } }
      ])
      let clients = try (0..<12).map { _ in try server.connect() }
      for client in clients { try client.send(Self.get) }
      #expect(eventually { waiting.withLock { $0.count } == 12 })
      #expect(try server.exchange("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").text == "ok")
      for (index, finish) in waiting.withLock({ $0 }).enumerated() {
        let failure = HTTPFailure(status: 409, message: "not \(index)")
        finish(index % 3 == 0 ? .failure(failure) : .success(.text("done")))
      }
      let replies = try clients.map { try #require(try $0.reply()) }
      #expect(replies.filter { $0.status == 200 && $0.text == "done" }.count == 8)
      #expect(replies.filter { $0.status == 409 }.count == 4)
      // The connections go on.
      try clients[0].send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
      #expect(try clients[0].reply()?.text == "ok")
    }

    /// A brief route's small requests need no worker: they are answered while all of them are held. What is larger, or
    /// says that it needs one, waits for one and is handled once.
    @Test func briefRequestsNeedNoWorker() throws {
      let isHeld = Lock(true)
      let handled = Lock([Bool]())
      let server = try TestServer([
        HTTPRoute(.get, "/slow", .read) { _ in
          isHeld.waiting(while: { $0 }) { _ in }
          return .text("slow")
        },
        HTTPRoute(.post, "/brief", .write, isBrief: true) { request in
          let body = String(decoding: try request.body.readAll(), as: UTF8.self)
          if request.mustBeBrief, body == "work" { throw HTTPNeedsWorker() }
          if body == "bad" { throw HTTPFailure(status: 400, message: "no") }
          handled.withLock { $0.append(request.mustBeBrief) }
          return body == "later" ? .later { $0(.success(.text("later"))) } : .text("\(body.utf8.count)")
        },
      ])
      func brief(_ body: String) -> String {
        "POST /brief HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
      }
      let slow = try (0..<16).map { _ in try server.connect() }
      for client in slow { try client.send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n") }
      let client = try server.connect()
      for (body, status, text) in [
        ("four", 200, "4"), ("later", 200, "later"), ("bad", 400, ""), ("", 200, "0"),
      ] {
        try client.send(brief(body))
        let reply = try #require(try client.reply())
        #expect(reply.status == status && (text.isEmpty || reply.text == text), "\(body)")
      }
      let large = String(repeating: "x", count: 5000)
      let others = try [("work", "4"), (large, "5000")].map {
        (client: try server.connect(), body: $0.0, text: $0.1)
      }
      for other in others { try other.client.send(brief(other.body)) }
      isHeld.withLock { $0 = false }
      isHeld.wakeAll()
      for other in others { #expect(try other.client.reply()?.text == other.text) }
      for client in slow { #expect(try client.reply()?.text == "slow") }
      #expect(handled.withLock { $0.filter { $0 }.count } == 3 && handled.withLock { $0.count } == 5)
    }

    @Test func whatCannotBeBegunIsAnsweredAtOnce() throws {
      let server = try TestServer([
        HTTPRoute(.get, "/later", .read) { _ in
          .later { _ in throw HTTPFailure(status: 503, message: "too much waits") }
        }
      ])
      let reply = try server.exchange(Self.get)
      #expect(reply.status == 503 && reply.text.contains("too much waits"))
    }

    @Test func nobodyMayBeThereAnyMore() throws {
      let waiting = Lock([Finish]())
      let server = try TestServer([
        HTTPRoute(.get, "/later", .read) { _ in .later { finish in waiting.withLock { $0.append(finish) } } }
      ])
      var client: Client? = try server.connect()
      try client?.send(Self.get)
      #expect(eventually { waiting.withLock { $0.count } == 1 })
      client = nil
      for finish in waiting.withLock({ $0 }) { finish(.success(.text("late"))) }
      #expect(eventually { server.server.gauges.openConnections == 0 })
      #expect(try server.exchange("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").text == "ok")
    }
  }
}
