import CLinux
import Glibc
import HTTP
import Testing

extension Sockets {
  @Suite final class Files {
    let folder: String
    let server: TestServer

    init() throws {
      var template = Array("/tmp/http-tests-XXXXXX".utf8CString)
      guard mkdtemp(&template) != nil else { throw ClientError(what: "mkdtemp") }
      folder = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
      mkdir(folder + "/public", 0o700)
      mkdir(folder + "/public/views", 0o700)
      Self.write("<p>hello", to: folder + "/public/index.html")
      Self.write("export {}", to: folder + "/public/views/runs.js")
      Self.write("hidden", to: folder + "/public/.hidden")
      Self.write("secret", to: folder + "/secret.txt")
      symlink(folder + "/secret.txt", folder + "/public/link.txt")
      let files = try StaticFiles(folder: folder + "/public")
      #expect(files.paths == ["index.html", "views/runs.js"])
      let api = HTTPRoute(.get, "/api/{name}", .read) { .text($0.parameters["name"] ?? "") }
      let folder = folder
      server = try TestServer([api]) { configuration in
        configuration.routes.removeAll { $0.pattern == "/" }
        configuration.fallback = { files.response(for: $0) }
      }
      _ = folder
    }

    deinit {
      for path in [
        "public/index.html", "public/views/runs.js", "public/.hidden", "public/link.txt", "secret.txt",
      ] {
        unlink(folder + "/" + path)
      }
      for path in ["/public/views", "/public", ""] { rmdir(folder + path) }
    }

    private static func write(_ text: String, to path: String) {
      let descriptor = open(path, O_WRONLY | O_CREAT, 0o600)
      _ = Array(text.utf8).withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      close(descriptor)
    }

    private func ask(_ line: String, _ fields: String...) throws -> Reply {
      try server.exchange(
        line + " HTTP/1.1\r\nHost: localhost\r\n" + fields.map { $0 + "\r\n" }.joined() + "\r\n")
    }

    @Test func filesHaveTypesTagsAndThePolicy() throws {
      let page = try ask("GET /")
      #expect(page.text == "<p>hello")
      #expect(page.headers["Content-Type"] == "text/html; charset=utf-8")
      #expect(page.headers["Cache-Control"] == "no-cache")
      #expect(
        page.headers["Content-Security-Policy"]
          == "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
      )
      #expect(page.headers["Referrer-Policy"] == "no-referrer")
      #expect(page.headers["Cross-Origin-Resource-Policy"] == "same-origin")
      #expect(try ask("GET /index.html").body == page.body)
      let script = try ask("GET /views/runs.js")
      #expect(script.headers["Content-Type"] == "text/javascript; charset=utf-8")
      #expect(script.headers["ETag"] != page.headers["ETag"])
      let head = try ask("HEAD /views/runs.js")
      #expect(head.headers["Content-Length"] == "9")
      #expect(head.body.isEmpty)
    }

    @Test func whatTheClientHasIsNotSentAgain() throws {
      let tag = try #require(try ask("GET /").headers["ETag"])
      #expect(tag.hasPrefix("\"") && tag.hasSuffix("\"") && tag.utf8.count == 18)
      for value in [tag, "W/\(tag)", "\"x\", \(tag)", "*"] {
        let reply = try ask("GET /", "If-None-Match: \(value)")
        #expect(reply.status == 304, "\(value)")
        #expect(reply.headers["ETag"] == tag)
        #expect(reply.headers["Content-Length"] == nil)
      }
      #expect(try ask("GET /", "If-None-Match: \"x\"").status == 200)
    }

    @Test(arguments: [
      "/../secret.txt", "/..%2fsecret.txt", "/%2e%2e/secret.txt", "/%2e%2e%2fsecret.txt",
      "/%252e%252e%252fsecret.txt",
      "/views/../../secret.txt", "/views/..%2f..%2fsecret.txt", "/..\\secret.txt", "/..%5csecret.txt",
      "/.%00./secret.txt", "/views/runs.js%00.html", "/link.txt", "/.hidden", "/%c0%ae%c0%ae/secret.txt",
      "//secret.txt",
      "/views%2fruns.js", "/views", "/views/", "/public/index.html", "/index.html/", "/etc/passwd",
      "/file:/etc/passwd",
      "/views;/../secret.txt", "/\u{ff0e}\u{ff0e}/secret.txt",
    ])
    func nothingElseIsServed(_ path: String) throws {
      let reply = try ask("GET " + path)
      #expect(reply.status == 400 || reply.status == 404, "\(reply.status)")
      #expect(!reply.text.contains("secret\n") && reply.text != "secret")
    }

    @Test func filesOnlyAnswerReading() throws {
      let wrong = try ask("POST /index.html", "Content-Length: 0")
      #expect(wrong.status == 405)
      #expect(wrong.headers["Allow"] == "GET, HEAD, OPTIONS")
      #expect(try ask("OPTIONS /index.html").status == 204)
      #expect(try ask("POST /nothing", "Content-Length: 0").status == 404)
      #expect(try ask("GET /api/x").text == "x")
    }

    @Test func pathsStayBelowTheirFolder() {
      let root = open(folder + "/public", O_RDONLY | O_DIRECTORY)
      defer { close(root) }
      let inside = linux_open_beneath(root, "views/runs.js", O_RDONLY, 0)
      #expect(inside >= 0)
      close(inside)
      for path in ["../secret.txt", "views/../../secret.txt", "link.txt", folder + "/secret.txt", ""] {
        #expect(linux_open_beneath(root, path, O_RDONLY, 0) < 0, "\(path)")
      }
    }

    @Test func aMissingFolderIsNamed() {
      let error = #expect(throws: HTTPServerError.self) { try StaticFiles(folder: "/nonexistent/public") }
      #expect(error?.description.contains("/nonexistent/public") == true)
    }
  }
}
