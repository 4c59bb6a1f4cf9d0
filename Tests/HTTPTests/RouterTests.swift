import Testing

@testable import HTTP

@Suite struct Routing {
  private func route(_ method: HTTPMethod, _ pattern: String) -> HTTPRoute {
    HTTPRoute(method, pattern, .read) { _ in .text(pattern) }
  }

  private func segments(_ path: String) throws -> [PathSegment] {
    try Target.segments(Array(path.utf8)[...], limits: HTTPLimits())
  }

  /// The pattern that answers and its captures, or why none does.
  private func outcome(_ router: Router, _ method: HTTPMethod, _ path: String) throws -> String {
    switch router.route(method, try segments(path)) {
    case .found(let route, let parameters):
      ([route.pattern] + parameters.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" })
        .joined(separator: " ")
    case .methodNotAllowed(let methods): "405 " + methods.map(\.rawValue).joined(separator: ",")
    case .escapedSlash: "400 /"
    case .emptySegment: "400 //"
    case .notFound: "404"
    }
  }

  @Test func theMostLiteralRouteWithTheMethodWins() throws {
    let router = try Router([
      route(.get, "/"), route(.get, "/runs"), route(.get, "/runs/{id}"), route(.post, "/runs/{id}"),
      route(.get, "/runs/search"), route(.get, "/runs/{id}/metrics/{key...}"),
      route(.get, "/runs/{id}/metrics"),
      route(.get, "/runs/{id}/{part}"), route(.delete, "/{all...}"),
    ])
    let table: [(HTTPMethod, String, String)] = [
      (.get, "/", "/"),
      (.get, "/runs", "/runs"),
      (.head, "/runs", "/runs"),
      (.get, "/runs/search", "/runs/search"),
      (.post, "/runs/search", "/runs/{id} id=search"),
      (.get, "/runs/7", "/runs/{id} id=7"),
      (.get, "/runs/7/metrics", "/runs/{id}/metrics id=7"),
      (.get, "/runs/7/metrics/val/loss", "/runs/{id}/metrics/{key...} id=7 key=val/loss"),
      (.get, "/runs/7/metrics/val%2Floss", "/runs/{id}/metrics/{key...} id=7 key=val/loss"),
      (.get, "/runs/7/metrics/gr%C3%B6%C3%9Fe%20%231", "/runs/{id}/metrics/{key...} id=7 key=größe #1"),
      (.get, "/runs/7/spec", "/runs/{id}/{part} id=7 part=spec"),
      (.delete, "/a/b/c", "/{all...} all=a/b/c"),
      (.delete, "/runs/a%2Fb", "/{all...} all=runs/a/b"),
      (.get, "/runs/7/metrics/val//loss", "/runs/{id}/metrics/{key...} id=7 key=val//loss"),
      (.get, "/runs//metrics/loss", "405 DELETE,OPTIONS"),
      (.put, "/runs/7", "405 GET,HEAD,POST,DELETE,OPTIONS"),
      (.get, "/runs/a%2Fb", "405 DELETE,OPTIONS"),
      (.get, "/elsewhere", "405 DELETE,OPTIONS"),
    ]
    for (method, path, expected) in table {
      #expect(try outcome(router, method, path) == expected, "\(method) \(path)")
    }
  }

  @Test func pathsOutsideTheTableAreNotFound() throws {
    let router = try Router([route(.get, "/runs/{id}")])
    for path in ["/", "/runs", "/runs/", "/runs/7/", "/runs/7/x", "/Runs/7"] {
      #expect(try outcome(router, .get, path) == "404", "\(path)")
    }
    #expect(try outcome(router, .get, "/runs/a%2Fb") == "400 /")
    for path in ["/runs//", "/runs//x", "/runs/7//x", "/x//"] {
      #expect(try outcome(router, .get, path) == "400 //", "\(path)")
    }
  }

  @Test func contradictionsAreFoundAtTheStart() {
    let tables: [[HTTPRoute]] = [
      [route(.get, "/a/{x}"), route(.get, "/a/{y}")], [route(.get, "/a"), route(.get, "/a")],
      [route(.get, "a")],
      [route(.get, "/a//b")], [route(.get, "/{x...}/b")], [route(.get, "/a{x}")], [route(.get, "/{x}/{x}")],
      [route(.get, "/{}")], [route(.get, "/a/")],
    ]
    for table in tables {
      #expect(throws: HTTPServerError.self, "\(table.map(\.pattern))") { try Router(table) }
    }
  }
}

@Suite struct Targets {
  private func target(_ text: String) throws(HTTPFailure) -> Target {
    try Target(Array(text.utf8), method: .get, limits: HTTPLimits())
  }

