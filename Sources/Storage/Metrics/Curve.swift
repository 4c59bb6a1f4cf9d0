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
  /// Width of the buckets in steps, a power of two to whose multiples they are aligned; 1 when not sampled.
  public var bucket: Int64 = 1
  /// The step of the last point, which a bucket may hide; nil without points.
  public var lastStep: Int64?
  /// Of each row, the moving average of all points up to it, or up to the first of its bucket; empty when not asked for.
  public var smoothed: [Double] = []
  /// The steps at which the run went on from an earlier one; empty when not asked for.
  public var resumed: [Int64] = []
  /// What was recorded anew since, the newest first, part of `count`; empty when not asked for.
  public var replaced: [Curve] = []

  /// A curve without points.
  init(key: String, sampled: Bool = false) {
    self.key = key
    self.sampled = sampled
    count = 0
    (steps, timestamps, values, mins, maxs) = ([], [], [], [], [])
  }

  /// A curve of normalized points; `maxPoints` 0 means all. Those before `from` are smoothed over, but not in it.
  init(
    key: String, _ all: PointColumns, from: Int64 = .min, maxPoints: Int, smoothing: Smoothing? = nil
  ) {
    var average = smoothing.map(MovingAverage.init)
    let (history, points) = all.split(at: from)
    average?.add(history)
    if maxPoints > 0 && points.count > maxPoints {
      let shift = BucketSampler.shift(points.steps, buckets: maxPoints)
      var sampler = BucketSampler(key: key, shift: shift, average: average)
      sampler.add(points)
      self = sampler.finish()
    } else {
      self.init(key: key)
      count = points.count
      (steps, timestamps, values) = (points.steps, points.timestamps, points.values)
      lastStep = points.steps.last
      guard var average else { return }
      smoothed = (0..<points.count).map { row in
        average.add(step: points.steps[row], value: points.values[row])
        return points.values[row].isFinite ? average.value : points.values[row]
      }
    }
  }
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

  /// The rows of ordered points before a step, and those from it on.
  func split(at step: Int64) -> (before: PointColumns, after: PointColumns) {
    guard let first = steps.first, first < step else { return (PointColumns(), self) }
    let start = lowerBound { $0 >= step }
    return (self[0..<start], self[start..<count])
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
