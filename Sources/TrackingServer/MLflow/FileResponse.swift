import HTTP

extension HTTPResponse {
  /// A file to be saved: whole, or the range that the request asks for (RFC 9110 section 14).
  ///
  /// One range is understood; several, or what is no range, are answered by the whole file, as the RFC allows.
  static func file(_ file: ArtifactTree.File, for request: HTTPRequest) -> HTTPResponse {
    let tag = "\"\(file.tag)\""
    var headers: HTTPHeaders = [
      "Content-Type": mediaType(of: file.name), "Content-Disposition": attachment(named: file.name),
      "Accept-Ranges": "bytes", "ETag": tag, "Cache-Control": "no-cache",
      "Content-Security-Policy": "sandbox; default-src 'none'",
    ]
    if let known = request.headers["If-None-Match"],
      known.split(separator: ",").contains(where: { $0.filter { $0 != " " } == tag || $0 == "*" })
    {
      return HTTPResponse(status: 304, headers: headers)
    }
    var range = 0..<file.bytes
    var status = 200
    let isCurrent = request.headers["If-Range"].map { $0 == tag } ?? true
    if isCurrent, let asked = request.headers["Range"], let wanted = ByteRange(asked) {
      guard let found = wanted.resolved(size: file.bytes) else {
        headers.set("Content-Range", "bytes */\(file.bytes)")
        return HTTPResponse(status: 416, headers: headers)
      }
      range = found
      status = 206
      headers.set("Content-Range", "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(file.bytes)")
    }
    let read = file.read
    return HTTPResponse(
      status: status, headers: headers,
      body: .stream(length: range.count) { [range] writer in
        try read(range) { try writer.write($0) }
      })
  }

  /// The name in quotes where it is plain ASCII, else percent-encoded beside a stand-in (RFC 6266).
  private static func attachment(named name: String) -> String {
    let isPlain = name.utf8.allSatisfy {
      $0 >= 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\")
    }
    if isPlain { return "attachment; filename=\"\(name)\"" }
    var encoded = ""
    for byte in name.utf8 {
      let isUnreserved =
        (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x5A) || (byte >= 0x61 && byte <= 0x7A)
        || "-._~".utf8.contains(byte)
      encoded +=
        isUnreserved
        ? String(UnicodeScalar(byte))
        : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
    }
    return "attachment; filename*=UTF-8''\(encoded)"
  }

  /// Types of files that people look at; anything else is bytes. Pages and vector images would run scripts in this
  /// server's name, so they are bytes as well.
  private static func mediaType(of name: String) -> String {
    let types = [
      "txt": "text/plain; charset=utf-8", "log": "text/plain; charset=utf-8",
      "md": "text/plain; charset=utf-8",
      "yaml": "text/plain; charset=utf-8", "yml": "text/plain; charset=utf-8",
      "py": "text/plain; charset=utf-8",
      "csv": "text/csv; charset=utf-8", "json": "application/json", "png": "image/png", "jpg": "image/jpeg",
      "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp",
    ]
    if name == "MLmodel" || name == "MLproject" { return "text/plain; charset=utf-8" }
    guard let dot = name.lastIndex(of: ".") else { return "application/octet-stream" }
    return types[name[name.index(after: dot)...].lowercased()] ?? "application/octet-stream"
  }
}

/// A single range of bytes as a client writes it.
struct ByteRange: Equatable {
  private enum Kind: Equatable {
    case from(Int, to: Int?)
    case last(Int)
  }

  private let kind: Kind

  /// Nil for what is no single well-formed range: then the field is to be ignored.
  init?(_ text: String) {
    guard text.lowercased().hasPrefix("bytes=") else { return nil }
    let spec = text.dropFirst(6).filter { $0 != " " && $0 != "\t" }
    guard let dash = spec.firstIndex(of: "-") else { return nil }
    let first = spec[..<dash]
    let last = spec[spec.index(after: dash)...]
    guard (first + last).utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return nil }
    if first.isEmpty {
      guard let count = Int(last) else { return nil }
      kind = .last(count)
    } else {
      guard let begin = Int(first) else { return nil }
      let end = last.isEmpty ? nil : Int(last) ?? .max
      if let end, end < begin { return nil }
      kind = .from(begin, to: end)
    }
  }

  /// The bytes that are meant in a file of that size; nil when there are none.
  func resolved(size: Int) -> Range<Int>? {
    switch kind {
    case .last(let count):
      return count == 0 || size == 0 ? nil : max(0, size - count)..<size
    case .from(let begin, let end):
      guard begin < size else { return nil }
      return begin..<min(size, end.map { $0 == .max ? size : $0 + 1 } ?? size)
    }
  }
}
