// Decompression of gzip (RFC 1952) and DEFLATE (RFC 1951) from bytes in memory to bytes in memory, or piece by piece.
// Sizes are limited and checksums are checked, because the bytes may come from anyone.

/// Why compressed bytes were refused.
public struct InflateError: Error, Equatable, Sendable {
  /// What is wrong, in plain words.
  public let message: String
  /// Where in the compressed bytes.
  public let offset: Int
}

/// Reads `.gz` bytes.
public enum Gzip {
  /// Whether the bytes begin as a gzip member does.
  public static func isGzip(_ bytes: [UInt8]) -> Bool {
    bytes.count >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b
  }

  /// The contents of a gzip file of one or more members; refuses more than `limit` bytes of output,
  /// damaged data and wrong checksums.
  public static func decompress(_ bytes: [UInt8], limit: Int) throws(InflateError) -> [UInt8] {
    var whole: [UInt8] = []
    do {
      try bytes.withUnsafeBytes { source in
        try decompress(source, limit: limit, window: 1 << 20) { whole.append(contentsOf: $0) }
      }
    } catch let error as InflateError {
      throw error
    } catch {
      throw InflateError(message: "\(error)", offset: 0)
    }
    return whole
  }

  /// The same, handed to `sink` in pieces of about `window` bytes, so that memory stays small.
  static func decompress(
    _ bytes: UnsafeRawBufferPointer, limit: Int, window: Int,
    sink: @escaping (ArraySlice<UInt8>) throws -> Void
  ) throws {
    var offset = 0
    var left = limit
    repeat {
      var output = Output(limit: left, window: window, sink: sink)
      var reader = BitReader(bytes: bytes, offset: try headerEnd(bytes, offset))
      try reader.inflate(into: &output)
      try output.flush(keeping: 0)
      let trailer = reader.alignedOffset
      guard trailer + 8 <= bytes.count else {
        throw InflateError(message: "the file ends early", offset: bytes.count)
      }
      guard little(bytes, trailer) == ~output.checksum else {
        throw InflateError(message: "the checksum does not match", offset: trailer)
      }
      guard little(bytes, trailer + 4) == UInt32(truncatingIfNeeded: output.total) else {
        throw InflateError(message: "the length does not match", offset: trailer + 4)
      }
      left -= output.total
      offset = trailer + 8
      // Zeros behind the last member fill up a block of a tape or an archive.
    } while offset < bytes.count && !bytes[offset...].allSatisfy { $0 == 0 }
  }

  /// The bytes of one member: the last 32 KiB at least are here, as later ones may repeat them.
  fileprivate struct Output {
    private let limit: Int
    private let window: Int
    private let sink: (ArraySlice<UInt8>) throws -> Void
    private var flushed = 0
    var bytes: [UInt8] = []
    /// CRC-32 of what was handed on, not yet complemented.
    private(set) var checksum: UInt32 = ~0

    init(limit: Int, window: Int, sink: @escaping (ArraySlice<UInt8>) throws -> Void) {
      self.limit = limit
      self.window = max(window, 1 << 15)
      self.sink = sink
    }

    var total: Int { flushed + bytes.count }

    /// Makes sure that `length` more bytes may come.
    mutating func room(for length: Int, at offset: Int) throws {
      guard total + length <= limit else {
        throw InflateError(message: "more than \(limit) bytes when unpacked", offset: offset)
      }
      if bytes.count >= window + 1 << 15 { try flush(keeping: 1 << 15) }
    }

    mutating func flush(keeping rest: Int) throws {
      let count = max(0, bytes.count - rest)
      let piece = bytes[..<count]
      checksum = Gzip.crc32(piece, continuing: checksum)
      try sink(piece)
      bytes.removeFirst(count)
      flushed += count
    }
  }

  /// Skips the header with its optional extra field, name, comment and header checksum.
  private static func headerEnd(_ bytes: UnsafeRawBufferPointer, _ start: Int) throws(InflateError) -> Int {
    guard start + 18 <= bytes.count, bytes[start] == 0x1f, bytes[start + 1] == 0x8b, bytes[start + 2] == 8
    else { throw InflateError(message: "not a gzip file", offset: start) }
    let flags = bytes[start + 3]
    var offset = start + 10
    if flags & 4 != 0 { offset += 2 + Int(bytes[offset]) + Int(bytes[offset + 1]) << 8 }
    for flag: UInt8 in [8, 16] where flags & flag != 0 {
      while offset < bytes.count, bytes[offset] != 0 { offset += 1 }
      offset += 1
    }
    if flags & 2 != 0 { offset += 2 }
    guard offset < bytes.count else {
      throw InflateError(message: "the file ends early", offset: bytes.count)
    }
    return offset
  }

