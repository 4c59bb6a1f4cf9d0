// Running text as an uploaded file brings it and as it lies on disk: 8 bytes of magic, then UTF-8.

import Glibc

enum TextImport {
  static let source = "uploaded as text"
  private static let magic = Array("CAIRNTX1".utf8)

  /// Checks a file of UTF-8, with or without a byte order mark, and writes it as a data set.
  static func text(_ path: String, to target: String) throws(ImportError) -> DatasetHeader {
    guard let file = MappedFile(path) else { throw .unwritable(errno) }
    let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
    let first = file.bytes.starts(with: mark) ? 3 : 0
    let body = UnsafeRawBufferPointer(rebasing: file.bytes[first...])
    let survey = TextSurvey(body, stride: .max)
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
    var place = 0
    while place < body.count {
      let end = min(place + 1 << 20, body.count)
      try writer.write(body[place..<end])
      place = end
    }
    try writer.finish()
    return DatasetHeader(
      kind: .text, task: .classification, examples: survey.count, inputShape: [],
      classes: survey.characters.map { String($0.scalar) }, isBytes: true, source: source)
  }

  /// The text in a file of this form; nil for another, and for one that is damaged.
  static func text(in file: MappedFile, folder: String) -> RunningText? {
    guard file.bytes.starts(with: magic) else { return nil }
    return RunningText(file, offset: magic.count, folder: folder)
  }
}
