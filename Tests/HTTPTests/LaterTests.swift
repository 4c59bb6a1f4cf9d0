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