  private static func little(_ bytes: UnsafeRawBufferPointer, _ at: Int) -> UInt32 {
    UInt32(bytes[at]) | UInt32(bytes[at + 1]) << 8 | UInt32(bytes[at + 2]) << 16 | UInt32(bytes[at + 3]) << 24
  }

  /// CRC-32 of IEEE 802.3, reflected, eight bytes at a time.
  static func crc32(_ bytes: ArraySlice<UInt8>) -> UInt32 { ~crc32(bytes, continuing: ~0) }

  private static func crc32(_ bytes: ArraySlice<UInt8>, continuing before: UInt32) -> UInt32 {
    var crc = before
    bytes.withUnsafeBufferPointer { source in
      var index = 0
      crcTables.withUnsafeBufferPointer { table in
        while index + 8 <= source.count {
          let low =
            crc
            ^ (UInt32(source[index]) | UInt32(source[index + 1]) << 8 | UInt32(source[index + 2]) << 16
              | UInt32(source[index + 3]) << 24)
          crc = table[7 * 256 + Int(low & 255)] ^ table[6 * 256 + Int(low >> 8 & 255)]
          crc ^= table[5 * 256 + Int(low >> 16 & 255)] ^ table[4 * 256 + Int(low >> 24)]
          crc ^= table[3 * 256 + Int(source[index + 4])] ^ table[2 * 256 + Int(source[index + 5])]
          crc ^= table[256 + Int(source[index + 6])] ^ table[Int(source[index + 7])]
          index += 8
        }
        while index < source.count {
          crc = crc >> 8 ^ table[Int((crc ^ UInt32(source[index])) & 255)]
          index += 1
        }
      }
    }
    return crc
  }

  /// Table k holds the checksum of a byte followed by k zero bytes.
  private static let crcTables: [UInt32] = {
    var tables = [UInt32](repeating: 0, count: 8 * 256)
    for byte in 0..<256 {
      var crc = UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
      tables[byte] = crc
    }
    for index in 256..<8 * 256 {
      let before = tables[index - 256]
      tables[index] = before >> 8 ^ tables[Int(before & 255)]
    }
    return tables
  }()
}

/// A canonical Huffman code as one table indexed by the next `bits` bits of input.
private struct HuffmanTable {
  /// `symbol << 4 | length`, or 0 where no code begins like that.
  var entries: [UInt16]
  let bits: Int

  /// Nil when the lengths do not make a code: too many codes, or holes with more than one code.
  init?(lengths: ArraySlice<UInt8>) {
    var counts = [Int](repeating: 0, count: 16)
    for length in lengths { counts[Int(length)] += 1 }
    counts[0] = 0
    bits = max(1, counts.lastIndex { $0 > 0 } ?? 1)
    entries = [UInt16](repeating: 0, count: 1 << bits)
    var next = [Int](repeating: 0, count: 17)
    var code = 0
    for length in 1...15 {
      next[length] = code
      code = (code + counts[length]) << 1
      guard next[length] + counts[length] <= 1 << length else { return nil }
    }
    let used = (1...15).reduce(0) { $0 + counts[$1] << (15 - $1) }
    guard used == 1 << 15 || counts.reduce(0, +) <= 1 else { return nil }
    for (symbol, length) in lengths.enumerated() where length > 0 {
      let length = Int(length)
      var reversed = 0
      for bit in 0..<length where next[length] >> bit & 1 == 1 { reversed |= 1 << (length - 1 - bit) }
      next[length] += 1
      let entry = UInt16(symbol) << 4 | UInt16(length)
      for index in stride(from: reversed, to: entries.count, by: 1 << length) { entries[index] = entry }
    }
  }
}

/// Takes bits from the low end of each byte, as DEFLATE stores them.
private struct BitReader {
  let bytes: UnsafeRawBufferPointer
  var offset: Int
  var buffer: UInt64 = 0
  var held = 0

  init(bytes: UnsafeRawBufferPointer, offset: Int) {
    self.bytes = bytes
    self.offset = offset
  }

  /// The first whole byte that has not been used.
  var alignedOffset: Int { offset - held / 8 }

  mutating func fill() {
    while held <= 56, offset < bytes.count {
      buffer |= UInt64(bytes[offset]) << UInt64(held)
      offset += 1
      held += 8
    }
  }

  mutating func drop(_ count: Int) throws(InflateError) {
    guard count <= held else { throw InflateError(message: "the file ends early", offset: bytes.count) }
    buffer >>= UInt64(count)
    held -= count
  }

  mutating func take(_ count: Int) throws(InflateError) -> Int {
    if held < count { fill() }
    let value = Int(buffer & (1 << UInt64(count) - 1))
    try drop(count)
    return value
  }

  mutating func symbol(_ table: HuffmanTable) throws(InflateError) -> Int {
    if held < 15 { fill() }
    let entry = table.entries[Int(buffer & (1 << UInt64(table.bits) - 1))]
    guard entry != 0 else { throw InflateError(message: "not a code of this block", offset: alignedOffset) }
    try drop(Int(entry & 15))
    return Int(entry >> 4)
  }

