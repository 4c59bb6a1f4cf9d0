// A small blocking client for the program's own server: one request, one connection, one answer.

import Glibc
import JSON

/// Talks to a Cairn server.
struct Client {
  var host: String
  var port: String
  var token: String?

  /// The address of a server, `http://HOST:PORT`; the port is 80 when it is left out.
  init(server: String, token: String?) throws {
    guard server.hasPrefix("http://") else {
      throw Complaint.usage("--server must be an address like http://127.0.0.1:5000, got \"\(server)\"")
    }
    var authority = server.dropFirst(7)
    while authority.hasSuffix("/") { authority.removeLast() }
    if authority.hasPrefix("["), let end = authority.firstIndex(of: "]") {
      host = String(authority[authority.index(after: authority.startIndex)..<end])
      let rest = authority[authority.index(after: end)...]
      port = rest.hasPrefix(":") ? String(rest.dropFirst()) : "80"
    } else {
      let parts = authority.split(separator: ":", omittingEmptySubsequences: false)
      host = String(parts.first ?? "")
      port = parts.count > 1 ? String(parts[1]) : "80"
    }
    guard !host.isEmpty, !host.contains("/"), UInt16(port) != nil else {
      throw Complaint.usage("--server must be an address like http://127.0.0.1:5000, got \"\(server)\"")
    }
    self.token = token
  }

  func get(_ path: String) throws -> JSON { try json(request("GET", path, body: nil)) }
  func post(_ path: String, _ body: JSON) throws -> JSON {
    try json(request("POST", path, body: body.encoded))
  }
  func text(_ path: String) throws -> String {
    String(decoding: try request("GET", path, body: nil), as: UTF8.self)
  }

  private func json(_ bytes: [UInt8]) throws -> JSON {
    do { return try JSON.parse(bytes) } catch {
      throw Complaint.failure("the server's answer is not JSON: \(error.message)")
    }
  }

  /// The body of a 2xx answer; anything else becomes a complaint with the server's own message.
  private func request(_ method: String, _ path: String, body: [UInt8]?) throws -> [UInt8] {
    let shownHost = host.contains(":") ? "[\(host)]" : host
    var head = "\(method) \(path) HTTP/1.1\r\nHost: \(shownHost):\(port)\r\nConnection: close\r\n"
    if let token { head += "Authorization: Bearer \(token)\r\n" }
    if let body { head += "Content-Type: application/json\r\nContent-Length: \(body.count)\r\n" }
    let socket = try connected()
    defer { close(socket) }
    try send(Array((head + "\r\n").utf8) + (body ?? []), to: socket)
    let (status, answer) = try receive(from: socket)
    guard (200..<300).contains(status) else {
      let message = (try? JSON.parse(answer))?["message"]?.stringValue
      throw Complaint.failure(message ?? "the server answered \(status)")
    }
    return answer
  }

  private func connected() throws -> Int32 {
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var list: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(host, port, &hints, &list) == 0 else {
      throw Complaint.failure("there is no host named \(host)")
    }
    defer { freeaddrinfo(list) }
    var next = list
    while let address = next?.pointee {
      let descriptor = socket(address.ai_family, address.ai_socktype, address.ai_protocol)
      if descriptor >= 0 {
        if connect(descriptor, address.ai_addr, address.ai_addrlen) == 0 { return descriptor }
        close(descriptor)
      }
      next = address.ai_next
    }
    throw Complaint.failure(
      "no server answers at http://\(host):\(port) (start one with: cairn serve; or name it with --server)")
  }

  private func send(_ bytes: [UInt8], to socket: Int32) throws {
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes { buffer in
        Glibc.send(
          socket, buffer.baseAddress.map { $0 + sent }, bytes.count - sent, Int32(MSG_NOSIGNAL))
      }
      if count < 0 && errno == EINTR { continue }
      // The server may answer before it has read everything: what it says is read next.
      if count <= 0 { return }
      sent += count
    }
  }

  private func receive(from socket: Int32) throws -> (status: Int, body: [UInt8]) {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = recv(socket, &chunk, chunk.count, 0)
      if count < 0 && errno == EINTR { continue }
      if count <= 0 { break }
      bytes += chunk[..<count]
    }
    guard let end = headEnd(bytes) else {
      throw Complaint.failure("the connection to the server was lost")
    }
    let lines = String(decoding: bytes[..<end], as: UTF8.self).split(separator: "\r\n")
    let status = lines.first?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    let body = Array(bytes[(end + 4)...])
    let chunked = lines.contains { $0.lowercased().hasPrefix("transfer-encoding: chunked") }
    return (status, chunked ? unchunked(body) : body)
  }

  private func headEnd(_ bytes: [UInt8]) -> Int? {
    guard bytes.count >= 4 else { return nil }
    return (0...(bytes.count - 4)).first { bytes[$0..<($0 + 4)] == [13, 10, 13, 10] }
  }

  /// The data of a chunked body (RFC 9112 7.1).
  private func unchunked(_ bytes: [UInt8]) -> [UInt8] {
    var data: [UInt8] = []
    var rest = bytes[...]
    while let lineEnd = rest.firstIndex(of: 13) {
      let size = Int(String(decoding: rest[rest.startIndex..<lineEnd], as: UTF8.self), radix: 16) ?? 0
      let start = lineEnd + 2
      guard size > 0, start + size + 2 <= rest.endIndex else { break }
      data += rest[start..<(start + size)]
      rest = rest[(start + size + 2)...]
    }
    return data
  }
}

/// A text as one segment of a path, percent-encoded (RFC 3986 2.1).
func pathSegment(_ text: String) -> String {
  let plain = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~".utf8)
  let digits = Array("0123456789ABCDEF".utf8)
  var bytes: [UInt8] = []
  for byte in text.utf8 {
    if plain.contains(byte) {
      bytes.append(byte)
    } else {
      bytes += [37, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
    }
  }
  return String(decoding: bytes, as: UTF8.self)
}
