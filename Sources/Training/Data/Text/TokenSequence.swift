// The numbers of many tokens, in as few bytes as their vocabulary allows: in memory where the text is, in a file without
// a name where the text is a file.

import Glibc
import Synchronization

/// Numbers of tokens, one after the other.
public struct TokenSequence: Sendable {
  fileprivate enum Place: Sendable {
    case unread
    case memory([UInt8])
    case file(MappedFile)
  }

  private let place: Place
  /// Whether a number has two bytes; otherwise it has one.
  private let isWide: Bool
  /// How many there are.
  public let count: Int

  fileprivate init(_ place: Place, isWide: Bool, bytes: Int) {
    (self.place, self.isWide, count) = (place, isWide, isWide ? bytes / 2 : bytes)
  }

  /// So many of which nobody asks more: their numbers are not there.
  init(unread count: Int) { (place, isWide, self.count) = (.unread, false, count) }

  /// Whether its numbers are there.
  var isRead: Bool { if case .unread = place { false } else { true } }

  /// The number at a place.
  public subscript(index: Int) -> Int32 { withNumbers { $0[index] } }

  /// Gives all numbers to `body`.
  func withNumbers<R>(_ body: (Numbers) -> R) -> R {
    switch place {
    case .unread: preconditionFailure("the numbers of tokens that were only counted")
    case .memory(let bytes): bytes.withUnsafeBytes { body(Numbers(bytes: $0, isWide: isWide)) }
    case .file(let file): withExtendedLifetime(file) { body(Numbers(bytes: file.bytes, isWide: isWide)) }
    }
  }

  /// The numbers where they lie.
  struct Numbers {
    fileprivate let bytes: UnsafeRawBufferPointer
    fileprivate let isWide: Bool

    subscript(index: Int) -> Int32 {
      isWide
        ? Int32(bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)) : Int32(bytes[index])
    }
  }
}

/// Takes down numbers of tokens.
struct TokenWriter: ~Copyable {
  private static let serial = Atomic<Int>(0)

  private let isWide: Bool
  private let path: String?
  private var file: FileWriter?
  private var bytes: [UInt8] = []

  /// For tokens of a vocabulary of that size, at most `Tokenizer.limit`; in memory where there is no folder.
  init(vocabulary: Int, folder: String?) throws(ImportError) {
    isWide = vocabulary > 256
    path = folder.map {
      "\($0)/\(getpid())-tokens-\(Self.serial.add(1, ordering: .relaxed).newValue).part"
    }
    file = nil
    if let path { file = try FileWriter(path) }
  }

  deinit { if let path { unlink(path) } }

  /// Takes down the next ones.
  mutating func write(_ tokens: [Int32]) throws(ImportError) {
    if isWide {
      for token in tokens {
        bytes.append(UInt8(truncatingIfNeeded: token))
        bytes.append(UInt8(truncatingIfNeeded: token >> 8))
      }
    } else {
      for token in tokens { bytes.append(UInt8(truncatingIfNeeded: token)) }
    }
    if path != nil, bytes.count >= 1 << 18 { try flush() }
  }

  /// All of them. The file loses its name; the disk has it back when nobody reads it any more.
  mutating func finish() throws(ImportError) -> TokenSequence {
    guard let path else {
      return TokenSequence(.memory(bytes), isWide: isWide, bytes: bytes.count)
    }
    try flush()
    try file?.flush()
    guard let mapped = MappedFile(path) else { throw ImportError(errno: errno) }
    return TokenSequence(.file(mapped), isWide: isWide, bytes: mapped.bytes.count)
  }

  private mutating func flush() throws(ImportError) {
    try file?.write(bytes)
    bytes.removeAll(keepingCapacity: true)
  }
}