  @Test func segmentsAreDecodedOnce() throws {
    let table: [(String, [String])] = [
      ("/", []), ("/a", ["a"]), ("/a/", ["a", ""]), ("/a/b%20c", ["a", "b c"]), ("/%2561", ["%61"]),
      ("/a+b", ["a+b"]), ("/%C3%BC", ["ü"]), ("/a..b", ["a..b"]), ("/...", ["..."]), ("/a%2Fb", ["a/b"]),
    ]
    for (path, expected) in table { #expect(try target(path).segments.map(\.text) == expected, "\(path)") }
  }

  @Test(arguments: [
    "/..", "/../a", "/a/..", "/a/../b", "/.", "/./a", "/%2e%2e", "/%2e%2e/a", "/.%2e/a", "/..%2fa",
    "/a%2f..%2fb",
    "/%2fabs", "/a%2f%2fb", "/a%2f", "/..%5ca", "/a%5cb", "/a\\b", "//host", "//", "/%00", "/a%00b",
    "/%0a", "/%7f",
    "/%c0%ae", "/%ff", "/%", "/%4", "/%zz", "/a#b", "a", "", "http://", "http://a b/", "http://user@host/",
    "ftp://host/",
  ])
  func dangerousPathsAreRefused(_ path: String) {
    let failure = #expect(throws: HTTPFailure.self) { try target(path) }
    #expect(failure?.status == 400)
  }

  @Test func limitsHaveTheirStatuses() throws {
    func status(_ path: String) -> Int? {
      do { _ = try target(path) } catch { return error.status }
      return nil
    }
    #expect(status("/" + String(repeating: "a", count: 255)) == nil)
    #expect(status("/" + String(repeating: "a", count: 256)) == 400)
    #expect(status(String(repeating: "/a", count: 64)) == nil)
    #expect(status(String(repeating: "/a", count: 65)) == 400)
    #expect(status(String(repeating: "/" + String(repeating: "a", count: 200), count: 11)) == 414)
    #expect(status("/?" + String(repeating: "a=b&", count: 128)) == nil)
    #expect(status("/?" + String(repeating: "a=b&", count: 129)) == 400)
    #expect(status("/?" + String(repeating: "a", count: 8193)) == 414)
  }

  @Test func queriesAreDecodedLikeForms() throws {
    let query = try target("/x?run=A&run=B&key=val%2Floss&empty=&flag&q=a+b%20c%2B&a=b=c&&u=%C3%BC").query
    #expect(query.all("run") == ["A", "B"])
    #expect(query.first("key") == "val/loss")
    #expect(query.first("empty") == "")
    #expect(query.first("flag") == "")
    #expect(query.first("q") == "a b c+")
    #expect(query.first("a") == "b=c")
    #expect(query.first("u") == "ü")
    #expect(query.first("missing") == nil)
    #expect(query.names == ["run", "run", "key", "empty", "flag", "q", "a", "u"])
    for bad in ["/?a=%", "/?a=%zz", "/?a=%00", "/?%ff=1"] {
      #expect(throws: HTTPFailure.self, "\(bad)") { try target(bad) }
    }
  }

  @Test func hostNamesAreParsedWhole() {
    let table: [(String, String?, Int?)] = [
      ("localhost", "localhost", nil), ("LocalHost:5000", "localhost", 5000),
      ("a.example.", "a.example", nil),
      ("[::1]:80", "[::1]", 80), ("[::1]", "[::1]", nil), ("a:", "a", nil), ("", nil, nil), (":80", nil, nil),
      ("a:b", nil, nil), ("a:99999", nil, nil), ("a b", nil, nil), ("a/b", nil, nil), ("u@h", nil, nil),
      ("[::1", nil, nil), ("[]", nil, nil), ("[::1]x", nil, nil), ("a:1:2", nil, nil), ("%61", nil, nil),
    ]
    for (text, name, port) in table {
      #expect(HostName(text)?.name == name, "\(text)")
      #expect(HostName(text)?.port == port, "\(text)")
    }
  }
}

@Suite struct Browsers {
  private func status(
    _ method: HTTPMethod, host: String, _ fields: HTTPHeaders = HTTPHeaders(), allowed: [String] = [],
    bind: String = "127.0.0.1"
  ) throws -> Int? {
    var headers = fields
    headers.add("Host", host)
    let raw = RawHead(
      method: method.rawValue, target: Array("/".utf8), major: 1, minor: 1, headers: headers)
    let head = try RequestHead(raw, limits: HTTPLimits())
    do { try BrowserGuard(allowed: allowed, bind: bind).check(head) } catch { return error.status }
    return nil
  }

