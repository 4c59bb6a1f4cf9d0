// Which checkpoints stay: the newest `keep_last` and the best `keep_best`. A pure function of what was saved.

import JSON

/// The scheduled checkpoints that are kept, oldest first.
struct Retention: Sendable, Equatable {
  struct Kept: Sendable, Equatable {
    let step: Int
    /// The metric of its parameters, where they were evaluated.
    let metric: Double?
  }

  private(set) var kept: [Kept] = []
  /// The best metric of all so far, kept or not.
  private(set) var best: Double?

  /// Takes note of a new checkpoint; tells whether it is the best and which steps may go.
  /// `pinned` steps stay whatever comes.
  mutating func add(step: Int, metric: Double?, _ spec: CheckpointSpec, pinned: [Int] = []) -> (
    isBest: Bool, deleting: [Int]
  ) {
    let metric = metric.flatMap { $0.isNaN ? nil : $0 }
    func isBetter(_ a: Double, _ b: Double) -> Bool { spec.larger ? a > b : a < b }
    let isBest =
      spec.keepBest > 0 && metric.map { value in best.map { isBetter(value, $0) } ?? true } ?? false
    if isBest { best = metric }
    kept.removeAll { $0.step == step }
    kept.append(Kept(step: step, metric: metric))
    let newest = kept.suffix(spec.keepLast).map(\.step)
    let ranked = kept.filter { $0.metric != nil }.sorted { a, b in
      guard let x = a.metric, let y = b.metric, x != y else { return a.step < b.step }
      return isBetter(x, y)
    }
    let staying = Set(newest + ranked.prefix(spec.keepBest).map(\.step) + pinned)
    let deleting = kept.map(\.step).filter { !staying.contains($0) }
    kept.removeAll { !staying.contains($0.step) }
    return (isBest, deleting)
  }

  var encoded: JSON {
    [
      "best": best.map { JSON($0) } ?? .null,
      "kept": .array(kept.map { [JSON($0.step), $0.metric.map { JSON($0) } ?? .null] }),
    ]
  }

  init() {}

  /// Nil when the JSON is not what `encoded` gives.
  init?(_ json: JSON) {
    guard let rows = json["kept"]?.arrayValue else { return nil }
    best = json["best"]?.doubleValue
    for row in rows {
      guard let pair = row.arrayValue, pair.count == 2, let step = pair[0].intValue else { return nil }
      kept.append(Kept(step: step, metric: pair[1].doubleValue))
    }
  }
}
