// Safetensors files that are never whole in memory: made a piece at a time while they are written, and read where a
// piece is needed.

import JSON

/// The bytes of a file, in memory or read from where they are kept.
public struct ByteSource: Sendable {
  /// How many there are.
  public let count: Int
  private let read: @Sendable (Range<Int>) throws -> [UInt8]

  /// `count` bytes of which `read` gives a range, within 0..<`count`.
  public init(count: Int, read: @escaping @Sendable (Range<Int>) throws -> [UInt8]) {
    self.count = count
    self.read = read
  }

  /// Bytes in memory.
  public init(_ bytes: [UInt8]) {
    self.init(count: bytes.count) { Array(bytes[$0]) }
  }

  /// The bytes of a range within 0..<`count`; throws what reading throws, or when there are fewer.
  func bytes(_ range: Range<Int>) throws(SafetensorsError) -> [UInt8] {
    let bytes: [UInt8]
    do { bytes = try read(range) } catch {
      throw SafetensorsError(description: "cannot be read: \(error)")
    }
    guard bytes.count == range.count else { throw SafetensorsError(description: "has lost bytes") }
    return bytes
  }
}

/// A tensor that is made a piece at a time.
struct TensorSource {
  /// Its name, as in PyTorch's `state_dict`.
  let name: String
  /// Sizes of its dimensions.
  let shape: [Int]
  /// The type of its elements.
  let type: TensorType
  /// How many pieces its bytes come in.
  let pieces: Int
  /// The bytes of each, in order.
  let piece: (Int) -> [UInt8]

  /// Bytes of all elements.
  var bytes: Int { shape.reduce(type.size, *) }
}

extension NamedTensor {
  /// The tensor in one piece.
  var source: TensorSource {
    TensorSource(name: name, shape: shape, type: type, pieces: 1) { _ in
      integers?.withUnsafeBytes { Array($0) } ?? values.withUnsafeBytes { Array($0) }
    }
  }
}

/// A safetensors file that is made while it is written.
public struct SafetensorsFile {
  /// How many bytes it has.
  public let count: Int
  fileprivate let head: [UInt8]
  fileprivate let tensors: [TensorSource]

  /// A file of the given tensors, ordered by size of their elements and name, and metadata in the order given.
  init(_ tensors: [TensorSource], metadata: [(key: String, value: String)]) {
    // The reference writer's order: larger elements first, then by name.
    self.tensors = tensors.sorted {
      if $0.type.size != $1.type.size { return $0.type.size > $1.type.size }
      return Array($0.name.utf8).lexicographicallyPrecedes(Array($1.name.utf8))
    }
    var texts: JSONObject = [:]
    for (key, value) in metadata { texts[key] = .string(value) }
    var header: JSONObject = ["__metadata__": .object(texts)]
    var offset = 0
    for tensor in self.tensors {
      let end = offset + tensor.bytes
      header[tensor.name] = [
        "dtype": .string(tensor.type.rawValue), "shape": .array(tensor.shape.map { JSON($0) }),
        "data_offsets": [JSON(offset), JSON(end)],
      ]
      offset = end
    }
    var text = JSON.object(header).encoded
    text.append(contentsOf: repeatElement(0x20, count: (8 - text.count % 8) % 8))
    head = withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) } + text
    count = head.count + offset
  }

  /// Gives the file's bytes in order, about a MiB at a time.
  public func write(_ sink: ([UInt8]) throws -> Void) rethrows {
    try sink(head)
    for tensor in tensors {
      for number in 0..<tensor.pieces { try sink(tensor.piece(number)) }
    }
  }

  /// All bytes at once.
  public var bytes: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count)
    write { bytes += $0 }
    return bytes
  }
}

/// Some tensors of a file as a file of their own, copied while it is written.
public struct SafetensorsExcerpt: Sendable {
  /// How many bytes it has.
  public let count: Int
  private let head: [UInt8]
  private let ranges: [Range<Int>]
  private let source: ByteSource

  /// Entries of the safetensors file `source` under other names.
  init(
    of source: ByteSource, _ entries: [(name: String, entry: Safetensors.Entry)],
    metadata: [(key: String, value: String)]
  ) {
    let places = Dictionary(entries.map { ($0.name, $0.entry.range) }) { first, _ in first }
    let file = SafetensorsFile(
      entries.map { name, entry in
        TensorSource(name: name, shape: entry.shape, type: entry.type, pieces: 0) { _ in [] }
      }, metadata: metadata)
    (count, head) = (file.count, file.head)
    ranges = file.tensors.compactMap { places[$0.name] }
    self.source = source
  }

  /// Gives the file's bytes in order, a MiB at a time; throws what reading throws.
  public func write(_ sink: ([UInt8]) throws -> Void) throws {
    try sink(head)
    for range in ranges {
      for first in stride(from: range.lowerBound, to: range.upperBound, by: 1 << 20) {
        try sink(try source.bytes(first..<min(first + 1 << 20, range.upperBound)))
      }
    }
  }

  /// All bytes at once.
  var bytes: [UInt8] {
    get throws {
      var bytes: [UInt8] = []
      try write { bytes += $0 }
      return bytes
    }
  }
}
