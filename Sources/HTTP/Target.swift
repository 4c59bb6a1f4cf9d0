// Request targets: paths are split first and each segment is decoded exactly once, then checked; nothing that was
// decoded is ever decoded or split again (the lesson of a decade of path traversals).

/// A decoded path segment. An escaped slash keeps its mark, because only tail captures may hold one.
struct PathSegment: Equatable, Sendable {
  var text: String
  var hasEscapedSlash = false
}

/// A host name or address and its port, as Host, Origin and absolute targets write them.
struct HostName: Equatable, Sendable {
  /// Lower case, without the dot at the end; IPv6 in brackets.
  var name: String
  var port: Int?

  /// Nil unless `text` is host[:port] (RFC 3986 section 3.2); percent-encoded names are refused.
  init?(_ text: some StringProtocol) {
    let bytes = Array(text.utf8)
    var nameEnd = bytes.count
    if bytes.first == UInt8(ascii: "[") {
      guard let close = bytes.firstIndex(of: UInt8(ascii: "]")) else { return nil }
      guard close > 1, bytes[1..<close].allSatisfy(Self.isAddressByte) else { return nil }
      nameEnd = close + 1
    } else {
      nameEnd = bytes.firstIndex(of: UInt8(ascii: ":")) ?? bytes.count
      guard nameEnd > 0, bytes[..<nameEnd].allSatisfy(Self.isNameByte) else { return nil }
    }
    if nameEnd < bytes.count {
      guard bytes[nameEnd] == UInt8(ascii: ":") else { return nil }
      let digits = bytes[(nameEnd + 1)...]
      guard digits.count <= 5, digits.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return nil }
      let value = digits.reduce(0) { $0 * 10 + Int($1) - 0x30 }
      guard value <= 65_535 else { return nil }
      port = digits.isEmpty ? nil : value
    }
    var name = String(decoding: bytes[..<nameEnd], as: UTF8.self).lowercased()
    if name.hasSuffix("."), name.utf8.count > 1 { name.removeLast() }
    self.name = name
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    Grammar.isToken(byte) && byte != UInt8(ascii: "%") && byte != UInt8(ascii: "^")
      && byte != UInt8(ascii: "`") && byte != UInt8(ascii: "|") && byte != UInt8(ascii: "#")
  }

  private static func isAddressByte(_ byte: UInt8) -> Bool {
    ChunkedDecoder.hexadecimal(byte) != nil || byte == UInt8(ascii: ":") || byte == UInt8(ascii: ".")
  }
}

/// A request target, taken apart and decoded.
struct Target: Equatable, Sendable {
  /// `OPTIONS *`.
  var isAsterisk = false
  /// The host of an absolute target; it replaces the Host field (RFC 9112 section 3.2.2).
  var authority: HostName?
  var path: String
  var segments: [PathSegment]
  var query: HTTPQuery

  init(_ bytes: [UInt8], method: HTTPMethod, limits: HTTPLimits) throws(HTTPFailure) {
    var rest = bytes[...]
    if bytes == [UInt8(ascii: "*")], method == .options {
      isAsterisk = true
      path = "*"
      segments = []
      query = HTTPQuery()
      return
    }
    if rest.first != UInt8(ascii: "/") {
      (authority, rest) = try Self.absolute(rest)
    }
    guard !rest.contains(UInt8(ascii: "#")) else { throw .malformed("a request target has no fragment") }
    let mark = rest.firstIndex(of: UInt8(ascii: "?"))
    let rawPath = rest[..<(mark ?? rest.endIndex)]
    path = String(decoding: rawPath, as: UTF8.self)
    segments = try Self.segments(rawPath, limits: limits)
    query =
      try mark.map { (mark) throws(HTTPFailure) in
        try Self.query(rest[(mark + 1)...], limits: limits)
      } ?? HTTPQuery()
  }

  /// `http://authority/path`: the authority, and the path with its query.
  private static func absolute(
    _ target: ArraySlice<UInt8>
  ) throws(HTTPFailure) -> (HostName, ArraySlice<UInt8>) {
    let text = String(decoding: target, as: UTF8.self)
    for scheme in ["http://", "https://"] where text.prefix(scheme.count).lowercased() == scheme {
      let rest = target.dropFirst(scheme.utf8.count)
      let end = rest.firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") } ?? rest.endIndex
      guard let host = HostName(String(decoding: rest[..<end], as: UTF8.self)) else { break }
      let path = rest[end...]
      return (host, path.first == UInt8(ascii: "/") ? path : [UInt8(ascii: "/")] + path)
    }
    throw .malformed("the request target must begin with a slash")
  }

