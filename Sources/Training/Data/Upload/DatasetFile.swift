// An uploaded data set as it lies on disk, ready to train from: 8 bytes of magic, the length of a JSON header, the
// header, then labels (int32) or targets (float32), then features (float32, or bytes that stand for byte / 255),
// each part starting at a multiple of 64. Numbers are little-endian. The features are used in place, through the
// page cache; so a set larger than memory trains.

import JSON

/// What is written before the numbers.
struct DatasetHeader {
  var kind: DatasetKind
  var task: DatasetTask
  var examples: Int
  var inputShape: [Int]
  var classes: [String] = []
  var columns: [String] = []
  var isBytes: Bool
  /// Feature values that are not numbers.
  var missing = 0
  /// Where the data came from, for the data set's page.
  var source: String

  var width: Int { inputShape.reduce(1, *) }
}

enum DatasetFile {
  private static let magic = Array("CAIRNDS1".utf8)
  private static let alignment = 64

  /// Starts a file: header, then labels or targets; the features are to follow.
  static func begin(_ path: String, _ header: DatasetHeader, labels: [Int32], targets: [Float])
    throws(ImportError) -> FileWriter
  {
    var writer = try FileWriter(path)
    let text = header.encoded.encoded
    try writer.write(magic)
    try writer.write(numbers: [UInt64(text.count).littleEndian])
    try writer.write(text)
    try writer.pad(to: alignment)
    try writer.write(numbers: labels)
    try writer.write(numbers: targets)
    try writer.pad(to: alignment)
    return writer
  }

  /// Opens a set; throws when the file is not one or is cut off.
  static func open(_ path: String, name: String) throws(DatasetError) -> Dataset {
    func damaged() -> DatasetError { DatasetError(name: name, reason: "\(path) is damaged") }
    guard let file = MappedFile(path) else {
      throw DatasetError(name: name, reason: "\(path) cannot be read")
    }
    let bytes = file.bytes
    let folder = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
    if let text = TextImport.text(in: file, folder: folder) {
      return .text(name: name, text, source: TextImport.source, license: "the uploader's")
    }
    if let documents = try LabelledTextImport.open(file, name: name, folder: folder) { return documents }
    guard bytes.count >= 16, bytes.prefix(8).elementsEqual(magic) else { throw damaged() }
    let length = Int(clamping: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    guard length <= bytes.count - 16, let json = try? JSON.parse(Array(bytes[16..<16 + length])),
      let header = DatasetHeader(json)
    else { throw damaged() }
    let first = aligned(16 + length)
    let features = aligned(first + header.examples * 4)
    let size = header.examples * header.width * (header.isBytes ? 1 : 4)
    guard bytes.count == features + size else { throw damaged() }
    func column<T>(_ type: T.Type, _ isThere: Bool) -> [T] {
      isThere
        ? Array(
          UnsafeRawBufferPointer(rebasing: bytes[first..<first + header.examples * 4]).bindMemory(to: type))
        : []
    }
    return Dataset(
      info: header.info(named: name), columns: header.columns, missing: header.missing,
      pool: Examples(
        width: header.width,
        features: .mapped(MappedFeatures(file: file, offset: features, isBytes: header.isBytes)),
        labels: column(Int32.self, header.task == .classification),
        targets: column(Float.self, header.task == .regression)))
  }

  private static func aligned(_ offset: Int) -> Int { (offset + alignment - 1) / alignment * alignment }
}

extension DatasetHeader {
  var encoded: JSON {
    [
      "kind": .string(kind.rawValue), "task": .string(task.rawValue), "examples": JSON(examples),
      "input_shape": .array(inputShape.map { JSON($0) }), "classes": .array(classes.map(JSON.string)),
      "columns": .array(columns.map(JSON.string)), "bytes": .bool(isBytes), "missing": JSON(missing),
      "source": .string(source),
    ]
  }

  init?(_ json: JSON) {
    guard let kind = json["kind"]?.stringValue.flatMap(DatasetKind.init(rawValue:)),
      let task = json["task"]?.stringValue.flatMap(DatasetTask.init(rawValue:)),
      let examples = json["examples"]?.intValue, examples >= 0,
      let shape = json["input_shape"]?.arrayValue?.compactMap(\.intValue), !shape.isEmpty || kind == .text,
      shape.allSatisfy({ $0 > 0 }),
      let classes = json["classes"]?.arrayValue?.compactMap(\.stringValue),
      let columns = json["columns"]?.arrayValue?.compactMap(\.stringValue),
      let isBytes = json["bytes"]?.boolValue, let missing = json["missing"]?.intValue,
      let source = json["source"]?.stringValue
    else { return nil }
    self.init(
      kind: kind, task: task, examples: examples, inputShape: shape, classes: classes, columns: columns,
      isBytes: isBytes, missing: missing, source: source)
  }

  func info(named name: String) -> DatasetInfo {
    DatasetInfo(
      name: name, kind: kind, task: task, examples: examples, inputShape: inputShape, classes: classes,
      hasLabels: kind == .text, source: source, license: "the uploader's")
  }
}
