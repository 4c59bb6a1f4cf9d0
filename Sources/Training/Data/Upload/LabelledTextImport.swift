// Texts with labels as an uploaded CSV file brings them and as they lie on disk: 8 bytes of magic, the length of a JSON
// header, the header, labels (int32), the texts' ends (int64), and the texts as UTF-8, each part starting at a multiple of
// 64. Numbers are little-endian. The file is read twice, row by row.

import Glibc
import JSON

enum LabelledTextImport {
  private static let magic = Array("CAIRNTL1".utf8)
  private static let alignment = 64
  static let source = "uploaded as texts with labels"

  /// Whether a CSV file is one of texts: two columns, and more than half of the first hundred cells beside the label have
  /// several words.
  static func looksLikeText(_ path: String, _ options: TableOptions) throws(ImportError) -> Bool {
    guard options.task != .regression else { return false }
    let reader = try CSVReader(path)
    var row = CSVRow()
    guard try reader.next(&row), row.count == 2 else { return false }
    // Without names in the first row the label has no name of the file's own either.
    guard let text = try? column(row, options).text else { return false }
    var (cells, texts) = (0, 0)
    while cells < 100, try reader.next(&row), row.count == 2 {
      cells += 1
      let cell = TableImport.trimmed(row.field(text))
      if cell.contains(32), TableImport.number(cell) == nil { texts += 1 }
    }
    return 2 * texts > cells
  }

  /// Reads the CSV file at `path`, a column of labels and one of texts below their names, and writes the data set to
  /// `target`.
  static func csv(_ path: String, to target: String, _ options: TableOptions) throws(ImportError)
    -> DatasetHeader
  {
    guard options.task != .regression else {
      throw .damaged(field: "task", "task must be classification for texts with labels")
    }
    let survey = try Survey(path, options)
    let header = survey.header
    var writer = try FileWriter(target)
    let encoded = header.encoded.encoded
    try writer.write(magic)
    try writer.write(numbers: [UInt64(encoded.count).littleEndian])
    try writer.write(encoded)
    try writer.pad(to: alignment)
    try writer.write(numbers: survey.labels)
    try writer.pad(to: alignment)
    try writer.write(numbers: survey.ends)
    try writer.pad(to: alignment)
    let reader = try CSVReader(path)
    var row = CSVRow()
    _ = try reader.next(&row)
    while try reader.next(&row) { try writer.write(row.field(survey.text)) }
    try writer.finish()
    return header
  }

  /// The set in a file of this form; nil for another, throws when it is cut off.
  static func open(_ file: MappedFile, name: String, folder: String) throws(DatasetError) -> Dataset? {
    let bytes = file.bytes
    guard bytes.starts(with: magic) else { return nil }
    let damaged = DatasetError(name: name, reason: "its file is damaged")
    guard bytes.count >= 16 else { throw damaged }
    let length = Int(clamping: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    guard length <= bytes.count - 16, let json = try? JSON.parse(Array(bytes[16..<16 + length])),
      let header = DatasetHeader(json)
    else { throw damaged }
    func aligned(_ offset: Int) -> Int { (offset + alignment - 1) / alignment * alignment }
    let labels = aligned(16 + length)
    let ends = aligned(labels + 4 * header.examples)
    let first = aligned(ends + 8 * header.examples)
    guard bytes.count >= first else { throw damaged }
    func column<T>(_ start: Int, _ type: T.Type) -> [T] {
      let size = header.examples * MemoryLayout<T>.size
      return Array(UnsafeRawBufferPointer(rebasing: bytes[start..<start + size]).bindMemory(to: type))
    }
    var last: Int64 = 0
    for index in 0..<header.examples {
      let end = bytes.loadUnaligned(fromByteOffset: ends + 8 * index, as: Int64.self)
      guard end >= last else { throw damaged }
      last = end
    }
    guard last == Int64(bytes.count - first) else { throw damaged }
    return .documents(
      header.info(named: name),
      Documents(
        file: file, first: first, ends: ends, count: header.examples, folder: folder),
      labels: column(labels, Int32.self), missing: header.missing)
  }

  /// Which of two columns is the label, and which the text.
  private static func column(_ row: CSVRow, _ options: TableOptions) throws(ImportError) -> (
    label: Int, text: Int
  ) {
    let names = (0..<row.count).map { String(decoding: TableImport.trimmed(row.field($0)), as: UTF8.self) }
    guard let wanted = options.label else { return (row.count - 1, 0) }
    guard let label = names.firstIndex(of: wanted) else {
      throw .damaged(
        field: "label",
        "label must be one of the columns \(names.prefix(20).joined(separator: ", ")); got \"\(wanted.prefix(60))\""
      )
    }
    return (label, label == 0 ? 1 : 0)
  }

  /// What the first reading finds.
  private struct Survey {
    let text: Int
    let labels: [Int32]
    let ends: [Int64]
    let header: DatasetHeader

    init(_ path: String, _ options: TableOptions) throws(ImportError) {
      let reader = try CSVReader(path)
      var row = CSVRow()
      guard try reader.next(&row) else { throw .damaged("line 1: the file is empty") }
      guard row.count == 2 else {
        throw .damaged(
          "line \(row.line): \(row.count) columns; texts with labels have two, the text and the label, below their names"
        )
      }
      let columns = try column(row, options)
      let name = row.text(columns.label)
      var classes: [String: Int32] = [:]
      var (raw, ends, end, missing): ([Int32], [Int64], Int64, Int) = ([], [], 0, 0)
      while try reader.next(&row) {
        guard row.count == 2 else {
          throw .damaged("line \(row.line): \(row.count) fields, where the first line has 2")
        }
        let cell = TableImport.trimmed(row.field(columns.label))
        guard !TableImport.isMissing(cell) else {
          throw .damaged("line \(row.line): the label is missing (column \"\(name)\")")
        }
        guard let label = String(validating: cell, as: UTF8.self) else {
          throw .damaged("line \(row.line): the label is not UTF-8")
        }
        guard String(validating: row.field(columns.text), as: UTF8.self) != nil else {
          throw .damaged("line \(row.line): the text is not UTF-8")
        }
        if TableImport.trimmed(row.field(columns.text)).isEmpty { missing += 1 }
        let number = classes[label] ?? Int32(classes.count)
        classes[label] = number
        guard classes.count <= TableImport.maxClasses else {
          throw .damaged(
            "line \(row.line): more than \(TableImport.maxClasses) classes in column \"\(name)\"")
        }
        end += Int64(row.field(columns.text).count)
        raw.append(number)
        ends.append(end)
        guard raw.count <= Int(Int32.max) else {
          throw .damaged("line \(row.line): more than \(Int32.max) rows")
        }
      }
      guard !raw.isEmpty else { throw .damaged("line 2: no rows after the names of the columns") }
      guard classes.count >= 2 else {
        throw .damaged("column \"\(name)\" has one class only: there is nothing to learn")
      }
      let names = TableImport.sortedClasses(Array(classes.keys))
      var order = [Int32](repeating: 0, count: names.count)
      for (place, name) in names.enumerated() { order[Int(classes[name] ?? 0)] = Int32(place) }
      text = columns.text
      labels = raw.map { order[Int($0)] }
      self.ends = ends
      header = DatasetHeader(
        kind: .text, task: .classification, examples: raw.count, inputShape: [], classes: names,
        isBytes: true,
        missing: missing, source: LabelledTextImport.source)
    }
  }
}
