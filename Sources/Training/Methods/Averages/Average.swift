// What is made of the parameters of many steps, one file each. The averaged parameters are those that are evaluated,
// and the model that others are given.

import JSON

/// Where a run is, for what depends on its length.
struct RunPlace: Sendable {
  /// Updates done.
  let done: Int
  let stepsPerEpoch: Int
  let totalSteps: Int
}

/// A way to average parameters over steps, or to keep those of several.
protocol Average: Sendable {
  /// All fields with their values, `type` first.
  var encoded: JSONObject { get }
  /// Whether it makes an average, rather than keeping single models.
  var averages: Bool { get }

  /// Whether running statistics are computed anew for the averaged parameters, as PyTorch's update_bn does.
  var recomputesStatistics: Bool { get }

  /// The share of the newest parameters in the average, which `count` models are in; nil when they stay out.
  func share(_ place: RunPlace, count: Int) -> Double?

  /// Whether the model of this step is to be kept for good.
  func isSnapshot(_ place: RunPlace, _ schedule: ScheduleSpec) -> Bool
}

extension Average {
  var recomputesStatistics: Bool { false }

  func share(_ place: RunPlace, count: Int) -> Double? { nil }

  func isSnapshot(_ place: RunPlace, _ schedule: ScheduleSpec) -> Bool { false }
}

extension MethodTable where Method == any Average {
  /// All averages.
  static let averages = MethodTable(rows: [
    Row(ExponentialAverage.type) { fields throws(SpecError) in try ExponentialAverage(fields) },
    Row(StochasticAverage.type) { fields throws(SpecError) in try StochasticAverage(fields) },
    Row(Snapshots.type) { fields throws(SpecError) in try Snapshots(fields) },
  ])
}
