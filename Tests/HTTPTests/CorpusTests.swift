import Testing

@testable import HTTP

/// What the parsers make of a stream of bytes, without a socket: one line for each message, then the refusal.
func reading(_ pieces: [ArraySlice<UInt8>]) -> [String] {
  let limits = HTTPLimits()
  var lines: [String] = []
  var parser = HeadParser(limits: limits)
  var decoder: BodyDecoder?
  var body: [UInt8] = []
  do {
    for piece in pieces {
      var rest = piece
      while !rest.isEmpty {
        if var current = decoder {
          let taken = try rest.withUnsafeBytes { bytes in
            try current.decode(bytes, into: &body)
          }
          rest = rest.dropFirst(taken)
          decoder = current.isComplete ? nil : current
          if current.isComplete { lines.append("body \(body)") }
        } else {
          let (taken, raw) = try rest.withUnsafeBytes { bytes in try parser.feed(bytes)
          }
          rest = rest.dropFirst(taken)
          guard let raw else { continue }
          parser = HeadParser(limits: limits)
          let head = try RequestHead(raw, limits: limits)
          try BrowserGuard(allowed: [], bind: "127.0.0.1").check(head)
          if case .fixed(let length) = head.framing, length > 16 << 20 {
            throw HTTPFailure(status: 413, message: "")
          }
          lines.append("\(head.method) \(head.target.path) \(head.headers.fields.count) \(head.framing)")
          body = []
          decoder = BodyDecoder(head.framing, limit: 16 << 20, limits: limits)
        }
      }
    }
  } catch {
    let failure = error as? HTTPFailure
    lines.append("refused \(failure?.status ?? 0) \(failure?.message ?? "")")
  }
  return lines
}

@Suite struct CorpusParsing {
  /// Cases that only a server with routes, files or a clock can refuse.
  static let serverOnly: Set<String> = [
    "a body that ends early", "a head that never ends", "dot segments escaped twice",
  ]

  @Test(arguments: malformedMessages)
  func malformedMessageIsRefusedWithItsStatus(_ message: Malformed) throws {
    guard !Self.serverOnly.contains(message.description) else { return }
    let last = try #require(reading([message.bytes[...]]).last)
    let status = try #require(last.hasPrefix("refused ") ? Int(last.dropFirst(8).prefix(3)) : nil)
    #expect(message.statuses.contains(status), "\(last)")
  }

  @Test(arguments: malformedMessages)
  func malformedMessageReadsTheSameInPieces(_ message: Malformed) { expectSameInPieces(message.bytes) }

  @Test(arguments: properMessages)
  func properMessageReadsTheSameInPieces(_ message: Proper) { expectSameInPieces(message.bytes) }

  /// One byte at a time, and split at each position; of long messages the middle is one repeated byte and is skipped.
  private func expectSameInPieces(_ bytes: [UInt8]) {
    let whole = reading([bytes[...]])
    #expect(reading(bytes.indices.map { bytes[$0...$0] }) == whole)
    for split in bytes.indices where split < 400 || split > bytes.count - 100 || split % 997 == 0 {
      #expect(reading([bytes[..<split], bytes[split...]]) == whole, "split at \(split)")
    }
  }

