// A CSV file becomes a table of numbers with a label or a target. The file is read twice, row by row: once to learn
// what the columns hold, once to write the numbers.

import Glibc

/// What the uploader said about a table.
public struct TableOptions: Sendable {
  /// The column to predict; nil takes the last.
  public var label: String?
  /// Classes or numbers; nil looks at the column.
  public var task: DatasetTask?

  /// Says what is known.
  public init(label: String? = nil, task: DatasetTask? = nil) {
    self.label = label
    self.task = task
  }
}

enum TableImport {
  static let maxColumns = 100_000
  static let maxClasses = 10_000
  /// Cells that mean that nobody knows: those of pandas' `read_csv` that people type.
  private static let missingWords: Set<[UInt8]> = Set(
    ["", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "?"].map { Array($0.utf8) })

  /// Reads the CSV file at `path` and writes the data set to `target`.
  static func csv(_ path: String, to target: String, _ options: TableOptions) throws(ImportError)
    -> DatasetHeader
  {
    if try LabelledTextImport.looksLikeText(path, options) {
      return try LabelledTextImport.csv(path, to: target, options)
    }
    let survey = try Survey(path, options)
    let header = try survey.header()
    var labels: [Int32] = []
    var targets: [Float] = []
    let classes = Dictionary(uniqueKeysWithValues: header.classes.enumerated().map { ($1, Int32($0)) })
    try forEachRow(path, survey) { row throws(ImportError) in
      switch header.task {
      case .classification: labels.append(classes[survey.className(row)] ?? 0)
      case .regression: targets.append(number(row.field(survey.label)) ?? .nan)
      }
    }
    var writer = try DatasetFile.begin(target, header, labels: labels, targets: targets)
    try forEachRow(path, survey) { row throws(ImportError) in
      for column in 0..<row.count where column != survey.label {
        try writer.write(number(row.field(column)) ?? .nan)
      }
    }
    try writer.finish()
    return header
  }

  private static func forEachRow(
    _ path: String, _ survey: Survey, _ body: (CSVRow) throws(ImportError) -> Void
  ) throws(ImportError) {
    let reader = try CSVReader(path)
    var row = CSVRow()
    if survey.hasHeader { _ = try reader.next(&row) }
    while try reader.next(&row) { try body(row) }
  }

  /// Names of classes by their numbers where all are numbers, else by their bytes.
  static func sortedClasses(_ names: [String]) -> [String] {
    let isNumeric = names.allSatisfy { number(ArraySlice($0.utf8)) != nil }
    return names.sorted { a, b in
      isNumeric ? (Float(a) ?? 0) < (Float(b) ?? 0) : a.utf8.lexicographicallyPrecedes(b.utf8)
    }
  }

  static func isMissing(_ cell: ArraySlice<UInt8>) -> Bool { missingWords.contains(Array(trimmed(cell))) }

  /// A decimal number with nothing but blanks around it, as a 32-bit float; nil for anything else.
  static func number(_ cell: ArraySlice<UInt8>) -> Float? {
    let text = trimmed(cell)
    // strtof would also take hexadecimal digits, "inf" and "nan".
    guard let first = text.first, text.count < 64, first != UInt8(ascii: "e"), first != UInt8(ascii: "E"),
      text.allSatisfy({ isDigit($0) || $0 == 46 || $0 == 43 || $0 == 45 || $0 == 101 || $0 == 69 })
    else { return nil }
    return withUnsafeTemporaryAllocation(of: CChar.self, capacity: text.count + 1) { buffer in
      for (index, byte) in text.enumerated() { buffer[index] = CChar(bitPattern: byte) }
      buffer[text.count] = 0
      guard let start = buffer.baseAddress else { return nil }
      var end: UnsafeMutablePointer<CChar>?
      let value = strtof(start, &end)
      return end == start + text.count && value.isFinite ? value : nil
    }
  }

  private static func isDigit(_ byte: UInt8) -> Bool { byte >= 48 && byte <= 57 }

  static func trimmed(_ cell: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    let blank: (UInt8) -> Bool = { $0 == 32 || $0 == 9 }
    guard let last = cell.lastIndex(where: { !blank($0) }) else { return [] }
    return cell[...last].drop(while: blank)
  }
}

/// What the first reading finds.
private struct Survey {
  let hasHeader: Bool
  let columns: [String]
  /// The column that is predicted.
  let label: Int
  let options: TableOptions
  private(set) var rows = 0
  private(set) var missing = 0
  /// The label column's texts, up to one more than there may be classes; each with the line it is first in.
  private var labels: [String: Int] = [:]
  private var labelsAreNumbers = true
  private var labelsAreIntegers = true
  /// The first label that is no number, and its line.
  private var wrongTarget: (line: Int, text: String)?

