// The stored form of points: every bit survives, and no bytes make the decoder trap.

import Testing

@testable import Storage

@Suite struct CodecTests {
  private static let extremes: [Int64] = [.min, .max, 0, -1, 1, .min + 1, 1 << 62, -(1 << 33)]

  private func roundTrip(_ points: PointColumns) throws -> PointColumns {
    var back = PointColumns()
    try PointCodec.chunk(points, 0..<points.count).withUnsafeBytes {
      try PointCodec.appendChunk($0, to: &back)
    }
    return back
  }

  @Test func everyBitSurvives() throws {
    var points = PointColumns()
    let values = [
      .nan, Double(bitPattern: 0x7FF0_0000_0000_0001), -0.0, .infinity, -.infinity, .leastNonzeroMagnitude,
      0.1,
    ]
    for step in CodecTests.extremes {
      for (timestamp, value) in zip(CodecTests.extremes, values) {
        points.append(step: step, timestamp: timestamp, value: value)
      }
    }
    #expect(try roundTrip(points) == points)
    #expect(try roundTrip(PointColumns()) == PointColumns())
  }

  /// Values that come from 4-byte floats cost four bytes, and come back as they were.
  @Test func floatsCostHalf() throws {
    var floats = PointColumns()
    var doubles = PointColumns()
    for row in Int64(0)..<1000 {
      let value = row % 100 == 0 ? Double.nan : Double(Float(row) / 7)
      floats.append(step: row, timestamp: row * 3, value: value)
      doubles.append(step: row, timestamp: row * 3, value: Double(row) / 7)
    }
    #expect(try roundTrip(floats) == floats)
    #expect(PointCodec.chunk(floats, 0..<1000).count < 6100)
    #expect(PointCodec.chunk(doubles, 0..<1000).count < 10_100)
  }

  @Test func segmentsKeepTheirSeriesApart() throws {
    let batch = MetricBatch([
      MetricPoint(key: "a", step: 9, timestamp: 1, value: 1),
      MetricPoint(key: "b", step: -9, timestamp: 0, value: 2),
      MetricPoint(key: "a", step: 8, timestamp: 2, value: .infinity),
    ])
    let bytes = PointCodec.segment(PointCodec.Draft(batch), keyIDs: [700, 2])
    var series: [Int64: PointColumns] = [:]
    try bytes.withUnsafeBytes { try PointCodec.appendSegment($0, to: &series) }
    #expect(
      series[700]?.steps == [9, 8] && series[700]?.values == [1, .infinity] && series[2]?.timestamps == [0])
    var one: [Int64: PointColumns] = [:]
    try bytes.withUnsafeBytes { try PointCodec.appendSegment($0, only: 2, to: &one) }
    #expect(one.keys.sorted() == [2])
  }

  @Test func everyBitFlipIsSeen() throws {
    var points = PointColumns()
    for row in Int64(0)..<40 { points.append(step: row, timestamp: row, value: Double(row) / 3) }
    let bytes = PointCodec.chunk(points, 0..<40)
    for index in bytes.indices {
      for bit in 0..<8 {
        var broken = bytes
        broken[index] ^= 1 << bit
        var back = PointColumns()
        #expect(throws: StoreError.self) {
          try broken.withUnsafeBytes { try PointCodec.appendChunk($0, to: &back) }
        }
      }
    }
  }

  /// Nonsense under a right checksum: refused or decoded, but nothing traps and no memory is taken for it.
  @Test(arguments: 1...4) func nonsenseIsHarmless(seed: Int) throws {
    var random = SplitMix(state: UInt64(seed))
    var refused = 0
    for round in 0..<20_000 {
      let batch = MetricBatch(
        (0..<Int.random(in: 0...6, using: &random)).map {
          MetricPoint(key: "k\($0 % 2)", step: Int64($0), timestamp: 5, value: 0.5)
        })
      let draft = PointCodec.Draft(batch)
      var bytes = Array(PointCodec.segment(draft, keyIDs: [1, 2]).dropLast(8))
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let index = Int.random(in: 1...bytes.count, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: bytes.insert(UInt8.random(in: 0...255, using: &random), at: index)
        case 1: bytes = Array(bytes.prefix(index))
        default: if index < bytes.count { bytes[index] = UInt8.random(in: 0...255, using: &random) }
        }
      }
      var series: [Int64: PointColumns] = [:]
      var points = PointColumns()
      do {
        try PointCodec.sealed(bytes).withUnsafeBytes { data in
          if round % 2 == 0 {
            try PointCodec.appendSegment(data, to: &series)
          } else {
            try PointCodec.appendChunk(data, to: &points)
          }
        }
      } catch { refused += 1 }
    }
    #expect(refused > 5000)
  }
}
