// A curve for a reader: every point, or buckets that hide no extreme.

/// Points of a series by step, or buckets of them.
///
/// A bucket holds the points whose steps share all but their low bits, so its edges do not move while the
/// series grows. Its step and timestamp are those of its first point; values that are not a number are left out
/// of its mean and extremes unless it has no others.
public struct Curve: Sendable, Equatable {
  /// Name of the metric.
  public var key: String
  /// Points in the steps asked for.
  public var count: Int
  /// True when the rows are buckets.
  public var sampled: Bool
  /// Step of each row.
  public var steps: [Int64]
  /// Timestamp of each row, ms since 1970.
  public var timestamps: [Int64]
  /// Value of each point, or mean of each bucket.
  public var values: [Double]
  /// Lowest value of each bucket; empty when not sampled.
  public var mins: [Double]
  /// Highest value of each bucket; empty when not sampled.
  public var maxs: [Double]

  /// A curve of normalized points; `maxPoints` 0 means all.
  init(key: String, _ points: PointColumns, maxPoints: Int) {
    self.key = key
    count = points.count
    guard maxPoints > 0 && points.count > maxPoints else {
      sampled = false
      (steps, timestamps, values, mins, maxs) = (points.steps, points.timestamps, points.values, [], [])
      return
    }
    sampled = true
    (steps, timestamps, values, mins, maxs) = ([], [], [], [], [])
    let shift = Curve.bucketShift(points.steps, buckets: maxPoints)
    var start = 0
    for row in 1...points.count
    where row == points.count || Curve.differ(points.steps[row - 1], points.steps[row], above: shift) {
      appendBucket(points, start..<row)
      start = row
    }
  }

  private mutating func appendBucket(_ points: PointColumns, _ rows: Range<Int>) {
    steps.append(points.steps[rows.lowerBound])
    timestamps.append(points.timestamps[rows.lowerBound])
    var sum = 0.0
    var numbers = 0
    var low = Double.infinity
    var high = -Double.infinity
    for value in points.values[rows] where !value.isNaN {
      sum += value
      numbers += 1
      if value < low { low = value }
      if value > high { high = value }
    }
    if sum.isInfinite && low > -.infinity && high < .infinity {
      // Finite values whose sum is not: divide first.
      sum = 0
      for value in points.values[rows] where !value.isNaN { sum += value / Double(numbers) }
      numbers = min(numbers, 1)
    }
    values.append(numbers == 0 ? .nan : sum / Double(numbers))
    mins.append(numbers == 0 ? .nan : low)
    maxs.append(numbers == 0 ? .nan : high)
  }

  /// The fewest low bits to ignore so that ascending steps fall into at most `buckets` groups.
  ///
  /// Two neighbours part at every level below their highest differing bit, so one pass that counts those bits
  /// answers for all levels at once.
  static func bucketShift(_ steps: [Int64], buckets: Int) -> Int {
    var parting = [Int](repeating: 0, count: 65)
    for row in 1..<steps.count { parting[width(steps[row - 1] ^ steps[row])] += 1 }
    var groups = 1
    for shift in stride(from: 64, to: 0, by: -1) {
      // At `shift - 1` the neighbours that differ in bit `shift - 1` part as well.
      groups += parting[shift]
      if groups > buckets { return shift }
    }
    return 0
  }

  private static func differ(_ left: Int64, _ right: Int64, above shift: Int) -> Bool {
    width(left ^ right) > shift
  }

  private static func width(_ bits: Int64) -> Int { 64 - bits.leadingZeroBitCount }
}

extension PointColumns {
  /// The rows of ordered points whose steps are in the closed range.
  func steps(from: Int64, to: Int64) -> PointColumns {
    guard count > 0, from <= to else { return PointColumns() }
    if steps[0] >= from && steps[count - 1] <= to { return self }
    let start = lowerBound { $0 >= from }
    let end = lowerBound { $0 > to }
    return self[start..<max(start, end)]
  }

  /// The first row from which on the condition on the step holds.
  private func lowerBound(_ holds: (Int64) -> Bool) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if holds(steps[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
