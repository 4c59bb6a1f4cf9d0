// The bytes of artifacts on the disk: files under random names in 256 folders, written once and never changed.
//
// A name that a client chose never reaches the kernel, so no path can leave the folder. While a file is written
// there is an empty marker of its name in `incoming/`; it goes when the row that refers to the file is stored. What
// the markers name at the next start without such a row is what a crash left over, and is removed.

import Glibc

/// A file of an artifact's bytes that is complete and on the disk.
struct StoredFile: Sendable, Equatable {
  var name: String
  var bytes: Int
  var checksum: UInt64
}

/// The folder of artifacts' bytes.
struct ArtifactFiles: Sendable {
  /// Bytes that are written, read and summed at a time.
  static let blockBytes = 256 << 10

  let folder: String
  /// Whether files and names reach the disk before their rows do.
  let isDurable: Bool

  private var incoming: String { folder + "/incoming" }

  func path(_ name: String) -> String { "\(folder)/\(name.prefix(2))/\(name)" }

  private func marker(_ name: String) -> String { "\(incoming)/\(name)" }

  /// Makes a file with its marker. Throws `.full`, `.notWritable`.
  func create() throws(StoreError) -> (name: String, descriptor: Int32) {
    let name = newRunID()
    let place = "\(folder)/\(name.prefix(2))"
    let flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW
    if mkdir(incoming, 0o700) != 0 && errno != EEXIST { throw Self.failure(incoming) }
    let mark = open(marker(name), flags, 0o600)
    guard mark >= 0 else { throw Self.failure(incoming) }
    Glibc.close(mark)
    if mkdir(place, 0o700) == 0 {
      if isDurable { try Folder.sync(folder) }
    } else if errno != EEXIST {
      throw discarded(name, Self.failure(place))
    }
    let file = open(path(name), flags, 0o600)
    guard file >= 0 else { throw discarded(name, Self.failure(place)) }
    return (name, file)
  }

  private func discarded(_ name: String, _ error: StoreError) -> StoreError {
    unlink(marker(name))
    return error
  }

  /// Puts a written file and its name on the disk.
  func settle(_ name: String, _ descriptor: Int32) throws(StoreError) {
    guard isDurable else { return }
    guard fsync(descriptor) == 0 else { throw Self.failure(path(name)) }
    try Folder.sync("\(folder)/\(name.prefix(2))")
  }

  /// Takes the marker away: a row refers to the file now.
  func adopt(_ name: String) { unlink(marker(name)) }

  /// Removes a file that nothing refers to.
  func remove(_ name: String) {
    unlink(path(name))
    unlink(marker(name))
  }

  /// The names that a crash left in `incoming/`.
  func leftovers() -> [String] {
    guard let stream = opendir(incoming) else { return [] }
    defer { closedir(stream) }
    // An entry is shorter than its declared type: only its name may be read, never the whole structure.
    let nameOffset = MemoryLayout<dirent>.offset(of: \.d_name) ?? 0
    var names: [String] = []
    while let entry = readdir(stream) {
      let characters = UnsafeRawPointer(entry).advanced(by: nameOffset).assumingMemoryBound(to: CChar.self)
      let name = String(cString: characters)
      if name.utf8.count == 32 { names.append(name) }
    }
    return names
  }

  /// Opens a file for reading; nil when it is gone.
  func readable(_ name: String) throws(StoreError) -> Int32? {
    let file = open(path(name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    if file >= 0 { return file }
    if errno == ENOENT { return nil }
    throw Self.failure(path(name))
  }

  /// Whether a file is what was written.
  func isSound(_ file: StoredFile) -> Bool {
    guard let descriptor = try? readable(file.name) else { return false }
    defer { Glibc.close(descriptor) }
    var sum = BlockChecksum()
    var offset = 0
    while let block = try? Self.read(descriptor, at: offset, count: Self.blockBytes), !block.isEmpty {
      sum.add(block)
      offset += block.count
    }
    return offset == file.bytes && sum.value == file.checksum
  }

  /// Up to `count` bytes; fewer only at the end.
  static func read(_ descriptor: Int32, at offset: Int, count: Int) throws(StoreError) -> [UInt8] {
    var failed = false
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      filled = 0
      while filled < count {
        let got = pread(descriptor, buffer.baseAddress?.advanced(by: filled), count - filled, offset + filled)
        if got > 0 {
          filled += got
        } else if got == 0 || errno != EINTR {
          failed = got < 0
          return
        }
      }
    }
    if failed { throw .corrupt("an artifact cannot be read: \(String(cString: strerror(errno)))") }
    return bytes
  }

  static func write(_ descriptor: Int32, _ bytes: ArraySlice<UInt8>) throws(StoreError) {
    var rest = bytes
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count >= 0 {
        rest = rest.dropFirst(count)
      } else if errno != EINTR {
        throw failure("an artifact")
      }
    }
  }

  /// A disk without room is an answer of its own: it may have some later.
  private static func failure(_ path: String) -> StoreError {
    [ENOSPC, EDQUOT, EFBIG].contains(errno) ? .full : Folder.refusal(path)
  }
}

/// The checksum of bytes that come in blocks of `ArtifactFiles.blockBytes`, of which only the last is shorter.
struct BlockChecksum {
  private(set) var value: UInt64 = 0

  mutating func add(_ block: some Sequence<UInt8>) {
    let sum = block.withContiguousStorageIfAvailable { checksum(UnsafeRawBufferPointer($0)) }
    let mixed = value &* 0x9E37_79B9_7F4A_7C15
    value = (mixed ^ (mixed >> 31)) &+ (sum ?? Array(block).withUnsafeBytes { checksum($0) })
  }
}
