// Points of one series in columns: order, repetition, merging.
//
// The order of a series is by step, then timestamp, then arrival. A point is the same point when step,
// timestamp and the bits of its value are the same; the first to arrive stays.

/// Points of one series.
struct PointColumns: Equatable {
  var steps: [Int64] = []
  var timestamps: [Int64] = []
  var values: [Double] = []

  init() {}

  init(capacity: Int) {
    steps.reserveCapacity(capacity)
    timestamps.reserveCapacity(capacity)
    values.reserveCapacity(capacity)
  }

  var count: Int { steps.count }

  mutating func append(step: Int64, timestamp: Int64, value: Double) {
    steps.append(step)
    timestamps.append(timestamp)
    values.append(value)
  }

  mutating func append(_ other: PointColumns, _ rows: Range<Int>) {
    steps.append(contentsOf: other.steps[rows])
    timestamps.append(contentsOf: other.timestamps[rows])
    values.append(contentsOf: other.values[rows])
  }

  mutating func append(_ other: PointColumns) { append(other, 0..<other.count) }

  subscript(rows: Range<Int>) -> PointColumns {
    var part = PointColumns(capacity: rows.count)
    part.append(self, rows)
    return part
  }

  /// Step and timestamp of a row: what rows are ordered by.
  func place(_ row: Int) -> Place { Place(step: steps[row], timestamp: timestamps[row]) }

  /// The latest of at least one point.
  var latest: LatestPoint {
    var latest = LatestPoint(place: place(0), value: values[0])
    for row in 1..<count {
      let point = LatestPoint(place: place(row), value: values[row])
      if point.isLater(than: latest) { latest = point }
    }
    return latest
  }

  /// Equal bit for bit: NaN is itself and -0 is not 0.
  static func == (left: PointColumns, right: PointColumns) -> Bool {
    left.steps == right.steps && left.timestamps == right.timestamps
      && left.values.elementsEqual(right.values) { $0.bitPattern == $1.bitPattern }
  }

  /// The end of the rows that share the place of `row`.
  func groupEnd(_ row: Int) -> Int {
    var end = row + 1
    while end < count && steps[end] == steps[row] && timestamps[end] == timestamps[row] { end += 1 }
    return end
  }

  private var isStrictlyAscending: Bool {
    for row in 1..<max(count, 1) where !(place(row - 1) < place(row)) { return false }
    return true
  }

  /// These points, given in order of arrival, in the order of the series and each once.
  func normalized() -> PointColumns {
    if isStrictlyAscending { return self }
    let order = (0..<count).sorted { left, right in
      let (a, b) = (place(left), place(right))
      return a == b ? left < right : a < b
    }
    var sorted = PointColumns(capacity: count)
    for row in order { sorted.append(step: steps[row], timestamp: timestamps[row], value: values[row]) }
    return PointColumns().mergedByPlace(with: sorted).all
  }

  /// Merges normalized points with normalized later ones; `added` are those that were not here.
  func merged(with later: PointColumns) -> (all: PointColumns, added: PointColumns) {
    if later.count == 0 { return (self, later) }
    guard count == 0 || place(count - 1) < later.place(0) else {
      return mergedByPlace(with: later)
    }
    var all = self
    all.append(later)
    return (all, later)
  }

  /// The same when `later` is in order but may hold repetitions.
  private func mergedByPlace(with later: PointColumns) -> (all: PointColumns, added: PointColumns) {
    var all = PointColumns(capacity: count + later.count)
    var added = PointColumns(capacity: later.count)
    var mine = 0
    var theirs = 0
    while theirs < later.count {
      let place = later.place(theirs)
      let start = mine
      while mine < count && self.place(mine) <= place { mine += 1 }
      all.append(self, start..<mine)
      let end = later.groupEnd(theirs)
      // Rows of the same place are the last ones of `all`.
      var groupStart = all.count
      while groupStart > 0 && all.place(groupStart - 1) == place { groupStart -= 1 }
      var known = ValueSet(all.values[groupStart...])
      for row in theirs..<end where known.insert(later.values[row]) {
        all.append(step: place.step, timestamp: place.timestamp, value: later.values[row])
        added.append(step: place.step, timestamp: place.timestamp, value: later.values[row])
      }
      theirs = end
    }
    all.append(self, mine..<count)
    return (all, added)
  }
}

/// Where a point stands in its series, before arrival decides.
struct Place: Comparable {
  var step: Int64
  var timestamp: Int64

  static func < (left: Place, right: Place) -> Bool {
    left.step == right.step ? left.timestamp < right.timestamp : left.step < right.step
  }
}

/// Values by their bits. Groups hold one or two points in all but strange series, so a list comes first.
private struct ValueSet {
  private var list: [UInt64] = []
  private var set: Set<UInt64> = []

  init(_ values: ArraySlice<Double>) { for value in values { _ = insert(value) } }

  mutating func insert(_ value: Double) -> Bool {
    let bits = value.bitPattern
    if list.count < 16 {
      if list.contains(bits) { return false }
      list.append(bits)
      return true
    }
    return !list.contains(bits) && set.insert(bits).inserted
  }
}
