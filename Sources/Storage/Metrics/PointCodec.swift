// How points are stored.
//
// Block (points of one series):
//     flags        1 byte; bit 0: the values are kept as 4-byte floats, which they all are exactly
//     count        varint
//     steps        count zigzag varints: differences, the first to the base step
//     timestamps   the same with the base time
//     values       count little-endian doubles or floats
// Chunk:   version (1), block with base 0, checksum (8 bytes).
// Segment: version (1), base step and base time (zigzag varints), number of series (varint), then for each
//          key id (varint), bytes of the block (varint), block; checksum (8 bytes).
//
// A live log has steps that differ by one and times by little, so a point takes 6 to 12 bytes.

/// Encodes and decodes; decoding trusts nothing and throws `StoreError.corrupt`.
enum PointCodec {
  private static let version: UInt8 = 1
  private static let floatFlag: UInt8 = 1

  // MARK: Chunks

  static func chunk(_ points: PointColumns, _ rows: Range<Int>) -> [UInt8] {
    var bytes: [UInt8] = [version]
    bytes.reserveCapacity(rows.count * 12 + 32)
    bytes += block(points, rows, base: Place(step: 0, timestamp: 0))
    return sealed(bytes)
  }

  static func appendChunk(_ bytes: UnsafeRawBufferPointer, to points: inout PointColumns) throws(StoreError) {
    var reader = try open(bytes)
    try appendBlock(&reader, base: Place(step: 0, timestamp: 0), to: &points)
    guard reader.isAtEnd else { throw .corrupt("a metric chunk is longer than its points") }
  }

  // MARK: Segments

  /// A batch with its blocks made, waiting for the ids of its keys.
  struct Draft: Sendable {
    let base: Place
    let count: Int
    let series: [(key: String, block: [UInt8], latest: LatestPoint)]

    init(_ batch: MetricBatch) {
      let base = Place(step: batch.steps.first ?? 0, timestamp: batch.timestamps.first ?? 0)
      self.base = base
      count = batch.count
      series = batch.series().map { series in
        (
          series.key, PointCodec.block(series.points, 0..<series.points.count, base: base),
          series.points.latest
        )
      }
    }

    /// Memory of the blocks, in bytes.
    var cost: Int { series.reduce(64) { $0 + $1.block.count + 64 } }
  }

  static func segment(_ draft: Draft, keyIDs: [Int64]) -> [UInt8] {
    var bytes: [UInt8] = [version]
    bytes.reserveCapacity(draft.cost)
    appendVarint(zigzag(draft.base.step), to: &bytes)
    appendVarint(zigzag(draft.base.timestamp), to: &bytes)
    appendVarint(UInt64(draft.series.count), to: &bytes)
    for (series, keyID) in zip(draft.series, keyIDs) {
      appendVarint(UInt64(bitPattern: keyID), to: &bytes)
      appendVarint(UInt64(series.block.count), to: &bytes)
      bytes += series.block
    }
    return sealed(bytes)
  }

  /// Appends the points of a segment to their series; with `only`, those of one key.
  static func appendSegment(
    _ bytes: UnsafeRawBufferPointer, only wanted: Int64? = nil, to series: inout [Int64: PointColumns]
  ) throws(StoreError) {
    var reader = try open(bytes)
    let base = Place(step: unzigzag(try reader.varint()), timestamp: unzigzag(try reader.varint()))
    let count = try reader.varint()
    for _ in 0..<min(count, UInt64(bytes.count)) {
      let keyID = Int64(bitPattern: try reader.varint())
      var block = try reader.part(try reader.varint())
      if let wanted, wanted != keyID { continue }
      try appendBlock(&block, base: base, to: &series[keyID, default: PointColumns()])
      guard block.isAtEnd else { throw .corrupt("a metric segment's block is longer than its points") }
    }
    guard reader.isAtEnd else { throw .corrupt("a metric segment is longer than its blocks") }
  }

  // MARK: Blocks

