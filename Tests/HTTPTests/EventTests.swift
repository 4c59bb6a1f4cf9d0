import Glibc
import HTTP
import Testing

extension Sockets {
  @Suite struct Events {
    /// The open streams of one test, newest last, and how many have ended.
    final class Hub: Sendable {
      let streams = Lock([HTTPEventStream]())
      let ended = Tally()
      var count: Int { streams.withLock { $0.count } }

      var route: HTTPRoute {
        HTTPRoute(.get, "/events", .read) { [self] _ in
          let stream = HTTPEventStream { self.ended.add() }
          streams.withLock { $0.append(stream) }
          return .events(stream)
        }
      }
    }

    static let request = "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"

    private func subscribe(_ server: TestServer, _ hub: Hub) throws -> (Client, HTTPEventStream) {
      let before = hub.count
      let client = try server.connect()
      try client.send(Self.request)
      let head = String(decoding: try #require(try client.read(through: "\r\n\r\n")), as: UTF8.self)
      #expect(head.hasPrefix("HTTP/1.1 200 OK\r\n"))
      #expect(head.contains("Content-Type: text/event-stream\r\n"))
      #expect(head.contains("Cache-Control: no-store\r\n"))
      #expect(head.contains("X-Accel-Buffering: no\r\n"))
      #expect(try client.chunk() == Array("retry: 3000\n\n".utf8))
      return (client, hub.streams.withLock { $0[before] })
    }

    @Test func eventsArriveInOrderAndHoldNoWorker() throws {
      let hub = Hub()
      let server = try TestServer([hub.route]) { $0.workers = 1 }
      let subscribers = try (0..<5).map { _ in try subscribe(server, hub) }
      for index in 0..<100 {
        for (_, stream) in subscribers { #expect(stream.send(HTTPEventStream.event("n", data: "\(index)"))) }
      }
      for (client, stream) in subscribers {
        stream.close()
        var text = ""
        while let chunk = try client.chunk(), !chunk.isEmpty {
          text += String(decoding: chunk, as: UTF8.self)
        }
        #expect(text == (0..<100).map { "event: n\ndata: \($0)\n\n" }.joined())
        #expect(try client.isClosed())
        #expect(!stream.send([0x3a]))
      }
      #expect(eventually { hub.ended.value == 5 })
      #expect(try server.exchange("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").status == 200)
    }

    @Test func aSlowSubscriberIsDroppedAndTheOthersGetAll() throws {
      let hub = Hub()
      let server = try TestServer([hub.route])
      let (slow, slowStream) = try subscribe(server, hub)
      let (good, goodStream) = try subscribe(server, hub)
      let event = HTTPEventStream.event(data: String(repeating: "x", count: 50_000))
      var accepted = 0
      var received = 0
      while accepted < 2_000, slowStream.send(event) {
        accepted += 1
        #expect(goodStream.send(event))
        while received < accepted * event.count {
          received += try #require(try good.chunk()).count
        }
      }
      #expect(accepted < 2_000, "the slow one is dropped")
      #expect(accepted > 20, "but not before it is a mebibyte behind")
      #expect(!slowStream.isOpen)
      #expect(eventually { hub.ended.value == 1 })
      #expect(eventually { server.server.gauges.openEventStreams == 1 })
      #expect(goodStream.send(event))
      #expect(try good.chunk() == event)
      // What the kernel still held arrives, and then the end: not as a whole answer.
      var bytes = try slow.rest().count
      bytes -= accepted * event.count
      #expect(bytes < 0)
    }

    @Test func silentStreamsBeat() throws {
      let hub = Hub()
      var limits = TestServer.limits
      limits.heartbeatTime = 0.2
      let server = try TestServer([hub.route], limits: limits)
      let (client, _) = try subscribe(server, hub)
      for _ in 0..<3 { #expect(try client.chunk() == Array(": ping\n\n".utf8)) }
    }

    @Test func aSubscriberThatLeavesIsNoticedAtOnce() throws {
      let hub = Hub()
      let server = try TestServer([hub.route])
      do {
        let (client, _) = try subscribe(server, hub)
        _ = client
      }
      #expect(eventually(within: 2) { hub.ended.value == 1 })
      #expect(server.server.gauges.openEventStreams == 0)
    }

    @Test func aSubscriberThatOnlyStoppedSendingKeepsItsEvents() throws {
      let hub = Hub()
      let server = try TestServer([hub.route])
      let (client, stream) = try subscribe(server, hub)
      client.endSending()
      #expect(try client.chunk() == Array(": ping\n\n".utf8))
      usleep(200_000)
      #expect(stream.send(HTTPEventStream.event(data: "still here")))
      #expect(try client.chunk() == Array("data: still here\n\n".utf8))
    }

    @Test func streamsAreLimitedByThemselves() throws {
      let hub = Hub()
      var limits = TestServer.limits
      limits.eventStreams = 2
      let server = try TestServer([hub.route], limits: limits)
      let first = try subscribe(server, hub)
      let second = try subscribe(server, hub)
      #expect(try server.exchange(Self.request).status == 503)
      #expect(eventually { hub.ended.value == 1 }, "the refused stream ends")
      first.1.close()
      #expect(eventually { server.server.gauges.openEventStreams == 1 })
      _ = try subscribe(server, hub)
      _ = second
    }

    @Test func headEndsItsStreamAtOnce() throws {
      let hub = Hub()
      let server = try TestServer([hub.route])
      let client = try server.connect()
      try client.send("HEAD /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
      #expect(try client.reply(to: "HEAD")?.headers["Content-Type"] == "text/event-stream")
      #expect(eventually { hub.ended.value == 1 })
      #expect(try client.reply(afterSending: "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n") == 200)
    }

    @Test func valuesCannotForgeEvents() {
      let bytes = HTTPEventStream.event("a\nevent: b", id: "1\n2", data: "x\r\ndata: y\n\nevent: z")
      #expect(
        String(decoding: bytes, as: UTF8.self)
          == "id: 1\nevent: a\ndata: x\ndata: \ndata: data: y\ndata: \ndata: event: z\n\n")
    }
  }
}