  init(_ path: String, _ options: TableOptions) throws(ImportError) {
    let reader = try CSVReader(path)
    var row = CSVRow()
    guard try reader.next(&row) else { throw .damaged("line 1: the file is empty") }
    guard row.count <= TableImport.maxColumns else {
      throw .damaged("line \(row.line): \(row.count) columns; at most \(TableImport.maxColumns) are read")
    }
    guard row.count >= 2 else {
      throw .damaged("line \(row.line): one column only; a table needs at least one feature and the label")
    }
    // Names, unless a cell of the first row is a number.
    hasHeader = (0..<row.count).allSatisfy { TableImport.number(row.field($0)) == nil }
    let hasHeader = hasHeader
    var names: [String] = []
    for index in 0..<row.count {
      let bytes = row.field(index)
      guard let name = String(validating: TableImport.trimmed(bytes), as: UTF8.self) else {
        throw .damaged("line \(row.line): the name of column \(index + 1) is not UTF-8")
      }
      names.append(hasHeader && !name.isEmpty ? name : "column \(index + 1)")
    }
    columns = names
    if let wanted = options.label {
      guard let index = names.firstIndex(of: wanted) else {
        let known = names.prefix(20).joined(separator: ", ") + (names.count > 20 ? ", ..." : "")
        throw .damaged(
          field: "label", "label must be one of the columns \(known); got \"\(wanted.prefix(60))\"")
      }
      label = index
    } else {
      label = names.count - 1
    }
    self.options = options
    if !hasHeader { try look(at: row) }
    while try reader.next(&row) { try look(at: row) }
    guard rows > 0 else { throw .damaged("line 2: no rows after the names of the columns") }
  }

  private mutating func look(at row: CSVRow) throws(ImportError) {
    guard row.count == columns.count else {
      throw .damaged(
        "line \(row.line): \(row.count) fields, where the first line has \(columns.count)")
    }
    for column in 0..<row.count where column != label {
      if TableImport.number(row.field(column)) != nil { continue }
      guard TableImport.isMissing(row.field(column)) else {
        throw .damaged(
          "line \(row.line): column \"\(columns[column])\" holds \"\(row.text(column).prefix(40))\" where a number is needed"
        )
      }
      missing += 1
    }
    guard !TableImport.isMissing(row.field(label)) else {
      throw .damaged("line \(row.line): the label is missing (column \"\(columns[label])\")")
    }
    rows += 1
    guard rows <= Int(Int32.max) else { throw .damaged("line \(row.line): more than \(Int32.max) rows") }
    let value = TableImport.number(row.field(label))
    if value == nil, wrongTarget == nil { wrongTarget = (row.line, row.text(label)) }
    labelsAreNumbers = labelsAreNumbers && value != nil
    labelsAreIntegers = labelsAreIntegers && value.map { $0 == $0.rounded() && abs($0) < 1e6 } ?? false
    guard labels.count <= TableImport.maxClasses else { return }
    guard String(validating: row.field(label), as: UTF8.self) != nil else {
      throw .damaged("line \(row.line): the label is not UTF-8")
    }
    labels[className(row)] = labels[className(row)] ?? row.line
  }

  /// The class of a row by name; numbers are the same class however they are written.
  func className(_ row: CSVRow) -> String {
    if let value = TableImport.number(row.field(label)) {
      return value == value.rounded() && abs(value) < 1e6 ? "\(Int(value))" : "\(value)"
    }
    return String(decoding: TableImport.trimmed(row.field(label)), as: UTF8.self)
  }

  /// What the file becomes; throws when it cannot be what was asked for.
  func header() throws(ImportError) -> DatasetHeader {
    let looksLikeClasses =
      !labelsAreNumbers || labelsAreIntegers && labels.count <= 100 && labels.count * 2 <= rows
    let task = options.task ?? (looksLikeClasses ? .classification : .regression)
    if task == .regression, let (line, text) = wrongTarget {
      throw .damaged("line \(line): the target is \"\(text.prefix(40))\" where a number is needed")
    }
    guard task == .regression || labels.count <= TableImport.maxClasses else {
      throw .damaged(
        field: "task",
        "column \"\(columns[label])\" has more than \(TableImport.maxClasses) classes; is it a regression?")
    }
    guard task == .regression || labels.count >= 2 else {
      throw .damaged("column \"\(columns[label])\" has one class only: there is nothing to learn")
    }
    let classes = TableImport.sortedClasses(Array(labels.keys))
    return DatasetHeader(
      kind: .tabular, task: task, examples: rows, inputShape: [columns.count - 1],
      classes: task == .classification ? classes : [],
      columns: columns.indices.filter { $0 != label }.map { columns[$0] }, isBytes: false, missing: missing,
      source: "uploaded as CSV")
  }
}
