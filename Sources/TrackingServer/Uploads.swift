// Request bodies that become files: one file as the body, or a form of several (RFC 7578). They pass through in
// pieces; memory does not grow with them.

import Glibc
import HTTP
import Training

/// Writes a request's files to temporary ones and removes what is left of them at the end.
final class UploadedFiles: @unchecked Sendable {  // filled by the handler, then only read
  private(set) var paths: [String: String] = [:]
  private let library: DatasetLibrary

  init(library: DatasetLibrary) { self.library = library }

  deinit { for path in paths.values { unlink(path) } }

  /// Takes the body in: as a form when its content type says so, otherwise as the only one of `parts`. Throws 400
  /// when a part is missing, unknown or twice there, and what reading the body throws.
  func receive(_ request: HTTPRequest, parts: [String]) throws {
    let type = request.headers["Content-Type"] ?? ""
    if type.lowercased().hasPrefix("multipart/form-data") {
      guard let boundary = Self.boundary(type) else {
        throw HTTPFailure.invalid(nil, "Content-Type: the form has no boundary of 1 to 70 characters")
      }
      var reader = FormReader(body: request.body, boundary: boundary)
      while let name = try reader.nextPart() {
        guard parts.contains(name), paths[name] == nil else {
          throw HTTPFailure.invalid(
            String(name.prefix(60)),
            "the form must have each of the parts \(parts.joined(separator: ", ")) once, got \(quoted(name))")
        }
        try write(name) { try reader.read() }
      }
    } else if parts.count == 1 {
      try write(parts[0]) {
        let piece = try request.body.read(upTo: 1 << 18)
        return piece.isEmpty ? nil : piece
      }
    }
    for name in parts where paths[name] == nil {
      throw HTTPFailure.invalid(
        name,
        "\(name) is missing: the body must be a form (multipart/form-data) with the parts \(parts.joined(separator: ", "))"
      )
    }
  }

  private func write(_ name: String, _ next: () throws -> [UInt8]?) throws {
    let path = library.temporaryPath()
    do {
      var writer = try FileWriter(path)
      paths[name] = path
      while let piece = try next() { try writer.write(piece) }
      try writer.finish()
    } catch let error as ImportError {
      throw failure(of: error)
    }
  }

  static func boundary(_ type: String) -> [UInt8]? {
    for part in type.split(separator: ";").dropFirst() {
      let pair = part.split(separator: "=", maxSplits: 1)
      guard pair.count == 2, pair[0].filter({ $0 != " " }).lowercased() == "boundary" else { continue }
      var value = pair[1].drop { $0 == " " }
      while value.last == " " { value.removeLast() }
      if value.count >= 2, value.first == "\"", value.last == "\"" { value = value.dropFirst().dropLast() }
      return (1...70).contains(value.utf8.count) ? Array(value.utf8) : nil
    }
    return nil
  }
}

/// What a client sees of an upload that failed.
func failure(of error: ImportError) -> HTTPFailure {
  switch error {
  case .damaged(let field, let message): .invalid(field, message)
  case .diskFull: HTTPFailure(status: 503, message: "the disk is full; nothing was stored")
  case .unwritable(let code):
    HTTPFailure(
      status: 500, message: "the data folder cannot be written (\(String(cString: strerror(code))))")
  }
}

/// Reads a form part by part: the names of its parts, and their bytes in pieces.
struct FormReader {
  private static let maxHeader = 16 << 10

  private let body: HTTPBody
  private let delimiter: [UInt8]
  private var buffer: [UInt8]
  private var start = 0
  private var isBodyRead = false
  private var isInPart = true
  private var isOver = false

  init(body: HTTPBody, boundary: [UInt8]) {
    self.body = body
    delimiter = Array("\r\n--".utf8) + boundary
    // The first delimiter may stand at the very start: as if a line had ended before it.
    buffer = [13, 10]
  }

  /// Goes to the next part and gives its name; nil after the last.
  mutating func nextPart() throws -> String? {
    // What is left of the part before; at first, the preamble.
    while try read() != nil {}
    guard !isOver else { return nil }
    isInPart = true
    return try header()
  }

  /// The next bytes of the part; nil at its end.
  mutating func read() throws -> [UInt8]? {
    guard isInPart else { return nil }
    while true {
      if let found = find(delimiter) {
        let piece = Array(buffer[start..<found])
        if !piece.isEmpty {
          start = found
          return piece
        }
        start = found + delimiter.count
        isInPart = false
        try afterDelimiter()
        return nil
      }
      // All but a tail that may be the start of a delimiter.
      let safe = buffer.count - delimiter.count
      if safe > start {
        let piece = Array(buffer[start..<safe])
        start = safe
        return piece
      }
      guard try more() else { throw HTTPFailure.invalid(nil, "the form ends before its last boundary") }
    }
  }

  /// Two dashes end the form; otherwise the rest of the line is blank.
  private mutating func afterDelimiter() throws {
    while buffer.count - start < 2 {
      guard try more() else { throw HTTPFailure.invalid(nil, "the form ends before its last boundary") }
    }
    if buffer[start] == 45, buffer[start + 1] == 45 {
      isOver = true
      while try !body.read(upTo: 1 << 16).isEmpty {}
    }
  }

  private mutating func header() throws -> String {
    let end: [UInt8] = [13, 10, 13, 10]
    var found = find(end)
    while found == nil {
      guard buffer.count - start < Self.maxHeader, try more() else {
        throw HTTPFailure.invalid(nil, "a part of the form has no end of its header")
      }
      found = find(end)
    }
    let text = String(decoding: buffer[start..<(found ?? start)], as: UTF8.self)
    start = (found ?? start) + end.count
    return try name(in: text)
  }

  private func name(in header: String) throws -> String {
    for line in header.split(whereSeparator: \.isNewline)
    where line.lowercased().hasPrefix("content-disposition:") {
      for part in line.split(separator: ";").dropFirst() {
        let pair = part.split(separator: "=", maxSplits: 1)
        guard pair.count == 2, pair[0].filter({ $0 != " " }) == "name" else { continue }
        return pair[1].filter { $0 != "\"" }
      }
    }
    throw HTTPFailure.invalid(nil, "a part of the form has no name")
  }

  private mutating func more() throws -> Bool {
    guard !isBodyRead else { return false }
    if start > 0 {
      buffer.removeFirst(start)
      start = 0
    }
    let piece = try body.read(upTo: 1 << 18)
    isBodyRead = piece.isEmpty
    buffer.append(contentsOf: piece)
    return !piece.isEmpty
  }

  /// Where the pattern, which begins with a line end, next stands.
  private func find(_ pattern: [UInt8]) -> Int? {
    buffer.withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress else { return nil }
      var place = start
      while bytes.count - place >= pattern.count {
        guard let hit = memchr(base + place, 13, bytes.count - place - pattern.count + 1) else { return nil }
        let index = UnsafeRawPointer(hit) - base
        if pattern.withUnsafeBytes({ memcmp(base + index, $0.baseAddress ?? base, $0.count) }) == 0 {
          return index
        }
        place = index + 1
      }
      return nil
    }
  }
}
