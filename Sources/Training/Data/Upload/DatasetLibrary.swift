// The data sets that people brought: one file each in a folder of the store. A set is there when its file is, and a
// file appears whole, by a rename; so nothing half-written is ever seen, whatever happens.
//
// A new file format is one row of `UploadFormat` and one case of `convert`.

import Glibc
import Synchronization

/// How an uploaded file is to be read.
public enum UploadFormat: String, Sendable, CaseIterable {
  /// A table with a row of names: one file.
  case csv
  /// Two files of the MNIST family: pictures and labels.
  case idx
  /// Two NumPy arrays: examples and labels.
  case npy
  /// Running text in UTF-8, or where a label is named a table of texts with labels: one file.
  case text

  /// The files a data set of this format is made of, by their names in a form.
  public var parts: [String] { self == .csv || self == .text ? ["file"] : ["images", "labels"] }
}

/// A folder of uploaded data sets.
public final class DatasetLibrary: Sendable {
  /// Uploads and what they unpack to may be this long.
  public static let maxBytes = 16 << 30
  private static let suffix = ".dataset"

  private let folder: String
  private let open: Mutex<[String: Dataset]>
  private let serial = Atomic<Int>(0)

  /// Opens a folder, made when it is not there; what was left of broken uploads is removed.
  public init(folder: String) throws(ImportError) {
    self.folder = folder
    open = Mutex([:])
    guard mkdir(folder, 0o700) == 0 || errno == EEXIST else { throw .unwritable(errno) }
    for name in Self.entries(folder) where name.hasSuffix(".part") { unlink("\(folder)/\(name)") }
  }

  /// Whether a data set may have this name: letters, digits, `.`, `_` and `-`, not starting with a dot.
  public static func isName(_ name: String) -> Bool {
    (1...100).contains(name.utf8.count) && name.utf8.first != 46
      && name.utf8.allSatisfy { byte in
        (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || byte == 46
          || byte == 95
          || byte == 45
      }
  }

  /// What there is, by name.
  public var list: [DatasetInfo] { names.compactMap { try? load($0).info } }

  /// Whether there is a set of that name.
  public func has(_ name: String) -> Bool { Self.isName(name) && access(path(name), R_OK) == 0 }

  /// A set; its features stay in its file.
  public func load(_ name: String) throws(DatasetError) -> Dataset {
    if let known = open.withLock({ $0[name] }) { return known }
    let dataset = try DatasetFile.open(path(name), name: name)
    open.withLock { $0[name] = dataset }
    return dataset
  }

  /// A name for a file of an upload that is not yet a data set.
  public func temporaryPath() -> String {
    "\(folder)/\(getpid())-\(serial.add(1, ordering: .relaxed).newValue).part"
  }

  /// Reads the files of an upload, in the order of the format's parts (gzip or not), and puts the data set in place of
  /// any other of its name. Either all of it or nothing happens; the given files are left to the caller.
  public func add(_ name: String, _ format: UploadFormat, files: [String], _ options: TableOptions)
    throws(ImportError) -> DatasetInfo
  {
    var temporary: [String] = []
    defer { for path in temporary { unlink(path) } }
    var plain: [String] = []
    for (path, part) in zip(files, format.parts) {
      let unpacked = temporaryPath()
      temporary.append(unpacked)
      plain.append(try Gunzip.unpack(path, to: unpacked, named: part) ? unpacked : path)
    }
    let target = temporaryPath()
    temporary.append(target)
    let header = try Self.convert(plain, format, to: target, options)
    guard rename(target, path(name)) == 0 else { throw .unwritable(errno) }
    try Self.sync(folder)
    open.withLock { $0[name] = nil }
    return header.info(named: name)
  }

  /// Deletes a set; jobs that have it open keep it.
  public func delete(_ name: String) throws(ImportError) {
    guard unlink(path(name)) == 0 else { throw .unwritable(errno) }
    try Self.sync(folder)
    open.withLock { $0[name] = nil }
  }

  private static func convert(
    _ files: [String], _ format: UploadFormat, to target: String, _ options: TableOptions
  )
    throws(ImportError) -> DatasetHeader
  {
    switch format {
    case .csv: return try TableImport.csv(files[0], to: target, options)
    case .text:
      return options.label == nil
        ? try TextImport.text(files[0], to: target)
        : try LabelledTextImport.csv(files[0], to: target, options)
    case .idx, .npy:
      var arrays: [ArrayFile] = []
      for (path, part) in zip(files, format.parts) {
        guard let file = MappedFile(path) else { throw .unwritable(errno) }
        arrays.append(format == .idx ? try .idx(file, part) : try .npy(file, part))
      }
      return try ArrayImport.arrays(
        images: arrays[0], labels: arrays[1], to: target, task: options.task,
        source: "uploaded as \(format == .idx ? "IDX" : "NumPy") arrays")
    }
  }

  private func path(_ name: String) -> String { "\(folder)/\(name)\(Self.suffix)" }

  private var names: [String] {
    Self.entries(folder).filter { $0.hasSuffix(Self.suffix) }.map { String($0.dropLast(Self.suffix.count)) }
      .filter(Self.isName).sorted()
  }

  /// The names in a folder.
  public static func entries(_ folder: String) -> [String] {
    guard let directory = opendir(folder) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      names.append(
        withUnsafePointer(to: &entry.pointee.d_name) {
          $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        })
    }
    return names
  }

  /// Makes what was renamed or removed in a folder last.
  public static func sync(_ folder: String) throws(ImportError) {
    let descriptor = Glibc.open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .unwritable(errno) }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw .unwritable(errno) }
  }
}

/// Unpacks a file into another with the memory of a window.
enum Gunzip {
  /// An archive may unpack to this many times its size: text compresses ten times, a bomb a thousand.
  private static let maxRatio = 250
  private static let window = 1 << 20

  /// False when the file is not gzip; then nothing is written. `what` names the file in errors.
  static func unpack(_ path: String, to target: String, named what: String) throws(ImportError) -> Bool {
    guard let file = MappedFile(path) else { throw .unwritable(errno) }
    guard file.bytes.count >= 2, file.bytes[0] == 0x1f, file.bytes[1] == 0x8b else { return false }
    let limit = min(DatasetLibrary.maxBytes, max(64 << 20, file.bytes.count * maxRatio))
    do {
      var writer = try FileWriter(target)
      try Gzip.decompress(file.bytes, limit: limit, window: window) { try writer.write($0) }
      try writer.finish()
      return true
    } catch let error as InflateError {
      throw .damaged("\(what), byte \(error.offset): \(error.message)")
    } catch let error as ImportError {
      throw error
    } catch {
      throw .unwritable(EIO)
    }
  }
}
