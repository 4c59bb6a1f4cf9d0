// Comma-separated values as RFC 4180 writes them: quotes, doubled quotes and line ends inside quotes. A semicolon or
// a tab separates where the first line has no comma. Memory is for one row.

import Glibc

/// One row: its fields in one buffer, and the line it starts in.
struct CSVRow {
  fileprivate(set) var line = 0
  fileprivate(set) var bytes: [UInt8] = []
  fileprivate(set) var ends: [Int] = []

  var count: Int { ends.count }

  func field(_ index: Int) -> ArraySlice<UInt8> { bytes[(index == 0 ? 0 : ends[index - 1])..<ends[index]] }

  func text(_ index: Int) -> String { String(decoding: field(index), as: UTF8.self) }
}

/// Reads a file row after row.
final class CSVReader {
  static let longestRow = 16 << 20

  private let descriptor: Int32
  private var buffer = [UInt8](repeating: 0, count: 1 << 18)
  private var filled = 0
  private var place = 0
  private var line = 1
  private var separator = UInt8(ascii: ",")

  init(_ path: String) throws(ImportError) {
    descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .unwritable(errno) }
    if fill(), filled >= 3, buffer[0] == 0xEF, buffer[1] == 0xBB, buffer[2] == 0xBF { place = 3 }
    let first = buffer[place..<filled].prefix { $0 != 10 }
    if !first.contains(UInt8(ascii: ",")) {
      separator = [UInt8(ascii: ";"), 9].first(where: first.contains) ?? separator
    }
  }

  deinit { close(descriptor) }

  private func fill() -> Bool {
    place = 0
    filled = buffer.withUnsafeMutableBytes { max(0, read(descriptor, $0.baseAddress, $0.count)) }
    return filled > 0
  }

  private func peek() -> UInt8? {
    if place == filled, !fill() { return nil }
    return buffer[place]
  }

  /// Reads the next row into `row`, blank lines left out; false at the end of the file.
  func next(_ row: inout CSVRow) throws(ImportError) -> Bool {
    while let byte = peek(), byte == 10 || byte == 13 {
      place += 1
      if byte == 10 { line += 1 }
    }
    guard peek() != nil else { return false }
    row.line = line
    row.bytes.removeAll(keepingCapacity: true)
    row.ends.removeAll(keepingCapacity: true)
    while try field(&row) {}
    return true
  }

  /// Reads one field; true when another follows in the row.
  private func field(_ row: inout CSVRow) throws(ImportError) -> Bool {
    if peek() == UInt8(ascii: "\"") {
      place += 1
      try quoted(&row)
    }
    while let byte = peek() {
      switch byte {
      case separator:
        place += 1
        row.ends.append(row.bytes.count)
        return true
      case 10, 13:
        place += 1
        if byte == 13, peek() == 10 { place += 1 }
        line += 1
        row.ends.append(row.bytes.count)
        return false
      case 0: throw .damaged("line \(line): a zero byte; this is not text")
      default:
        place += 1
        try append(byte, &row)
      }
    }
    row.ends.append(row.bytes.count)
    return false
  }

  private func quoted(_ row: inout CSVRow) throws(ImportError) {
    let opened = line
    while let byte = peek() {
      place += 1
      if byte == UInt8(ascii: "\"") {
        guard let after = peek(), after == byte else {
          guard let after = peek(), after != separator, after != 10, after != 13 else { return }
          throw .damaged("line \(line): text after a closing quote")
        }
        place += 1
      } else if byte == 10 {
        line += 1
      } else if byte == 0 {
        throw .damaged("line \(line): a zero byte; this is not text")
      }
      try append(byte, &row)
    }
    throw .damaged("line \(opened): a quote is opened and never closed")
  }

  private func append(_ byte: UInt8, _ row: inout CSVRow) throws(ImportError) {
    guard row.bytes.count < Self.longestRow else {
      throw .damaged("line \(row.line): a row of more than \(Self.longestRow >> 20) MiB")
    }
    row.bytes.append(byte)
  }
}