  /// Every place where CRLF, a digit or a limit is checked, one byte off.
  @Test func framingIsCheckedAtEveryPlace() {
    let start = "POST / HTTP/1.1\r\nHost: a.localhost\r\n"
    let coded = start + "Transfer-Encoding: chunked\r\n\r\n"
    let many = String(repeating: "x", count: 257)
    let table: [(String, Int)] = [
      ("POST / HTTP/1.1\rX", 400), ("POST / HTTP/1.1X\n", 400), (start + "A: b\rX", 400),
      (start + "\rX", 400),
      (start + "\n", 400), ("\r\n\r\n" + start, 400), ("\rX", 400), ("\n" + start, 400),
      (coded + "1\rX", 400), (coded + "1\r\nZ\rX", 400), (coded + "1\r\nZX\n", 400),
      (coded + "1\r\nZ\n", 400),
      (coded + "0\r\n\rX", 400), (coded + "0\r\n\n", 400), (coded + "0\r\nA: b\rX", 400),
      (coded + "0\r\nA b: c\r\n", 400), (coded + "0\r\nA: b\u{1}\r\n", 400), (coded + "1 \r\n", 400),
      (coded + "1 ;a\r\n", 400), (coded + ";a\r\n", 400), (coded + "1;\(many)\r\n", 400),
      (coded + "00000000000000001\r\n", 400), (coded + "7fffffffffffffff\r\n", 413),
      (coded + "ffffffffffffffff\r\n", 413), (coded + "1000001\r\n", 413),
      (coded + "0\r\n" + String(repeating: "A: b\r\n", count: 17), 400),
      (coded + "0\r\nA: " + String(repeating: "b", count: 4096) + "\r\n", 400),
      (coded + String(repeating: "1;" + many.dropLast() + "\r\nZ\r\n", count: 1000), 400),
      (start + String(repeating: "A: b\r\n", count: 100), 431),
      (start + String(repeating: "A: " + String(repeating: "b", count: 8000) + "\r\n", count: 5), 431),
      (start + "A: " + String(repeating: "b", count: 8190), 431),
      (String(repeating: "A", count: 33) + " /", 501),
    ]
    for (text, status) in table {
      let lines = reading([Array(text.replacing("a.localhost", with: "localhost").utf8)[...]])
      #expect(
        lines.last?.hasPrefix("refused \(status)") == true, "\(text.prefix(120).debugDescription): \(lines)")
    }
  }

  @Test func whatIsAllowedIsAllowedToItsLimit() {
    let start = "POST / HTTP/1.1\r\nHost: localhost\r\n"
    let coded = start + "Transfer-Encoding: chunked\r\n\r\n"
    for text in [
      start + String(repeating: "A: b\r\n", count: 99) + "\r\n",
      start + "A: " + String(repeating: "b", count: 8000) + "\r\n\r\n",
      start + "A:\tb \t c\u{fc}\t \r\n\r\n", start + "A:\r\n\r\n",
      coded + "000000000000000A;x=\"y\"\r\n0123456789\r\n0\r\n" + String(repeating: "A: b\r\n", count: 16)
        + "\r\n",
      coded + "1;" + String(repeating: "x", count: 256) + "\r\nZ\r\n0\r\n\r\n",
    ] {
      let lines = reading([Array(text.utf8)[...]])
      #expect(
        lines.count == (text.hasPrefix(coded) ? 2 : 1) && lines.last?.hasPrefix("refused") == false,
        "\(lines)")
    }
  }

  @Test func corpusIsComplete() {
    #expect(malformedMessages.count == 79)
    #expect(properMessages.count == 11)
  }
}

extension Sockets {
  @Suite struct Corpus {
    let server: TestServer

    init() throws { server = try TestServer() }

    @Test(arguments: malformedMessages)
    func malformedMessageIsRefused(_ message: Malformed) throws {
      try expectRefusal(message, after: "", inPiecesOf: message.bytes.count)
      #expect(server.calls.value == 0, "no handler runs")
    }

    @Test(
      arguments: malformedMessages.filter {
        $0.bytes.count < 1000 && $0.description != "a head that never ends"
      })
    func malformedMessageIsRefusedByteByByte(_ message: Malformed) throws {
      try expectRefusal(message, after: "", inPiecesOf: 1)
      #expect(server.calls.value == 0, "no handler runs")
    }

    @Test(arguments: malformedMessages)
    func malformedMessageIsRefusedAfterAGoodOne(_ message: Malformed) throws {
      try expectRefusal(
        message, after: "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", inPiecesOf: message.bytes.count)
      #expect(server.calls.value == 1, "only the good request's handler runs")
    }

    private func expectRefusal(_ message: Malformed, after first: String, inPiecesOf size: Int) throws {
      let client = try server.connect()
      try client.send(first)
      // A refusal may come, and the connection close, before the last byte is sent.
      for start in stride(from: 0, to: message.bytes.count, by: size) {
        do { try client.send(Array(message.bytes[start..<min(message.bytes.count, start + size)])) } catch {
          break
        }
      }
      if message.endsSending { client.endSending() }
      if !first.isEmpty { #expect(try client.reply()?.status == 200) }
      guard let reply = try client.reply() else {
        #expect(message.maySayNothing, "closed without an answer")
        return
      }
      #expect(message.statuses.contains(reply.status), "answered \(reply.status) \(reply.text)")
      if reply.headers["Connection"] == "close" {
        #expect(try client.isClosed())
        #expect(!client.wasReset, "a reset could overtake the answer")
      } else {
        // The message's framing was sound, so the connection goes on with the next one.
        #expect(
          Set([404, 405, 403, 421]).contains(reply.status), "\(reply.status) may not keep the connection")
        try client.send("GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n")
        #expect(try client.reply()?.status == 404)
      }
    }

    @Test(arguments: properMessages, [1, 3, 1_000_000])
    func properMessageIsAnswered(_ message: Proper, pieceSize: Int) throws {
      let client = try server.connect()
      for start in stride(from: 0, to: message.bytes.count, by: pieceSize) {
        try client.send(Array(message.bytes[start..<min(message.bytes.count, start + pieceSize)]))
      }
      for (method, status) in zip(message.methods, message.statuses) {
        let reply = try #require(try client.reply(to: method))
        #expect(reply.status == status)
        #expect(reply.headers["Date"]?.hasSuffix(" GMT") == true)
        #expect(reply.headers["X-Content-Type-Options"] == "nosniff")
      }
      guard message.stillOpen else {
        #expect(try client.isClosed())
        return
      }
      try client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
      #expect(try client.reply()?.text == "ok")
    }
  }
}