  /// The segments of a raw path: `/` has none, a trailing slash gives an empty last one, `a//b` one in the middle,
  /// which only tail captures may hold. A path does not begin with two slashes: that would name a host.
  static func segments(
    _ path: ArraySlice<UInt8>, limits: HTTPLimits
  ) throws(HTTPFailure) -> [PathSegment] {
    guard path.first == UInt8(ascii: "/") else { throw .malformed("the path must begin with a slash") }
    guard path.count > 1 else { return [] }
    let pieces = path.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    guard pieces.count <= limits.pathSegments else {
      throw .malformed("the path has more than \(limits.pathSegments) segments")
    }
    var segments: [PathSegment] = []
    segments.reserveCapacity(pieces.count)
    var total = 0
    for (index, piece) in pieces.enumerated() {
      if piece.isEmpty, index == 0, pieces.count > 1 { throw .malformed("the path holds an empty segment") }
      let segment = try Self.segment(piece, limits: limits)
      total += segment.text.utf8.count + 1
      guard total <= limits.path else {
        throw HTTPFailure(status: 414, message: "the path is longer than \(limits.path) bytes")
      }
      segments.append(segment)
    }
    return segments
  }

  private static func segment(
    _ raw: ArraySlice<UInt8>, limits: HTTPLimits
  ) throws(HTTPFailure) -> PathSegment {
    let bytes = try decode(raw, plusIsSpace: false)
    guard bytes.count <= limits.pathSegment else {
      throw .malformed("a path segment is longer than \(limits.pathSegment) bytes")
    }
    guard bytes.allSatisfy({ $0 >= 0x20 && $0 != 0x7f && $0 != UInt8(ascii: "\\") }) else {
      throw .malformed("a path segment holds a control character or a backslash")
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw .malformed("a path segment is not UTF-8")
    }
    let escapedSlash = bytes.contains(UInt8(ascii: "/"))
    if text == "." || text == ".." || (escapedSlash && hasUnsafePart(text)) {
      throw .malformed("the path holds a dot segment")
    }
    return PathSegment(text: text, hasEscapedSlash: escapedSlash)
  }

  /// Escaped slashes make parts, which must be as harmless as segments.
  private static func hasUnsafePart(_ text: String) -> Bool {
    text.split(separator: "/", omittingEmptySubsequences: false).contains {
      $0.isEmpty || $0 == "." || $0 == ".."
    }
  }

  static func query(_ raw: ArraySlice<UInt8>, limits: HTTPLimits) throws(HTTPFailure) -> HTTPQuery {
    guard raw.count <= limits.query else {
      throw HTTPFailure(status: 414, message: "the query is longer than \(limits.query) bytes")
    }
    let pieces = raw.split(separator: UInt8(ascii: "&"))
    guard pieces.count <= limits.queryPairs else {
      throw .malformed("the query has more than \(limits.queryPairs) pairs")
    }
    var pairs: [(String, String)] = []
    for piece in pieces {
      let equals = piece.firstIndex(of: UInt8(ascii: "=")) ?? piece.endIndex
      let name = try text(piece[..<equals])
      let value = equals < piece.endIndex ? try text(piece[(equals + 1)...]) : ""
      pairs.append((name, value))
    }
    return HTTPQuery(pairs)
  }

  private static func text(_ raw: ArraySlice<UInt8>) throws(HTTPFailure) -> String {
    let bytes = try decode(raw, plusIsSpace: true)
    guard !bytes.contains(0), let text = String(validating: bytes, as: UTF8.self) else {
      throw .malformed("the query is not UTF-8 or holds a NUL")
    }
    return text
  }

  private static func decode(
    _ raw: ArraySlice<UInt8>, plusIsSpace: Bool
  ) throws(HTTPFailure) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(raw.count)
    var index = raw.startIndex
    while index < raw.endIndex {
      let byte = raw[index]
      if byte == UInt8(ascii: "%") {
        guard raw.endIndex - index > 2, let high = ChunkedDecoder.hexadecimal(raw[index + 1]),
          let low = ChunkedDecoder.hexadecimal(raw[index + 2])
        else { throw .malformed("the target holds an invalid percent escape") }
        bytes.append(UInt8(high << 4 | low))
        index += 3
      } else {
        bytes.append(plusIsSpace && byte == UInt8(ascii: "+") ? 0x20 : byte)
        index += 1
      }
    }
    return bytes
  }
}
