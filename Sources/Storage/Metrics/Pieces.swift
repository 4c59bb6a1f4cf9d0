// Curves of runs that went back: which points count, and which were recorded anew.

/// A series in the stretches in which it was recorded.
struct Pieces: Equatable {
  /// What was recorded last for each step.
  var newest = PointColumns()
  /// What it replaced, the newest first.
  var replaced: [PointColumns] = []
  /// The steps at which the run went on.
  var resumed: [Int64] = []

  /// With more stretches the points were sent in no order at all.
  static let most = 20
}

extension PointColumns {
  /// The pieces of a series that was recorded more than once in part; nil when nothing in it was replaced.
  ///
  /// In the order of their times the steps of a run rise, until it goes on from an earlier one: from there on the new
  /// points count. A stretch that repeats no step replaces nothing: it only came late.
  func parted() -> Pieces? {
    if zip(timestamps, timestamps.dropFirst()).allSatisfy({ $0 <= $1 }) { return nil }
    let order = (0..<count).sorted { left, right in
      (timestamps[left], steps[left], left) < (timestamps[right], steps[right], right)
    }
    var stretches: [[Int]] = []
    var last = Int64.max
    for row in order {
      if steps[row] < last { stretches.append([]) }
      stretches[stretches.count - 1].append(row)
      last = steps[row]
      if stretches.count > Pieces.most { return nil }
    }
    var recordings: [[Int]] = []
    var seen: Set<Int64> = []
    for stretch in stretches {
      if let before = recordings.last, !stretch.contains(where: { seen.contains(steps[$0]) }) {
        recordings[recordings.count - 1] = (before + stretch).sorted()
      } else {
        recordings.append(stretch)
      }
      seen.formUnion(stretch.lazy.map { steps[$0] })
    }
    if recordings.count < 2 { return nil }
    var pieces = Pieces()
    pieces.resumed = recordings.dropFirst().map { steps[$0[0]] }
    var kept: [[Int]] = []
    var next = Int64.max
    for recording in recordings.reversed() {
      let end = next == .max ? recording.count : recording.firstIndex { steps[$0] >= next } ?? recording.count
      kept.append(Array(recording[..<end]))
      if end < recording.count { pieces.replaced.append(rows(recording[end...])) }
      next = min(next, steps[recording[0]])
    }
    pieces.newest = rows(kept.reversed().joined())
    return pieces
  }

  private func rows(_ chosen: some Sequence<Int>) -> PointColumns {
    var part = PointColumns()
    for row in chosen { part.append(step: steps[row], timestamp: timestamps[row], value: values[row]) }
    return part
  }
}