  @Test func onlyOwnHostsAreAnswered() throws {
    for host in ["localhost", "LOCALHOST:1", "localhost.", "127.0.0.1:9", "[::1]:5000"] {
      #expect(try status(.get, host: host) == nil, "\(host)")
    }
    for host in ["evil.example", "localhost.evil.example", "10.0.0.7", "127.0.0.1.evil.example"] {
      #expect(try status(.get, host: host) == 421, "\(host)")
      #expect(try status(.get, host: host, bind: "0.0.0.0") == nil, "\(host)")
      #expect(try status(.get, host: host, allowed: ["*"]) == nil, "\(host)")
      #expect(try status(.get, host: host, allowed: ["tracker.example"], bind: "0.0.0.0") == 421, "\(host)")
    }
    #expect(try status(.get, host: "tracker.example:80", allowed: ["Tracker.example"]) == nil)
    #expect(try status(.get, host: "10.0.0.7:80", bind: "10.0.0.7") == nil)
    #expect(try status(.get, host: "[fd00::7]", bind: "fd00::7") == nil)
  }

  @Test func otherSitesCannotChangeAnything() throws {
    let table: [(HTTPHeaders, Int?)] = [
      ([:], nil),
      (["Origin": "http://localhost:5000"], nil),
      (["Origin": "http://localhost:5000", "Sec-Fetch-Site": "same-origin"], nil),
      (["Sec-Fetch-Site": "none"], nil),
      (["Origin": "http://localhost:5001"], 403),
      (["Origin": "http://evil.example"], 403),
      (["Origin": "http://localhost:5000.evil.example"], 403),
      (["Origin": "null"], 403),
      (["Origin": ""], 403),
      (["Sec-Fetch-Site": "cross-site"], 403),
      (["Sec-Fetch-Site": "same-site"], 403),
    ]
    for (headers, expected) in table {
      for method in [HTTPMethod.post, .put, .patch, .delete] {
        #expect(try status(method, host: "localhost:5000", headers) == expected, "\(method) \(headers)")
      }
      for method in [HTTPMethod.get, .head, .options] {
        #expect(try status(method, host: "localhost:5000", headers) == nil, "\(method) \(headers)")
      }
    }
    #expect(try status(.post, host: "localhost", ["Origin": "http://localhost:80"]) == nil)
    #expect(try status(.post, host: "localhost", ["Origin": "https://localhost"]) == nil)
  }
}
