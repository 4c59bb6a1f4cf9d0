import Glibc

/// A file in memory through the page cache: its bytes take memory only while they are used.
///
/// The mapping is read-only and private to this process, and lives as long as the object; a file that is replaced
/// by another of its name or deleted meanwhile stays as it was. Files given to it are never written in place.
public final class MappedFile: @unchecked Sendable {
  /// The file's bytes.
  public let bytes: UnsafeRawBufferPointer

  /// Maps a file; nil when it cannot be opened.
  public init?(_ path: String) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    let size = Int(lseek(descriptor, 0, SEEK_END))
    guard size > 0 else {
      guard size == 0 else { return nil }
      bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      return
    }
    guard let start = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), start != MAP_FAILED else {
      return nil
    }
    bytes = UnsafeRawBufferPointer(start: start, count: size)
  }

  deinit {
    if let start = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: start), bytes.count) }
  }
}

/// A file that is written once from front to back, through a buffer.
public struct FileWriter: ~Copyable {
  private let descriptor: Int32
  private var buffer: [UInt8] = []
  /// Bytes written so far.
  public private(set) var count = 0

  /// Creates the file, or empties the one that is there.
  public init(_ path: String) throws(ImportError) {
    descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw ImportError(errno: errno) }
    buffer.reserveCapacity(1 << 20)
  }

  deinit { close(descriptor) }

  /// Bytes as they are.
  public mutating func write(_ bytes: some Collection<UInt8>) throws(ImportError) {
    buffer.append(contentsOf: bytes)
    count += bytes.count
    if buffer.count >= 1 << 20 { try flush() }
  }

  /// Numbers as they lie in memory.
  mutating func write<T: BitwiseCopyable>(numbers: [T]) throws(ImportError) {
    var start = 0
    while start < numbers.count {
      let end = min(start + 1 << 16, numbers.count)
      try write(numbers[start..<end].withUnsafeBytes { Array($0) })
      start = end
    }
  }

  mutating func write(_ value: Float) throws(ImportError) {
    let bits = value.bitPattern
    for shift: UInt32 in [0, 8, 16, 24] { buffer.append(UInt8(truncatingIfNeeded: bits >> shift)) }
    count += 4
    if buffer.count >= 1 << 20 { try flush() }
  }

  /// Zeros up to the next multiple of `alignment`.
  mutating func pad(to alignment: Int) throws(ImportError) {
    let rest = (alignment - count % alignment) % alignment
    try write(repeatElement(0, count: rest))
  }

  /// Hands everything to the disk.
  public mutating func finish() throws(ImportError) {
    try flush()
    guard fsync(descriptor) == 0 else { throw ImportError(errno: errno) }
  }

  /// Hands everything to the system.
  mutating func flush() throws(ImportError) {
    var failure: ImportError?
    buffer.withUnsafeBytes { bytes in
      var done = 0
      while done < bytes.count {
        let written = Glibc.write(descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done)
        if written < 0, errno == EINTR { continue }
        guard written > 0 else {
          failure = ImportError(errno: errno)
          return
        }
        done += written
      }
    }
    if let failure { throw failure }
    buffer.removeAll(keepingCapacity: true)
  }
}
