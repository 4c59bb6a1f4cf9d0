// Running text as an uploaded file brings it and as it lies on disk: 8 bytes of magic, the length of the text in 8 more,
// little-endian, the text as UTF-8, and what is known of it as JSON. Files of an older form are magic and text alone.

import Glibc
import JSON

enum TextImport {
  static let source = "uploaded as text"
  private static let magic = Array("CAIRNTX2".utf8)
  private static let oldMagic = Array("CAIRNTX1".utf8)
  private static let first = 16

  /// Checks a file of UTF-8, with or without a byte order mark, and writes it as a data set.
  static func text(_ path: String, to target: String) throws(ImportError) -> DatasetHeader {
    guard let file = MappedFile(path) else { throw .unwritable(errno) }
    let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
    let first = file.bytes.starts(with: mark) ? 3 : 0
    let body = UnsafeRawBufferPointer(rebasing: file.bytes[first...])
    let survey = TextSurvey(body, stride: RunningText.stride)
    guard survey.end == body.count else {
      let place = first + survey.end
      let line = file.bytes[..<place].count { $0 == 10 } + 1
      throw .damaged("line \(line): byte \(place) of the file is not UTF-8")
    }
    guard survey.count >= 2 else {
      throw .damaged("line 1: the text has \(survey.count) characters, and at least 2 are needed")
    }
    var writer = try FileWriter(target)
    try writer.write(magic)
    try writer.write(numbers: [UInt64(body.count).littleEndian])
    var place = 0
    while place < body.count {
      let end = min(place + 1 << 20, body.count)
      try writer.write(body[place..<end])
      place = end
    }
    try writer.write(TextFacts(survey, words: TextWords(body)).encoded.encoded)
    try writer.finish()
    return DatasetHeader(
      kind: .text, task: .classification, examples: survey.count, inputShape: [],
      classes: survey.characters.map { String($0.scalar) }, isBytes: true, source: source)
  }

  /// The text in a file of this form; nil for another, and for one that is damaged.
  static func text(in file: MappedFile, folder: String) -> RunningText? {
    let bytes = file.bytes
    if bytes.starts(with: oldMagic) {
      return RunningText(file, oldMagic.count..<bytes.count, folder: folder)
    }
    guard bytes.count >= first, bytes.starts(with: magic) else { return nil }
    let length = Int(clamping: UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
    guard length <= bytes.count - first, let json = try? JSON.parse(Array(bytes[(first + length)...])),
      let facts = TextFacts(json, bytes: length)
    else { return nil }
    return RunningText(file, first..<first + length, folder: folder, facts: facts)
  }
}
