// What a look at a data set finds before anything is trained on it. A pure function of the data set.

import JSON

/// Faults and figures of a data set: `GET /api/v1/datasets/{name}` shows it.
public struct QualityReport: Sendable {
  /// The spread of one column, or of all pixels of a set of pictures; missing values are left out.
  public struct Range: Sendable, Equatable {
    /// The column's name.
    public let column: String
    /// Smallest value.
    public let min: Double
    /// Largest value.
    public let max: Double
    /// Mean.
    public let mean: Double
    /// Standard deviation, dividing by the number of values.
    public let standardDeviation: Double
  }

  /// How many feature values are not numbers.
  public let missing: Int
  /// Columns with one value only: they teach nothing.
  public let constantColumns: [String]
  /// Rows that repeat an earlier row, label or target included.
  public let duplicateRows: Int
  /// Examples of each class, in the order of the classes.
  public let classBalance: [(name: String, examples: Int)]
  /// One a column for tables, one for all pixels of pictures.
  public let ranges: [Range]

  /// Looks through all examples, those of the set's own test split included.
  public init(_ dataset: Dataset) {
    let parts = [dataset.pool] + (dataset.test.map { [$0] } ?? [])
    let columns = Self.statistics(of: parts, width: dataset.pool.width)
    missing = dataset.documents == nil ? columns.reduce(0) { $0 + $1.missing } : dataset.missing
    constantColumns = columns.indices.filter { columns[$0].isConstant }.map(dataset.columnName)
    duplicateRows =
      dataset.documents.map { Self.duplicates(in: $0, dataset.pool.labels) } ?? Self.duplicates(in: parts)
    // The classes of running text are its characters; strings of two of them may be equal, and only look the same.
    classBalance =
      dataset.text.map { $0.characters.map { (String($0.scalar), $0.count) } }
      ?? dataset.classes.enumerated().map { index, name in
        (name, parts.reduce(0) { $0 + $1.labels.count { $0 == Int32(index) } })
      }
    if let documents = dataset.documents {
      var lengths = Column()
      for index in 0..<documents.count { lengths.add(Double(documents.characters(index))) }
      ranges = [lengths.range(named: "characters")]
    } else if dataset.info.kind == .tabular {
      ranges = columns.enumerated().map { $1.range(named: dataset.columnName($0)) }
    } else {
      ranges = [columns.reduce(into: Column()) { $0.merge($1) }.range(named: "all values")]
    }
  }

  /// The report as the API shows it.
  public func encode() -> JSON {
    [
      "missing_values": JSON(missing),
      "constant_columns": .array(constantColumns.map { JSON($0) }),
      "duplicate_rows": JSON(duplicateRows),
      "class_balance": .array(
        classBalance.map { ["class": JSON($0.name), "examples": JSON($0.examples)] }),
      "ranges": .array(
        ranges.map {
          [
            "column": JSON($0.column), "min": .number(short($0.min)), "max": .number(short($0.max)),
            "mean": .number($0.mean), "std": .number($0.standardDeviation),
          ]
        }),
    ]
  }

  /// The shortest number that is the same 32-bit float: 4.3, where a double would show 4.300000190734863.
  private func short(_ value: Double) -> Double { Double("\(Float(value))") ?? value }

  private struct Column {
    var count = 0
    var missing = 0
    var sum = 0.0
    var squares = 0.0
    var min = Double.infinity
    var max = -Double.infinity

    var isConstant: Bool { count > 0 && min == max }

    mutating func add(_ value: Double) {
      guard !value.isNaN else {
        missing += 1
        return
      }
      count += 1
      sum += value
      squares += value * value
      if value < min { min = value }
      if value > max { max = value }
    }

    mutating func merge(_ other: Column) {
      count += other.count
      missing += other.missing
      sum += other.sum
      squares += other.squares
      min = Swift.min(min, other.min)
      max = Swift.max(max, other.max)
    }

    func range(named name: String) -> Range {
      guard count > 0 else { return Range(column: name, min: 0, max: 0, mean: 0, standardDeviation: 0) }
      let mean = sum / Double(count)
      let variance = Swift.max(0, squares / Double(count) - mean * mean)
      return Range(
        column: name, min: min, max: max, mean: mean,
        standardDeviation: isConstant ? 0 : variance.squareRoot())
    }
  }

  private static func statistics(of parts: [Examples], width: Int) -> [Column] {
    var columns = [Column](repeating: Column(), count: width)
    for part in parts {
      part.features.withValues(
        floats: { values in
          for row in 0..<part.count {
            for column in 0..<width { columns[column].add(Double(values[row * width + column])) }
          }
        },
        bytes: { values in
          for row in 0..<part.count {
            for column in 0..<width { columns[column].add(Double(Float(values[row * width + column]) / 255)) }
          }
        })
    }
    return columns
  }

  /// Two independent 64-bit hashes of a row, which stand for it.
  private struct RowKey: Hashable {
    var a: UInt64 = 0xcbf2_9ce4_8422_2325
    var b: UInt64 = 0x9E37_79B9_7F4A_7C15

    mutating func mix(_ word: UInt64) {
      a = (a ^ word) &* 0x0000_0100_0000_01b3
      b = (b &+ word) &* 0xBF58_476D_1CE4_E5B9
      b ^= b >> 31
    }
  }

  /// Counts texts equal to an earlier one with the same label.
  private static func duplicates(in documents: Documents, _ labels: [Int32]) -> Int {
    var seen: Set<RowKey> = []
    for index in 0..<documents.count {
      var key = RowKey()
      for byte in documents.bytes(index) { key.mix(UInt64(byte)) }
      key.mix(UInt64(truncatingIfNeeded: labels[index]))
      seen.insert(key)
    }
    return documents.count - seen.count
  }

  /// Counts rows equal to an earlier one. Rows are compared by two independent 64-bit hashes.
  private static func duplicates(in parts: [Examples]) -> Int {
    var seen: Set<RowKey> = []
    var total = 0
    for part in parts {
      total += part.count
      for row in 0..<part.count {
        var key = RowKey()
        let places = row * part.width..<(row + 1) * part.width
        part.features.withValues(
          floats: { values in for place in places { key.mix(UInt64(values[place].bitPattern)) } },
          bytes: { values in for place in places { key.mix(UInt64(values[place])) } })
        if !part.labels.isEmpty { key.mix(UInt64(truncatingIfNeeded: part.labels[row])) }
        if !part.targets.isEmpty { key.mix(UInt64(part.targets[row].bitPattern)) }
        seen.insert(key)
      }
    }
    return total - seen.count
  }
}
