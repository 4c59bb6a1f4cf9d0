// Buckets: what many points come to when there is no room to show each.

/// Numbers of some values that can be joined without the values.
struct ValueSums: Equatable {
  /// Values that are numbers, infinities among them.
  var numbers = 0
  var sum = 0.0
  /// The sum in units of 2^30: finite where `sum` overflows.
  var scaledSum = 0.0
  var low = Double.infinity
  var high = -Double.infinity

  init() {}

  init(_ values: ArraySlice<Double>) { add(values) }

  /// From what a chunk's row keeps.
  init(numbers: Int, sum: Double, low: Double, high: Double) {
    (self.numbers, self.sum, self.low, self.high) = (numbers, sum, low, high)
    scaledSum = sum * 0x1p-30
  }

  mutating func add(_ value: Double) {
    if value.isNaN { return }
    numbers += 1
    sum += value
    scaledSum += value * 0x1p-30
    if value < low { low = value }
    if value > high { high = value }
  }

  /// Adds values one after the other.
  mutating func add(_ values: ArraySlice<Double>) {
    var sums = self
    values.withUnsafeBufferPointer { for value in $0 { sums.add(value) } }
    self = sums
  }

  mutating func add(_ other: ValueSums) {
    if other.numbers == 0 { return }
    numbers += other.numbers
    sum += other.sum
    scaledSum += other.scaledSum
    low = min(low, other.low)
    high = max(high, other.high)
  }

  /// False when the sum of finite values was too large for a double.
  var isSumUsable: Bool { sum.isFinite || low.isInfinite || high.isInfinite }

  var mean: Double {
    if numbers == 0 || (low == -.infinity && high == .infinity) { return .nan }
    // The sum may have overflowed the other way before an infinity came.
    if low == -.infinity { return low }
    if high == .infinity { return high }
    return isSumUsable ? sum / Double(numbers) : scaledSum / Double(numbers) * 0x1p30
  }
}

/// Makes the buckets of a curve from points and whole chunks that come in order.
///
/// Steps that differ in their low `shift` bits only share a bucket, so its edges do not move while a series
/// grows and wider buckets are unions of narrower ones.
struct BucketSampler {
  let shift: Int
  private(set) var curve: Curve
  private var sums = ValueSums()
  private var lastStep: Int64?
  /// What the points are smoothed by, if they are: then whole chunks cannot be taken.
  private var average: MovingAverage?
  private var isGap = true

  init(key: String, shift: Int, average: MovingAverage? = nil) {
    self.shift = shift
    self.average = average
    curve = Curve(key: key, sampled: true)
    curve.bucket = shift > 62 ? .max : 1 << Int64(shift)
  }

  mutating func add(_ points: PointColumns) {
    var row = 0
    while row < points.count {
      enter(points.place(row))
      let last = BucketSampler.lastStep(ofBucketWith: points.steps[row], shift: shift)
      var end = row + 1
      while end < points.count && points.steps[end] <= last { end += 1 }
      sums.add(points.values[row..<end])
      smooth(points, row..<end)
      row = end
    }
    curve.count += points.count
    curve.lastStep = points.steps.last ?? curve.lastStep
  }

  /// A chunk whose steps all share one bucket.
  mutating func add(_ chunk: ChunkHeader) {
    enter(chunk.place)
    sums.add(chunk.sums)
    curve.count += chunk.count
    curve.lastStep = chunk.lastStep
  }

  mutating func finish() -> Curve {
    if lastStep != nil { close() }
    lastStep = nil
    return curve
  }

  static func isOneBucket(_ first: Int64, _ last: Int64, shift: Int) -> Bool {
    64 - (first ^ last).leadingZeroBitCount <= shift
  }

  /// The highest step that shares all but the low bits with this one.
  private static func lastStep(ofBucketWith step: Int64, shift: Int) -> Int64 {
    shift > 63 ? .max : step | ((1 << Int64(shift)) &- 1)
  }

  private mutating func enter(_ place: Place) {
    if let lastStep, BucketSampler.isOneBucket(lastStep, place.step, shift: shift) { return }
    if lastStep != nil { close() }
    lastStep = place.step
    sums = ValueSums()
    isGap = true
    curve.steps.append(place.step)
    curve.timestamps.append(place.timestamp)
  }

  /// The average after the first point of a bucket is what the bucket shows.
  private mutating func smooth(_ points: PointColumns, _ rows: Range<Int>) {
    guard var average else { return }
    for row in rows {
      average.add(step: points.steps[row], value: points.values[row])
      isGap = isGap && !points.values[row].isFinite
      if curve.smoothed.count < curve.steps.count { curve.smoothed.append(average.value) }
    }
    self.average = average
  }

  private mutating func close() {
    if let average {
      let last = curve.smoothed.count - 1
      // Where the first point is not finite, the next ones count; where none is, the line has a gap.
      if isGap {
        curve.smoothed[last] = sums.mean
      } else if curve.smoothed[last].isNaN {
        curve.smoothed[last] = average.value
      }
    }
    curve.values.append(sums.mean)
    curve.mins.append(sums.numbers == 0 ? .nan : sums.low)
    curve.maxs.append(sums.numbers == 0 ? .nan : sums.high)
  }
}

// MARK: How wide

extension BucketSampler {
  /// The fewest low bits to ignore so that ascending steps fall into at most `buckets` groups.
  ///
  /// Two neighbours part at every level below their highest differing bit, so one pass that counts those bits
  /// answers for all levels at once.
  static func shift(_ steps: [Int64], buckets: Int) -> Int {
    var parting = [Int](repeating: 0, count: 65)
    for row in 1..<max(steps.count, 1) {
      parting[64 - (steps[row - 1] ^ steps[row]).leadingZeroBitCount] += 1
    }
    var groups = 1
    for shift in stride(from: 64, to: 0, by: -1) {
      // At `shift - 1` the neighbours that differ in bit `shift - 1` part as well.
      groups += parting[shift]
      if groups > buckets { return shift }
    }
    return 0
  }

  /// The same from ranges of steps in order, for which only an upper bound of the groups is known.
  static func shift(_ ranges: [StepRange], buckets: Int) -> Int {
    for shift in stride(from: 63, through: 0, by: -1) {
      var groups: UInt64 = 0
      var last: Int64?
      for range in ranges {
        let (low, high) = (range.first >> Int64(shift), range.last >> Int64(shift))
        groups += min(UInt64(bitPattern: high &- low), UInt64(range.count - 1)) + (last == low ? 0 : 1)
        last = high
        if groups > UInt64(buckets) { return shift + 1 }
      }
    }
    return 0
  }
}

/// Some points, at least one, of which only the ends are known.
struct StepRange {
  var first: Int64
  var last: Int64
  var count: Int
}
