// What callers hand in: points, one by one or in columns.

/// One recorded value of a metric.
public struct MetricPoint: Sendable, Equatable {
  /// Name of the metric; may hold slashes.
  public var key: String
  /// Step of the training, any integer.
  public var step: Int64
  /// Milliseconds since 1970.
  public var timestamp: Int64
  /// Any double; every bit of it is kept.
  public var value: Double

  /// A point.
  public init(key: String, step: Int64, timestamp: Int64, value: Double) {
    self.key = key
    self.step = step
    self.timestamp = timestamp
    self.value = value
  }
}

/// Points in columns, in the order of their arrival: the form in which many of them travel.
public struct MetricBatch: Sendable {
  /// The names that `keyIndices` points into.
  public private(set) var keys: [String] = []
  /// For each point its place in `keys`.
  public private(set) var keyIndices: [Int32] = []
  /// For each point its step.
  public private(set) var steps: [Int64] = []
  /// For each point its time in ms since 1970.
  public private(set) var timestamps: [Int64] = []
  /// For each point its value.
  public private(set) var values: [Double] = []
  private var places: [ExactText: Int32] = [:]

  /// An empty batch.
  public init() {}

  /// A batch of points.
  public init(_ points: [MetricPoint]) {
    reserve(points.count)
    for point in points {
      append(key(point.key), step: point.step, timestamp: point.timestamp, value: point.value)
    }
  }

  /// Number of points.
  public var count: Int { values.count }

  /// Makes room for `count` points.
  public mutating func reserve(_ count: Int) {
    keyIndices.reserveCapacity(count)
    steps.reserveCapacity(count)
    timestamps.reserveCapacity(count)
    values.reserveCapacity(count)
  }

  /// The place of a name in `keys`, entering it when it is new; callers keep it for `append`.
  public mutating func key(_ name: String) -> Int32 {
    if let place = places[ExactText(name)] { return place }
    let place = Int32(keys.count)
    keys.append(name)
    places[ExactText(name)] = place
    return place
  }

  /// Adds a point; `key` comes from `key(_:)` of this batch.
  public mutating func append(_ key: Int32, step: Int64, timestamp: Int64, value: Double) {
    precondition(key >= 0 && Int(key) < keys.count, "a key of another batch")
    keyIndices.append(key)
    steps.append(step)
    timestamps.append(timestamp)
    values.append(value)
  }

  /// Removes the points and keeps the keys with their places.
  public mutating func removePoints() {
    keyIndices.removeAll(keepingCapacity: true)
    steps.removeAll(keepingCapacity: true)
    timestamps.removeAll(keepingCapacity: true)
    values.removeAll(keepingCapacity: true)
  }

  /// The points of each key that has any, in order of arrival.
  func series() -> [(key: String, points: PointColumns)] {
    var counts = [Int](repeating: 0, count: keys.count)
    for index in keyIndices { counts[Int(index)] += 1 }
    var columns = counts.map { PointColumns(capacity: $0) }
    for row in 0..<count {
      columns[Int(keyIndices[row])].append(step: steps[row], timestamp: timestamps[row], value: values[row])
    }
    return zip(keys, columns).filter { $0.1.count > 0 }.map { (key: $0.0, points: $0.1) }
  }
}
