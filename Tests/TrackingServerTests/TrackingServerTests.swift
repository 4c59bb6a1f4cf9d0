import JSON
import Testing

@testable import HTTP
@testable import TrackingServer

@Suite struct CSVRecords {
  @Test func numbersStandAndTextIsQuotedWhereItMust() {
    #expect(
      csvRecord([.integer(-3), .number(-0.5), .number(.nan), .number(-.infinity), .empty])
        == "-3,-0.5,NaN,-Infinity,\n")
    #expect(
      csvRecord([.text("plain"), .text("a,b"), .text("say \"x\""), .text("two\nlines")])
        == "plain,\"a,b\",\"say \"\"x\"\"\",\"two\nlines\"\n")
  }

  @Test func formulasAreInertAndNumbersAreNone() {
    #expect(csvRecord([.text("=1+1"), .text("@x"), .text("+x"), .text("-x")]) == "'=1+1,'@x,'+x,'-x\n")
    #expect(csvRecord([.text("-1.5"), .text("+2e3")]) == "-1.5,+2e3\n")
  }
}

@Suite struct LiveHubs {
  @Test func filtersMatchRunsOrExperiments() {
    #expect(LiveFilter().wants(run: "a", experiment: "x"))
    #expect(LiveFilter(runs: ["a"]).wants(run: "a", experiment: "x"))
    #expect(!LiveFilter(runs: ["a"]).wants(run: "b", experiment: "x"))
    #expect(LiveFilter(runs: ["a"], experiments: ["x"]).wants(run: "b", experiment: "x"))
    #expect(!LiveFilter(experiments: ["y"]).wants(run: "b", experiment: "x"))
  }

  @Test func aClosedStreamIsForgotten() {
    let hub = LiveHub(boot: 7)
    let stream = hub.subscribe(LiveFilter(), after: nil)
    #expect(hub.subscriberCount == 1)
    stream.close()
    hub.publish(.log, run: "a", experiment: "x", data: Array("{}".utf8))
    #expect(hub.subscriberCount == 0)
  }

  /// Seconds that a test sets.
  private let time = Guarded(100.0)

  private func hub() -> LiveHub { LiveHub(boot: 7, clock: { [time] in time.withLock { $0 } }) }

  /// What one gets who goes on from `id`: the events' kinds.
  private func replay(_ hub: LiveHub, after id: String) -> [String] {
    let stream = hub.subscribe(LiveFilter(), after: id)
    let text = String(decoding: stream.take().bytes, as: UTF8.self)
    stream.end()?()
    return text.split(separator: "\n").filter { $0.hasPrefix("event: ") }.map { String($0.dropFirst(7)) }
  }

  /// An event that nobody would hear need not be made, but whoever was there before it learns that it is missing.
  @Test func whoComesBackIsToldWhatWasLeftOut() {
    let hub = hub()
    #expect(!hub.isHeard && hub.leaveOut(), "nobody was ever there")
    let page = hub.startingPoint()
    #expect(hub.isHeard && !hub.leaveOut(), "the page is about to listen")
    hub.publish(.metric, run: "a", experiment: "x", data: Array("{}".utf8))
    #expect(replay(hub, after: page) == ["metric"])

    let later = hub.startingPoint()
    time.withLock { $0 += LiveHub.patience - 0.1 }
    #expect(!hub.leaveOut())
    time.withLock { $0 += 0.2 }
    #expect(replay(hub, after: later) == [], "nothing happened meanwhile")

    time.withLock { $0 += LiveHub.patience + 0.1 }
    #expect(hub.leaveOut() && hub.leaveOut())
    #expect(replay(hub, after: later) == ["reset"])
    let newest = hub.startingPoint()
    #expect(newest != later && replay(hub, after: newest) == [])

    // The same again: an id that was given out after a gap is no safer than one from before it.
    time.withLock { $0 += LiveHub.patience + 0.1 }
    #expect(hub.leaveOut())
    #expect(replay(hub, after: newest) == ["reset"])
  }

  @Test func theHistoryIsBounded() {
    let hub = LiveHub(boot: 7)
    let data = [UInt8](repeating: 48, count: 1 << 20)
    for _ in 0..<40 { hub.publish(.metric, run: "a", experiment: "x", data: data) }
    #expect(hub.historyBytes <= LiveHub.historyLimit)
    #expect(hub.historyBytes > LiveHub.historyLimit / 2)
  }
}

@Suite struct Queries {
  private func reader(_ pairs: [(String, String)]) -> QueryReader { QueryReader(query: HTTPQuery(pairs)) }

  @Test func integersAreCheckedAgainstTheirRange() throws {
    #expect(try reader([("limit", "7")]).integer("limit", default: 1, in: 1...9) == 7)
    #expect(try reader([]).integer("limit", default: 3, in: 1...9) == 3)
    for text in ["0", "10", "x", "", "7.0", "99999999999999999999"] {
      do {
        _ = try reader([("limit", text)]).integer("limit", default: 1, in: 1...9)
        Issue.record("accepted \(text)")
      } catch let failure as HTTPFailure {
        #expect(failure.field == "limit")
        #expect(failure.message == "limit must be an integer from 1 to 9, got \"\(text)\"")
      }
    }
  }

  @Test func cursorsAreOpaqueButChecked() throws {
    #expect(try pageCursor(reader([])) == nil)
    #expect(try pageCursor(reader([("page_token", "p12")])) == 12)
    for token in ["12", "p", "p-1", "p0", "q3", ""] {
      #expect(throws: HTTPFailure.self) { try pageCursor(reader([("page_token", token)])) }
    }
  }
}

@Suite struct Tokens {
  private func outcome(_ header: String?) -> Int {
    let request = HTTPRequest(
      method: .get, path: "/", headers: header.map { ["Authorization": $0] } ?? HTTPHeaders())
    do {
      try authorizer(token: "s3cret")(.read, request)
      return 200
    } catch { return (error as? HTTPFailure)?.status ?? 0 }
  }

  @Test func onlyTheTokenOpens() {
    #expect(outcome("Bearer s3cret") == 200)
    for header in [
      nil, "", "Bearer", "Bearer ", "Bearer s3cre", "Bearer s3crett", "bearer s3cret", "Basic s3cret",
      "s3cret",
    ] {
      #expect(outcome(header) == 401, "\(header ?? "none")")
    }
  }

  @Test func whatIsOpenNeedsNone() throws {
    try authorizer(token: "s3cret")(.open, HTTPRequest(method: .get, path: "/healthz"))
    try authorizer(token: nil)(.write, HTTPRequest(method: .post, path: "/api/v1/jobs"))
  }
}

@Suite struct Demo {
  @Test func theDemoSpecsAreValid() throws {
    for spec in demoSpecs {
      #expect(spec["experiment"]?.stringValue == demoExperiment)
      #expect(spec["tags"]?["demo"]?.stringValue == spec["name"]?.stringValue)
    }
    #expect(Set(demoSpecs.map { $0["name"]?.stringValue }).count == 3)
  }
}
