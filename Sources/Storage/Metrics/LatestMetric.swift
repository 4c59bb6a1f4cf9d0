// The latest value of each metric of a run: what MLflow shows of a run and what runs are searched by.

/// A point that may be the latest of its series.
struct LatestPoint: Sendable, Equatable {
  var place: Place
  var value: Double

  /// MLflow's order: step, then timestamp, then value, where NaN counts as 0.
  func isLater(than other: LatestPoint) -> Bool {
    if place != other.place { return other.place < place }
    return (other.value.isNaN ? 0 : other.value) < (value.isNaN ? 0 : value)
  }
}

/// The latest value of a metric.
public struct LatestMetric: Sendable, Equatable {
  /// Name of the metric.
  public var key: String
  /// The value with the highest step, then timestamp, then value (NaN counts as 0).
  public var value: Double
  /// Its timestamp, ms since 1970.
  public var timestamp: Int64
  /// Its step.
  public var step: Int64
}

extension Connection {
  /// Makes a point the latest of its series when it is later than what is stored.
  func noteLatest(_ point: LatestPoint, of series: SeriesID) throws {
    let limit = Double.greatestFiniteMagnitude
    let comparable = point.value.isNaN ? nil : min(max(point.value, -limit), limit)
    try execute(
      """
      INSERT INTO latest_metric(run_id, key_id, step, time, bits, value) VALUES (?,?,?,?,?,?)
      ON CONFLICT DO UPDATE SET step = excluded.step, time = excluded.time, bits = excluded.bits,
        value = excluded.value
      WHERE (excluded.step, excluded.time, coalesce(excluded.value, 0)) > (step, time, coalesce(value, 0))
      """, .integer(series.run), .integer(series.key), .integer(point.place.step),
      .integer(point.place.timestamp), .bits(point.value), .optional(comparable))
  }

  /// The latest value of each metric of a run, by key.
  func latestMetrics(run: Int64) throws -> [LatestMetric] {
    try all(
      """
      SELECT name, bits, time, step FROM latest_metric JOIN metric_key ON metric_key.id = key_id
      WHERE run_id = ? ORDER BY name
      """, .integer(run)
    ) { LatestMetric(key: $0.text(0), value: $0.bits(1), timestamp: $0.integer(2), step: $0.integer(3)) }
  }
}
