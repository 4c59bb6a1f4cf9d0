// What is known of a series without reading it.

/// A series in numbers: exact for the set of its points, whatever the order of their arrival.
public struct MetricSummary: Sendable, Equatable {
  /// Name of the metric.
  public var key: String
  /// Number of points; a point that came twice counts once.
  public var count: Int
  /// Points whose value is not a number.
  public var nanCount: Int
  /// Value of the first point, by step, then timestamp, then arrival.
  public var first: Double
  /// Step of the first point.
  public var firstStep: Int64
  /// Value of the point that MLflow calls latest: highest step, then timestamp, then value (NaN counts as 0).
  public var last: Double
  /// Step of `last`, the highest of the series.
  public var lastStep: Int64
  /// Timestamp of `last`.
  public var lastTimestamp: Int64
  /// The lowest value; NaN when every value is.
  public var min: Double
  /// The lowest step with the value `min`; `firstStep` when every value is NaN.
  public var minStep: Int64
  /// The highest value; NaN when every value is.
  public var max: Double
  /// The lowest step with the value `max`; `firstStep` when every value is NaN.
  public var maxStep: Int64

  init(key: String, _ state: SeriesState) {
    self.key = key
    count = state.count
    nanCount = state.nanCount
    (first, firstStep) = (state.first, state.firstPlace.step)
    (last, lastStep, lastTimestamp) = (state.last, state.lastPlace.step, state.lastPlace.timestamp)
    (min, minStep) = (state.lowest?.value ?? .nan, state.lowest?.step ?? state.firstPlace.step)
    (max, maxStep) = (state.highest?.value ?? .nan, state.highest?.step ?? state.firstPlace.step)
  }
}

/// The summary while it is computed. Points are added in order of arrival or of the series; never twice.
struct SeriesState: Equatable {
  struct Extreme: Equatable {
    var value: Double
    var step: Int64
  }

  var count = 0
  var nanCount = 0
  var firstPlace = Place(step: 0, timestamp: 0)
  var first = 0.0
  var lastPlace = Place(step: 0, timestamp: 0)
  var last = 0.0
  var lowest: Extreme?
  var highest: Extreme?

  init() {}

  /// Nil without points.
  init?(_ points: PointColumns) {
    if points.count == 0 { return nil }
    add(points)
  }

  mutating func add(_ points: PointColumns) {
    for row in 0..<points.count { add(points.place(row), points.values[row]) }
  }

  mutating func add(_ place: Place, _ value: Double) {
    if count == 0 || place < firstPlace { (firstPlace, first) = (place, value) }
    if count == 0 || isLater(place, value) { (lastPlace, last) = (place, value) }
    count += 1
    if value.isNaN {
      nanCount += 1
      return
    }
    if SeriesState.isBetter(value, place.step, lowest, SeriesState.isLess) {
      lowest = Extreme(value: value, step: place.step)
    }
    if SeriesState.isBetter(value, place.step, highest, { SeriesState.isLess($1, $0) }) {
      highest = Extreme(value: value, step: place.step)
    }
  }

  private func isLater(_ place: Place, _ value: Double) -> Bool {
    if place != lastPlace { return lastPlace < place }
    return (last.isNaN ? 0 : last) < (value.isNaN ? 0 : value)
  }

  private static func isBetter(
    _ value: Double, _ step: Int64, _ best: Extreme?, _ precedes: (Double, Double) -> Bool
  ) -> Bool {
    guard let best else { return true }
    if precedes(value, best.value) { return true }
    return !precedes(best.value, value) && step < best.step
  }

  /// -0 is below 0, so that the extremes do not depend on who came first.
  private static func isLess(_ left: Double, _ right: Double) -> Bool {
    left < right || (left == right && left.sign == .minus && right.sign == .plus)
  }
}