  static func block(_ points: PointColumns, _ rows: Range<Int>, base: Place) -> [UInt8] {
    let areFloats = points.values[rows].allSatisfy { Double(Float($0)).bitPattern == $0.bitPattern }
    let capacity = 11 + rows.count * 28
    return [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
      var cursor = 0
      func put(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
          buffer[cursor] = UInt8(truncatingIfNeeded: rest) | 0x80
          cursor += 1
          rest >>= 7
        }
        buffer[cursor] = UInt8(truncatingIfNeeded: rest)
        cursor += 1
      }
      buffer[0] = areFloats ? floatFlag : 0
      cursor = 1
      put(UInt64(rows.count))
      var last = base.step
      for step in points.steps[rows] {
        put(zigzag(step &- last))
        last = step
      }
      last = base.timestamp
      for timestamp in points.timestamps[rows] {
        put(zigzag(timestamp &- last))
        last = timestamp
      }
      let bytes = UnsafeMutableRawBufferPointer(buffer)
      for value in points.values[rows] {
        if areFloats {
          bytes.storeBytes(of: Float(value).bitPattern.littleEndian, toByteOffset: cursor, as: UInt32.self)
          cursor += 4
        } else {
          bytes.storeBytes(of: value.bitPattern.littleEndian, toByteOffset: cursor, as: UInt64.self)
          cursor += 8
        }
      }
      count = cursor
    }
  }

  private static func appendBlock(
    _ reader: inout ByteReader, base: Place, to points: inout PointColumns
  ) throws(StoreError) {
    let flags = try reader.byte()
    guard flags <= floatFlag else { throw .corrupt("unknown form \(flags) of a metric block") }
    let announced = try reader.varint()
    // Every point takes at least six bytes: a wrong count must not make us reserve memory.
    guard announced <= UInt64(reader.remaining / 6) else { throw .corrupt("a metric block ends early") }
    let count = Int(announced)
    try appendDifferences(&reader, count: count, base: base.step, to: &points.steps)
    try appendDifferences(&reader, count: count, base: base.timestamp, to: &points.timestamps)
    let start = points.values.count
    points.values.append(contentsOf: repeatElement(0, count: count))
    let isFloat = flags == floatFlag
    let bytes = try reader.take(count * (isFloat ? 4 : 8))
    points.values.withUnsafeMutableBufferPointer { values in
      for index in 0..<count {
        if isFloat {
          let bits = bytes.loadUnaligned(fromByteOffset: index * 4, as: UInt32.self)
          values[start + index] = Double(Float(bitPattern: UInt32(littleEndian: bits)))
        } else {
          let bits = bytes.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self)
          values[start + index] = Double(bitPattern: UInt64(littleEndian: bits))
        }
      }
    }
  }

  private static func appendDifferences(
    _ reader: inout ByteReader, count: Int, base: Int64, to column: inout [Int64]
  ) throws(StoreError) {
    // Appending, not reserving: it grows by factors, so that many small blocks do not copy the column each time.
    let start = column.count
    column.append(contentsOf: repeatElement(0, count: count))
    var cursor = reader
    try column.withUnsafeMutableBufferPointer { (values) throws(StoreError) in
      try cursor.differences(UnsafeMutableBufferPointer(rebasing: values[start...]), base: base)
    }
    reader = cursor
  }

  // MARK: Envelope

  static func sealed(_ bytes: [UInt8]) -> [UInt8] {
    let sum = bytes.withUnsafeBytes { checksum($0) }
    return bytes + withUnsafeBytes(of: sum.littleEndian) { Array($0) }
  }

  private static func open(_ bytes: UnsafeRawBufferPointer) throws(StoreError) -> ByteReader {
    guard bytes.count >= 9 else { throw .corrupt("a metric blob of \(bytes.count) bytes") }
    let body = UnsafeRawBufferPointer(rebasing: bytes[..<(bytes.count - 8)])
    let stored = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: body.count, as: UInt64.self))
    guard checksum(body) == stored else { throw .corrupt("the checksum of a metric blob is wrong") }
    var reader = ByteReader(body)
    let found = try reader.byte()
    guard found == version else { throw .corrupt("unknown version \(found) of a metric blob") }
    return reader
  }

  private static func appendVarint(_ value: UInt64, to bytes: inout [UInt8]) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(truncatingIfNeeded: rest))
  }
}

/// Small integers of either sign as small naturals.
private func zigzag(_ value: Int64) -> UInt64 { UInt64(bitPattern: (value << 1) ^ (value >> 63)) }

private func unzigzag(_ value: UInt64) -> Int64 {
  Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
}

/// A place in bytes that may end too early.
struct ByteReader {
  private let bytes: UnsafeRawBufferPointer
  private var offset = 0

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  var remaining: Int { bytes.count - offset }
  var isAtEnd: Bool { remaining == 0 }

  mutating func byte() throws(StoreError) -> UInt8 {
    guard offset < bytes.count else { throw ByteReader.tooShort }
    offset += 1
    return bytes[offset - 1]
  }

  mutating func varint() throws(StoreError) -> UInt64 {
    // Most differences fit in one byte.
    if offset < bytes.count, bytes[offset] < 0x80 {
      offset += 1
      return UInt64(bytes[offset - 1])
    }
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while true {
      let next = try byte()
      // The tenth byte has room for one bit.
      guard shift < 63 || (shift == 63 && next <= 1) else {
        throw .corrupt("an overlong number in a metric blob")
      }
      value |= UInt64(next & 0x7f) << shift
      if next < 0x80 { return value }
      shift += 7
    }
  }

  /// Reads as many zigzag varints as there is room for, and puts their running sums there.
  mutating func differences(_ sums: UnsafeMutableBufferPointer<Int64>, base: Int64) throws(StoreError) {
    var last = base
    var index = 0
    while index < sums.count {
      // Mostly each difference is one byte: then eight of them are one word without a high bit.
      if index + 8 <= sums.count, offset + 8 <= bytes.count {
        var word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        if word & 0x8080_8080_8080_8080 == 0 {
          for place in index..<(index + 8) {
            last &+= unzigzag(word & 0x7f)
            sums[place] = last
            word >>= 8
          }
          offset += 8
          index += 8
          continue
        }
      }
      last &+= unzigzag(try varint())
      sums[index] = last
      index += 1
    }
  }

  mutating func take(_ count: Int) throws(StoreError) -> UnsafeRawBufferPointer {
    guard count <= remaining else { throw ByteReader.tooShort }
    defer { offset += count }
    return UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + count)])
  }

  /// A reader of the next `count` bytes alone.
  mutating func part(_ count: UInt64) throws(StoreError) -> ByteReader {
    guard count <= UInt64(remaining) else { throw ByteReader.tooShort }
    return ByteReader(try take(Int(count)))
  }

  private static let tooShort = StoreError.corrupt("a metric blob ends early")
}
