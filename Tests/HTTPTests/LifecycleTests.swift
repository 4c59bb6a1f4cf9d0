import CLinux
import Glibc
import HTTP
import Testing

extension Sockets {
  @Suite struct Lifecycle {
    static let get = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"

    private struct Broken: Error {}

    private static let slow = HTTPRoute(.get, "/slow/{milliseconds}", .read) { request in
      usleep(UInt32(request.parameters["milliseconds"] ?? "").map { $0 * 1000 } ?? 0)
      return .text("slow")
    }

    // MARK: Time

    @Test func aHeadHasSoLongFromItsFirstByte() throws {
      let server = try TestServer()
      let client = try server.connect()
      let sent = Lock(0)
      let drip = Background {
        try client.send("GET / HTTP/1.1\r\nHost: localhost\r\nX: ")
        for _ in 0..<150 {
          try client.send("a")
          sent.withLock { $0 += 1 }
          usleep(50_000)
        }
      }
      #expect(try client.reply()?.status == 408)
      #expect(sent.withLock { $0 } < 100, "progress does not restart the time of a head")
      #expect(try client.isClosed())
      try? drip.join()
    }

    @Test func manySlowHeadsDoNotStopTheOthers() throws {
      let server = try TestServer()
      var clients: [Client] = []
      for _ in 0..<100 {
        clients.append(try server.connect())
        try clients.last?.send("GET / HTTP/1.1\r\nHost:")
      }
      #expect(try server.exchange(Self.get).status == 200)
      for client in clients { #expect(try client.reply()?.status == 408) }
    }

    @Test func idleConnectionsCloseWithoutAWord() throws {
      var limits = TestServer.limits
      limits.idleTime = 0.3
      let server = try TestServer(limits: limits)
      let fresh = try server.connect()
      let used = try server.connect()
      try used.send(Self.get + "\r\n")  // an empty line after a request begins nothing
      #expect(try used.reply()?.status == 200)
      #expect(try used.isClosed())
      #expect(try fresh.isClosed())
    }

    // MARK: Ends

    @Test func aClientThatStoppedSendingIsAnswered() throws {
      let server = try TestServer([Self.slow])
      let client = try server.connect()
      try client.send(Self.get + "GET /slow/200 HTTP/1.1\r\nHost: localhost\r\n\r\n" + Self.get)
      client.endSending()
      for text in ["ok", "slow", "ok"] { #expect(try client.reply()?.text == text) }
      #expect(try client.isClosed())
    }

    @Test func connectionCloseIsHonoured() throws {
      let server = try TestServer()
      let client = try server.connect()
      try client.send("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: x, Close\r\n\r\n" + Self.get)
      let reply = try client.reply()
      #expect(reply?.status == 200)
      #expect(reply?.headers["Connection"] == "close")
      #expect(try client.isClosed(), "nothing after it is answered")
    }

    /// Whatever a peer does, whenever it does it, nothing stays behind.
    @Test func descriptorsReturnWhateverPeersDo() throws {
      let server = try TestServer(Streaming.routes + [Self.slow, Events.Hub().route])
      #expect(try server.exchange(Self.get).status == 200)
      #expect(eventually { server.server.gauges.openConnections == 0 })
      let before = settled(openSockets)
      let moments = [
        "", "GET / HT", "PUT /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc",
        "PUT /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000\r\n\r\n"
          + String(repeating: "\0", count: 300_000),
        "GET /slow/100 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /download/9000000 HTTP/1.1\r\nHost: localhost\r\n\r\n", Events.request,
      ]
      for moment in moments {
        for reset in [false, true] {
          for half in [false, true] {
            let client = try server.connect()
            try? client.send(moment)
            usleep(30_000)
            if half { client.endSending() }
            if reset {
              var now = linger(l_onoff: 1, l_linger: 0)
              setsockopt(
                client.descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
            }
          }
        }
      }
      #expect(eventually { server.server.gauges.openConnections == 0 })
      #expect(eventually { server.server.gauges.openEventStreams == 0 })
      #expect(openSockets() == before)
      #expect(try server.exchange(Self.get).status == 200)
    }

    @Test func stoppingGivesEverythingBack() throws {
      let before = settled(openSockets)
      for _ in 0..<5 {
        let server = try TestServer()
        #expect(try server.exchange(Self.get).status == 200)
        server.server.stop(grace: 1)
      }
      #expect(eventually { openSockets() == before })
    }

    // MARK: Limits of connections

    @Test func beyondTheLimitClientsWait() throws {
      var limits = TestServer.limits
      limits.connections = 3
      let server = try TestServer(limits: limits)
      var clients = try (0..<3).map { _ in try server.connect() }
      for client in clients { #expect(try client.reply(afterSending: Self.get) == 200) }
      let waiting = try server.connect()
      try waiting.send(Self.get)
      waiting.setTimeout(seconds: 0.3)
      #expect(throws: ClientError.self) { try waiting.reply() }
      waiting.setTimeout(seconds: 5)
      clients.removeFirst()
      #expect(try waiting.reply()?.status == 200)
      #expect(server.server.gauges.acceptedConnections == 4)
    }

    @Test func withoutDescriptorsClientsAreToldAndServedLater() throws {
      var configuration = HTTPServerConfiguration(
        routes: [HTTPRoute(.get, "/", .open) { _ in .text("ok") }])
      configuration.limits = TestServer.limits
      let server = try HTTPServer(configuration)
      defer { server.stop(grace: 0) }
      let clients = try (0..<3).map { _ in try Client(port: server.port) }
      for client in clients { try client.send(Self.get) }
      var limit = rlimit()
      getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
      let lowest = open("/dev/null", O_RDONLY)
      close(lowest)
      var none = limit
      none.rlim_cur = rlim_t(lowest)
      setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &none)
      server.start()
      let refused = eventually { server.gauges.refusedConnections > 0 }
      setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
      #expect(refused)
      let statuses = try clients.map { try $0.reply()?.status }
      #expect(statuses.contains(503))
      #expect(statuses.contains(200), "\(statuses)")
    }

    // MARK: Errors

    @Test func aTakenPortIsNamed() throws {
      let server = try TestServer()
      var configuration = HTTPServerConfiguration()
      configuration.port = server.server.port
      let error = #expect(throws: HTTPServerError.self) { try HTTPServer(configuration) }
      #expect(error?.description.contains("127.0.0.1:\(server.server.port) is already in use") == true)
      configuration.host = "tracker.example"
      #expect(throws: HTTPServerError.self) { try HTTPServer(configuration) }
    }

    @Test func localhostMeansBothFamilies() throws {
      let server = try TestServer { $0.host = "localhost" }
      #expect(try server.exchange(Self.get).status == 200)
      if let client = try? Client(port: server.server.port, address: "::1") {
        #expect(try client.reply(afterSending: Self.get) == 200)
      }
    }

    @Test func aBrokenHandlerFailsAlone() throws {
      let routes = [
        HTTPRoute(.get, "/broken", .open) { _ in throw Broken() },
        HTTPRoute(.get, "/refused", .open) { _ in
          throw HTTPFailure(status: 409, message: "busy", headers: ["Retry-After": "1"])
        },
        HTTPRoute(.get, "/injected", .open) { _ in
          HTTPResponse(status: 200, headers: ["X-Run": "a\r\nSet-Cookie: b"])
        },
        HTTPRoute(.get, "/secret", .read) { _ in .text("secret") },
      ]
      let server = try TestServer(routes) { configuration in
        configuration.authorize = { permission, _ in
          if permission != .open { throw HTTPFailure(status: 401, message: "who are you?") }
        }
      }
      let client = try server.connect()
      func ask(_ path: String) throws -> Reply? {
        try client.send("GET \(path) HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return try client.reply()
      }
      let broken = try #require(try ask("/broken"))
      #expect(broken.status == 500)
      #expect(!broken.text.contains("Broken"), "the cause stays inside")
      let id = try #require(broken.text.split(separator: " ").last).dropLast()
      #expect(server.logs.withLock { $0.contains { $0.contains(id) && $0.contains("Broken") } })
      #expect(try ask("/refused")?.headers["Retry-After"] == "1")
      let injected = try #require(try ask("/injected"))
      #expect(injected.status == 500)
      #expect(injected.headers["Set-Cookie"] == nil)
      #expect(try ask("/secret")?.status == 401)
      #expect(try ask("/")?.status == 200)
      #expect(eventually { server.server.gauges.answers == [0, 0, 1, 0, 2, 2] })
      #expect(eventually { server.server.gauges.handlerTime.reduce(0, +) == 5 })
    }

    @Test func methodsOfAPathAreTold() throws {
      let server = try TestServer()
      let wrong = try server.exchange("DELETE / HTTP/1.1\r\nHost: localhost\r\n\r\n")
      #expect(wrong.status == 405)
      #expect(wrong.headers["Allow"] == "GET, HEAD, POST, OPTIONS")
      let asked = try server.exchange("OPTIONS / HTTP/1.1\r\nHost: localhost\r\n\r\n")
      #expect(asked.status == 204)
      #expect(asked.headers["Allow"] == "GET, HEAD, POST, OPTIONS")
      #expect(asked.headers["Content-Length"] == nil)
    }

    @Test func pipelinedRequestsAreAnsweredInOrder() throws {
      let routes = [HTTPRoute(.get, "/n/{n}", .open) { .text($0.parameters["n"] ?? "") }, Self.slow]
      let server = try TestServer(routes)
      let client = try server.connect()
      let writer = Background {
        for index in 0..<2_000 {
          let path = index % 500 == 0 ? "/slow/20" : index % 7 == 0 ? "/nothing" : "/n/\(index)"
          try client.send("GET \(path) HTTP/1.1\r\nHost: localhost\r\n\r\n")
        }
      }
      for index in 0..<2_000 {
        let reply = try #require(try client.reply())
        if index % 500 == 0 {
          #expect(reply.text == "slow")
        } else if index % 7 == 0 {
          #expect(reply.status == 404)
        } else {
          #expect(reply.text == "\(index)")
        }
      }
      try writer.join()
    }

    // MARK: Stopping

    @Test func stoppingFinishesWhatHasBegun() throws {
      let hub = Events.Hub()
      let server = try TestServer([Self.slow, hub.route])
      let idle = try server.connect()
      #expect(try idle.reply(afterSending: Self.get) == 200)
      let subscriber = try server.connect()
      try subscriber.send(Events.request)
      #expect(try subscriber.read(through: "retry: 3000\n\n\r\n") != nil)
      let busy = try server.connect()
      try busy.send("GET /slow/400 HTTP/1.1\r\nHost: localhost\r\n\r\n")
      usleep(100_000)

      let begin = seconds()
      server.server.stop(grace: 5)
      #expect(seconds() - begin < 2)
      let reply = try busy.reply()
      #expect(reply?.text == "slow")
      #expect(reply?.headers["Connection"] == "close")
      #expect(try subscriber.chunk() == [], "the stream ends properly")
      #expect(try idle.isClosed())
      #expect(hub.ended.value == 1)
      #expect(throws: ClientError.self) { try server.connect() }
      server.server.stop(grace: 5)
    }

    @Test func stoppingDoesNotWaitLongerThanTheGrace() throws {
      let server = try TestServer([Self.slow])
      let client = try server.connect()
      try client.send("GET /slow/1500 HTTP/1.1\r\nHost: localhost\r\n\r\n")
      usleep(100_000)
      let begin = seconds()
      server.server.stop(grace: 0.3)
      #expect(seconds() - begin < 1)
      #expect(try client.isClosed())
    }

    private func seconds() -> Double {
      var time = timespec()
      clock_gettime(CLOCK_MONOTONIC, &time)
      return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
  }
}