  mutating func inflate(into output: inout Gzip.Output) throws {
    var last = false
    while !last {
      last = try take(1) == 1
      switch try take(2) {
      case 0: try stored(into: &output)
      case 1:
        guard let (literals, distances) = Self.fixed else { return }
        try block(literals, distances, into: &output)
      case 2:
        let (literals, distances) = try codes()
        try block(literals, distances, into: &output)
      default: throw InflateError(message: "unknown kind of block", offset: alignedOffset)
      }
    }
  }

  private mutating func stored(into output: inout Gzip.Output) throws {
    try drop(held % 8)
    let length = try take(16)
    guard try take(16) == ~length & 0xffff else {
      throw InflateError(message: "a stored block's length is damaged", offset: alignedOffset)
    }
    let from = alignedOffset
    guard from + length <= bytes.count else {
      throw InflateError(message: "the file ends early", offset: bytes.count)
    }
    try output.room(for: length, at: alignedOffset)
    output.bytes.append(contentsOf: bytes[from..<from + length])
    offset = from + length
    buffer = 0
    held = 0
  }

  private mutating func codes() throws(InflateError) -> (HuffmanTable, HuffmanTable) {
    let literalCount = try take(5) + 257
    let distanceCount = try take(5) + 1
    let lengthCount = try take(4) + 4
    var lengthLengths = [UInt8](repeating: 0, count: 19)
    for symbol in Self.lengthOrder.prefix(lengthCount) { lengthLengths[symbol] = UInt8(try take(3)) }
    let damaged = InflateError(message: "a block's code table is damaged", offset: alignedOffset)
    guard literalCount <= 286, let lengthTable = HuffmanTable(lengths: lengthLengths[...]) else {
      throw damaged
    }
    var lengths: [UInt8] = []
    while lengths.count < literalCount + distanceCount {
      switch try symbol(lengthTable) {
      case 16:
        guard let last = lengths.last else { throw damaged }
        lengths.append(contentsOf: repeatElement(last, count: 3 + (try take(2))))
      case 17: lengths.append(contentsOf: repeatElement(0, count: 3 + (try take(3))))
      case 18: lengths.append(contentsOf: repeatElement(0, count: 11 + (try take(7))))
      case let length: lengths.append(UInt8(length))
      }
    }
    guard lengths.count == literalCount + distanceCount, lengths[256] > 0,
      let literals = HuffmanTable(lengths: lengths[..<literalCount]),
      let distances = HuffmanTable(lengths: lengths[literalCount...])
    else { throw damaged }
    return (literals, distances)
  }

  private mutating func block(
    _ literals: HuffmanTable, _ distances: HuffmanTable, into output: inout Gzip.Output
  ) throws {
    while true {
      let code = try symbol(literals)
      if code < 256 {
        try output.room(for: 1, at: alignedOffset)
        output.bytes.append(UInt8(code))
        continue
      }
      if code == 256 { return }
      guard code <= 285 else { throw InflateError(message: "not a length", offset: alignedOffset) }
      let length = Self.lengthBases[code - 257] + (try take(Self.lengthBits[code - 257]))
      let distanceCode = try symbol(distances)
      guard distanceCode < 30 else { throw InflateError(message: "not a distance", offset: alignedOffset) }
      let distance = Self.distanceBases[distanceCode] + (try take(Self.distanceBits[distanceCode]))
      guard distance <= output.bytes.count else {
        throw InflateError(message: "a distance reaches before the start", offset: alignedOffset)
      }
      try output.room(for: length, at: alignedOffset)
      for _ in 0..<length { output.bytes.append(output.bytes[output.bytes.count - distance]) }
    }
  }

  private static let lengthOrder = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
  private static let lengthBits = (0..<29).map { $0 < 4 || $0 == 28 ? 0 : $0 / 4 - 1 }
  private static let distanceBits = (0..<30).map { $0 < 2 ? 0 : $0 / 2 - 1 }
  private static let lengthBases = (0..<29).map { index in
    index == 28 ? 258 : 3 + lengthBits[..<index].reduce(0) { $0 + 1 << $1 }
  }
  private static let distanceBases = (0..<30).map { index in
    1 + distanceBits[..<index].reduce(0) { $0 + 1 << $1 }
  }
  private static let fixed: (HuffmanTable, HuffmanTable)? = {
    let lengths = (0..<288).map { UInt8($0 < 144 ? 8 : $0 < 256 ? 9 : $0 < 280 ? 7 : 8) }
    guard let literals = HuffmanTable(lengths: lengths[...]),
      let distances = HuffmanTable(lengths: [UInt8](repeating: 5, count: 32)[...])
    else { return nil }
    return (literals, distances)
  }()
}
