// What a run knows of its past besides its tensors: everything that decides later steps and does not follow from the
// step alone.

import JSON

/// The state of the methods that look back; part of every checkpoint.
struct RunState: Sendable, Equatable {
  /// Of the `plateau` schedule.
  var plateau: PlateauState?
  /// Of early stopping.
  var stopping: EarlyStoppingState?
  /// Metrics of the best evaluation, where early stopping goes back to it.
  var bestMetrics: [Metric] = []
  /// How many models are in the average.
  var averaged = 0
  /// Training losses since the last evaluation: their sum over examples, and how many.
  var recent = (sum: 0.0, count: 0)
  /// Steps of the checkpoints that stay for good.
  var snapshots: [Int] = []

  /// A metric by its name.
  struct Metric: Sendable, Equatable {
    let key: String
    let value: Double
  }

  init() {}

  static func == (a: RunState, b: RunState) -> Bool { a.encoded == b.encoded }

  var encoded: JSON {
    [
      "plateau": plateau?.encoded ?? .null, "stopping": stopping?.encoded ?? .null,
      "best_metrics": .array(bestMetrics.map { [.string($0.key), JSON($0.value)] }),
      "averaged": JSON(averaged), "recent": [JSON(recent.sum), JSON(recent.count)],
      "snapshots": .array(snapshots.map { JSON($0) }),
    ]
  }

  /// Nil when the JSON is not what `encoded` gives.
  init?(_ json: JSON) {
    guard let averaged = json["averaged"]?.intValue, let recent = json["recent"]?.arrayValue,
      recent.count == 2,
      let sum = recent[0].doubleValue, let count = recent[1].intValue,
      let metrics = json["best_metrics"]?.arrayValue, let snapshots = json["snapshots"]?.arrayValue
    else { return nil }
    self.averaged = averaged
    self.recent = (sum, count)
    self.snapshots = snapshots.compactMap(\.intValue)
    for metric in metrics {
      guard let pair = metric.arrayValue, pair.count == 2, let key = pair[0].stringValue else { return nil }
      bestMetrics.append(Metric(key: key, value: pair[1].doubleValue ?? .nan))
    }
    if let json = json["plateau"], json != .null {
      guard let state = PlateauState(json) else { return nil }
      plateau = state
    }
    if let json = json["stopping"], json != .null {
      guard let state = EarlyStoppingState(json) else { return nil }
      stopping = state
    }
  }
}
