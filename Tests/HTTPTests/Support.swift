// A small server with short times, and a client that writes literal bytes.
import CLinux
import Glibc
import HTTP
import Testing

/// Sockets, polls and event counters of this process; other tests that run meanwhile open files, but none of these.
@Suite(.serialized) enum Sockets {}

/// Counts what handlers did.
final class Tally: Sendable {
  private let count = Lock(0)
  func add() { count.withLock { $0 += 1 } }
  var value: Int { count.withLock { $0 } }
}

/// A server on a free port of 127.0.0.1 with `/` answering GET and POST, and whatever a test adds.
final class TestServer: Sendable {
  let server: HTTPServer
  let calls: Tally
  let logs: Lock<[String]>

  /// Short times, so that tests of deadlines end soon; still long enough for a busy machine.
  static var limits: HTTPLimits {
    var limits = HTTPLimits()
    limits.headerTime = 1
    limits.idleTime = 3
    limits.bodyIdleTime = 1
    limits.lingerTime = 0.5
    limits.writeStallTime = 1
    return limits
  }

  init(
    _ routes: [HTTPRoute] = [], limits: HTTPLimits = TestServer.limits,
    change: (inout HTTPServerConfiguration) -> Void = { _ in }
  ) throws {
    let calls = Tally()
    let logs = Lock([String]())
    var configuration = HTTPServerConfiguration(
      routes: [
        HTTPRoute(.get, "/", .open) { _ in
          calls.add()
          return .text("ok")
        },
        HTTPRoute(.post, "/", .open, bodyLimit: 16 << 20) { request in
          let body = try request.body.readAll()
          calls.add()
          return .text("\(body.count) bytes")
        },
      ] + routes)
    configuration.limits = limits
    configuration.log = { line in logs.withLock { $0.append(line) } }
    change(&configuration)
    self.calls = calls
    self.logs = logs
    server = try HTTPServer(configuration)
    server.start()
  }

  deinit { server.stop(grace: 0) }

  func connect() throws -> Client { try Client(port: server.port) }

  /// One request on its own connection.
  func exchange(_ text: String) throws -> Reply {
    let client = try connect()
    try client.send(text)
    return try #require(try client.reply(to: String(text.prefix { $0 != " " })))
  }
}

struct Reply {
  var status: Int
  var headers: HTTPHeaders
  var body: [UInt8]
  var text: String { String(decoding: body, as: UTF8.self) }
}

struct ClientError: Error {
  var what: String
}

/// A blocking client connection.
final class Client {
  let descriptor: CInt
  private var buffer: [UInt8] = []
  /// The connection ended with a reset instead of an orderly end.
  private(set) var wasReset = false

  init(port: Int, address: String = "127.0.0.1") throws {
    descriptor = linux_connect(address, UInt16(port))
    guard descriptor >= 0 else { throw ClientError(what: "connect: \(errno)") }
    setTimeout(seconds: 10)
  }

  deinit { close(descriptor) }

  func setTimeout(seconds: Double) {
    var time = timeval(tv_sec: Int(seconds), tv_usec: Int(seconds.truncatingRemainder(dividingBy: 1) * 1e6))
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
  }

  func send(_ text: String) throws { try send(Array(text.utf8)) }

  func send(_ bytes: [UInt8]) throws {
    var start = 0
    while start < bytes.count {
      let count = bytes[start...].withUnsafeBytes { buffer in
        var piece = iovec(
          iov_base: UnsafeMutableRawPointer(mutating: buffer.baseAddress), iov_len: buffer.count)
        return linux_send(descriptor, &piece, 1)
      }
      guard count > 0 else { throw ClientError(what: "send: \(errno)") }
      start += count
    }
  }

  func endSending() { shutdown(descriptor, CInt(SHUT_WR)) }

  /// Reads once; false at the end of the connection (a reset included).
  @discardableResult
  func receive(upTo size: Int = 65_536) throws -> Bool {
    var bytes = [UInt8](repeating: 0, count: size)
    let count = recv(descriptor, &bytes, bytes.count, 0)
    if count > 0 {
      buffer.append(contentsOf: bytes[..<count])
      return true
    }
    if count < 0, errno == EAGAIN { throw ClientError(what: "timed out with \(buffer.count) bytes") }
    wasReset = count < 0
    return false
  }

