// Running text as an uploaded file brings it and as it lies on disk: 8 bytes of magic, then UTF-8.

import Glibc

enum TextImport {
  static let source = "uploaded as text"
  private static let magic = Array("CAIRNTX1".utf8)

  /// Checks a file of UTF-8, with or without a byte order mark, and writes it as a data set.
  static func text(_ path: String, to target: String) throws(ImportError) -> DatasetHeader {
    guard let file = MappedFile(path) else { throw .unwritable(errno) }
    let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
    let body = UnsafeRawBufferPointer(rebasing: file.bytes.dropFirst(file.bytes.starts(with: mark) ? 3 : 0))
    guard let text = String(validating: body, as: UTF8.self) else {
      let place = firstInvalidByte(file.bytes)
      let line = file.bytes[..<place].count { $0 == 10 } + 1
      throw .damaged("line \(line): byte \(place) of the file is not UTF-8")
    }
    let characters = text.unicodeScalars.count
    guard characters >= 2 else {
      throw .damaged("line 1: the text has \(characters) characters, and at least 2 are needed")
    }
    var writer = try FileWriter(target)
    try writer.write(magic)
    try writer.write(body)
    try writer.finish()
    let set = Dataset.text(name: "", text, source: source, license: "")
    return DatasetHeader(
      kind: .text, task: .classification, examples: set.info.examples, inputShape: set.info.inputShape,
      classes: set.info.classes, isBytes: true, source: source)
  }

  /// The text in a file of this form; nil for another.
  static func text(in bytes: UnsafeRawBufferPointer) -> String? {
    guard bytes.starts(with: magic) else { return nil }
    return String(validating: bytes.dropFirst(magic.count), as: UTF8.self)
  }

  /// How many bytes from the start are whole characters.
  private static func firstInvalidByte(_ bytes: UnsafeRawBufferPointer) -> Int {
    var decoder = UTF8()
    var (iterator, valid) = (bytes.makeIterator(), 0)
    while case .scalarValue(let scalar) = decoder.decode(&iterator) { valid += UTF8.width(scalar) }
    return valid
  }
}