  /// Everything until the end of the connection.
  func rest() throws -> [UInt8] {
    while try receive() {}
    defer { buffer = [] }
    return buffer
  }

  /// Whether the peer closed without another byte.
  func isClosed() throws -> Bool { try buffer.isEmpty && !receive() }

  /// Reads until `text` was seen and takes everything up to its end; nil at the end of the connection.
  func read(through text: String) throws -> [UInt8]? {
    let wanted = Array(text.utf8)
    var from = 0
    while true {
      if buffer.count >= wanted.count {
        for start in from...(buffer.count - wanted.count) where buffer[start...].starts(with: wanted) {
          let taken = Array(buffer[..<(start + wanted.count)])
          buffer.removeFirst(taken.count)
          return taken
        }
        from = buffer.count - wanted.count + 1
      }
      guard try receive() else { return nil }
    }
  }

  func read(count: Int) throws -> [UInt8]? {
    while buffer.count < count {
      guard try receive() else { return nil }
    }
    let taken = Array(buffer[..<count])
    buffer.removeFirst(count)
    return taken
  }

  /// The next answer; nil when the connection ended before one began. A cut-off answer throws.
  func reply(to method: String = "GET") throws -> Reply? {
    guard let head = try read(through: "\r\n\r\n") else {
      guard buffer.isEmpty else { throw ClientError(what: "half a head") }
      return nil
    }
    var lines = String(decoding: head, as: UTF8.self).split(separator: "\r\n").map(String.init)
    let status = try #require(Int(lines.removeFirst().dropFirst("HTTP/1.1 ".count).prefix(3)))
    var headers = HTTPHeaders()
    for line in lines {
      let colon = try #require(line.firstIndex(of: ":"))
      headers.add(String(line[..<colon]), String(line[line.index(colon, offsetBy: 2)...]))
    }
    var reply = Reply(status: status, headers: headers, body: [])
    if method == "HEAD" || status == 204 || status == 304 || status == 100 { return reply }
    if let length = headers["Content-Length"].flatMap(Int.init) {
      #expect(headers["Transfer-Encoding"] == nil)
      guard let body = try read(count: length) else { throw ClientError(what: "cut off") }
      reply.body = body
    } else if headers["Transfer-Encoding"] == "chunked" {
      reply.body = try chunkedBody()
    } else {
      reply.body = try rest()
    }
    return reply
  }

  private func chunkedBody() throws -> [UInt8] {
    var body: [UInt8] = []
    while true {
      guard let chunk = try chunk() else { throw ClientError(what: "cut off") }
      if chunk.isEmpty { return body }
      body += chunk
    }
  }

  /// One chunk's data, empty for the last; nil at the end of the connection.
  func chunk() throws -> [UInt8]? {
    guard let line = try read(through: "\r\n") else { return nil }
    let size = try #require(Int(String(decoding: line.dropLast(2), as: UTF8.self), radix: 16))
    guard let data = try read(count: size + 2) else { return nil }
    return Array(data.dropLast(2))
  }
}

/// Waits until `condition` holds; false after `seconds`.
func eventually(within seconds: Double = 5, _ condition: () -> Bool) -> Bool {
  for _ in 0..<Int(seconds * 200) {
    if condition() { return true }
    usleep(5_000)
  }
  return condition()
}

/// Sockets, polls and event counters of this process; other tests that run meanwhile open files, but none of these.
func openSockets() -> Int {
  (0..<Int32(4096)).count { descriptor in
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { return false }
    // Polls and event counters are of no type.
    return [0, S_IFSOCK].contains(status.st_mode & S_IFMT)
  }
}

/// A count that has not moved for a while: what the tests before left behind is closed on other threads.
func settled(_ count: () -> Int) -> Int {
  var (last, same) = (count(), 0)
  while same < 10 {
    usleep(30_000)
    let now = count()
    (last, same) = (now, now == last ? same + 1 : 0)
  }
  return last
}

/// Resident memory of this process in bytes.
func residentMemory() -> Int {
  var text = [CChar](repeating: 0, count: 128)
  let descriptor = open("/proc/self/statm", O_RDONLY)
  defer { close(descriptor) }
  guard read(descriptor, &text, text.count - 1) > 0 else { return 0 }
  let words = String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self).split(
    separator: " ")
  return (words.count > 1 ? Int(words[1]) ?? 0 : 0) * 4096
}
