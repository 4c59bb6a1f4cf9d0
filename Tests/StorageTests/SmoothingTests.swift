// Smoothing by the server, and runs that went back: each against a naive account of the same points.

import Glibc
import Testing

@testable import Storage

@Suite struct SmoothingTests {
  /// The average at a row, from all rows up to it, each weighed by its distance in steps.
  private func naive(_ points: PointColumns, at row: Int, _ smoothing: Smoothing) -> Double {
    var (sum, mass) = (0.0, 0.0)
    for other in 0...row where points.values[other].isFinite {
      let distance = Double(points.steps[row] - points.steps[other]) / smoothing.unit
      let weight = pow(smoothing.weight, distance)
      sum += weight * points.values[other]
      mass += weight
    }
    return sum / mass
  }

  private func noise(_ count: Int, seed: UInt64) -> PointColumns {
    var random = SplitMix(state: seed)
    var points = PointColumns()
    var step: Int64 = 0
    for row in 0..<count {
      step += Int64.random(in: 1...4, using: &random)
      let value = row % 37 == 5 ? [.nan, .infinity][row % 2] : Double.random(in: -1...3, using: &random)
      points.append(step: step, timestamp: Int64(row), value: value)
    }
    return points
  }

  @Test func everyPointIsSmoothedOverAllBeforeIt() {
    let points = noise(400, seed: 3)
    let smoothing = Smoothing(weight: 0.9, unit: 5)
    let curve = Curve(key: "k", points, maxPoints: 0, smoothing: smoothing)
    #expect(!curve.sampled && curve.smoothed.count == 400)
    for row in 0..<400 {
      guard points.values[row].isFinite else {
        #expect(curve.smoothed[row].bitPattern == points.values[row].bitPattern)
        continue
      }
      #expect(abs(curve.smoothed[row] - naive(points, at: row, smoothing)) < 1e-12)
    }
    let constant = Curve(
      key: "k", pointsOf(Array(repeating: 0.1, count: 50)), maxPoints: 0, smoothing: smoothing)
    #expect(constant.smoothed.allSatisfy { $0 == 0.1 })
    #expect(Curve(key: "k", points, maxPoints: 0).smoothed.isEmpty)
  }

  /// A bucket shows the average at its first number, from every point and not from the buckets.
  @Test func bucketsShowTheAverageOfAllPoints() {
    let points = noise(5000, seed: 4)
    let smoothing = Smoothing(weight: 0.6, unit: 3)
    let curve = Curve(key: "k", points, maxPoints: 60, smoothing: smoothing)
    #expect(curve.sampled && curve.smoothed.count == curve.steps.count && curve.steps.count > 25)
    for (index, step) in curve.steps.enumerated() {
      guard let row = points.steps.firstIndex(of: step), points.values[row].isFinite else { continue }
      #expect(abs(curve.smoothed[index] - naive(points, at: row, smoothing)) < 1e-12)
    }
    var gap = noise(64, seed: 5)
    for row in 0..<20 { gap.values[row] = .nan }
    for row in 20..<64 where !gap.values[row].isFinite { gap.values[row] = 1 }
    let first = Curve(key: "k", gap, maxPoints: 8, smoothing: smoothing)
    #expect(first.values.map(\.isNaN) == first.smoothed.map(\.isNaN) && first.values[0].isNaN)
  }

  /// What is stored in chunks and what is not yet, in part and whole, give the same average to the last bit but
  /// rounding.
  @Test(arguments: [true, false]) func storedCurvesAreSmoothedOverTheirHistory(isFolded: Bool) throws {
    let folder = try TemporaryFolder()
    let store = try folder.open(limits: isFolded ? .eager : .lazy)
    defer { store.close() }
    let points = noise(9000, seed: 6)
    let run = "r"
    try store.createRun(NewRun(uid: run, name: "run"))
    for start in stride(from: 0, to: 9000, by: 1500) {
      let part = (start..<start + 1500).map { row in
        MetricPoint(
          key: "k", step: points.steps[row], timestamp: points.timestamps[row], value: points.values[row])
      }
      try store.append(part, run: run)
    }
    let smoothing = Smoothing(weight: 0.8, unit: 40)
    let whole = try store.curve(run: run, key: "k", smoothing: smoothing)
    #expect(!whole.sampled && whole.smoothed.count == 9000)
    let from = points.steps[7000]
    let part = try store.curve(run: run, key: "k", fromStep: from, smoothing: smoothing)
    #expect(part.steps == Array(points.steps[7000...]))
    for (left, right) in zip(part.smoothed, whole.smoothed[7000...]) where left.isFinite {
      #expect(abs(left - right) < 1e-13)
    }
    let runID = try store.read { try $0.runID(run) }
    // As a long series is read: from the rows of its chunks.
    let long = try store.read {
      try $0.curve(
        run: runID, key: "k", maxPoints: 50, from: from, to: .max, directPoints: 10, smoothing: smoothing)
    }
    #expect(long.sampled && long.count == 2000 && long.smoothed.count == long.steps.count)
    for (step, value) in zip(long.steps, long.smoothed) where value.isFinite {
      guard let row = points.steps.firstIndex(of: step), points.values[row].isFinite else { continue }
      #expect(abs(value - whole.smoothed[row]) < 1e-13)
    }
  }
}

@Suite struct PiecesTests {
  /// Points as they came, one a millisecond.
  private func recorded(_ steps: [Int64]) -> PointColumns {
    var points = PointColumns()
    for (time, step) in steps.enumerated() {
      points.append(step: step, timestamp: Int64(time), value: Double(time))
    }
    return points.normalized()
  }

  @Test func aRunThatRoseHasNoPieces() {
    #expect(recorded([0, 1, 2, 5, 9]).parted() == nil)
    #expect(PointColumns().parted() == nil)
    // A stretch that came late, and points in no order at all.
    #expect(recorded([0, 1, 2, 6, 7, 3, 4, 5]).parted() == nil)
    #expect(recorded((0..<60).map { Int64($0 * 37 % 60) } + [1, 2, 3]).parted() == nil)
  }

  @Test func whatWasRecordedLastCounts() throws {
    let pieces = try #require(recorded([0, 1, 2, 3, 4, 2, 3, 4, 5, 1, 2]).parted())
    #expect(pieces.resumed == [2, 1])
    #expect(pieces.newest.steps == [0, 1, 2] && pieces.newest.values == [0, 9, 10])
    #expect(pieces.replaced.map(\.steps) == [[2, 3, 4, 5], [1, 2, 3, 4]])
    #expect(pieces.replaced.map(\.values) == [[5, 6, 7, 8], [1, 2, 3, 4]])
  }

  /// A late stretch belongs to the recording before it, also when that one went back.
  @Test func aLateStretchReplacesNothing() throws {
    let pieces = try #require(recorded([0, 1, 2, 3, 2, 3, 9, 5, 6]).parted())
    #expect(pieces.resumed == [2] && pieces.newest.steps == [0, 1, 2, 3, 5, 6, 9])
    #expect(pieces.newest.values == [0, 1, 4, 5, 7, 8, 6] && pieces.replaced.map(\.steps) == [[2, 3]])
  }

  @Test(arguments: [true, false]) func aStoredRunIsParted(isFolded: Bool) throws {
    let folder = try TemporaryFolder()
    let store = try folder.open(limits: isFolded ? .eager : .lazy)
    defer { store.close() }
    let run = "r"
    try store.createRun(NewRun(uid: run, name: "run"))
    func log(_ steps: Range<Int64>, at time: Int64, value: Double) throws {
      let points = steps.map { MetricPoint(key: "k", step: $0, timestamp: time + $0, value: value) }
      try store.append(points, run: run)
    }
    try log(0..<6000, at: 0, value: 1)
    #expect(try store.curve(run: run, key: "k", parting: true).replaced.isEmpty)
    try log(4000..<9000, at: 100_000, value: 2)
    let all = try store.curve(run: run, key: "k", maxPoints: 100)
    #expect(all.count == 11000 && all.resumed.isEmpty && all.values.contains { $0 > 1 && $0 < 2 })
    let curve = try store.curve(run: run, key: "k", maxPoints: 100, parting: true)
    #expect(curve.sampled && curve.count == 11000 && curve.resumed == [4000])
    #expect(Set(curve.mins) == [1, 2] && Set(curve.maxs) == [1, 2] && curve.lastStep == 8999)
    #expect(curve.replaced.map(\.count) == [2000] && curve.replaced[0].steps[0] == 4000)
    let later = try store.curve(run: run, key: "k", maxPoints: 100, fromStep: 7000, parting: true)
    #expect(later.count == 2000 && later.resumed.isEmpty && later.replaced.isEmpty)
    let smooth = try store.curve(
      run: run, key: "k", maxPoints: 100, smoothing: Smoothing(weight: 0.5, unit: 1), parting: true)
    #expect(smooth.smoothed.last == 2)
  }
}

private func pointsOf(_ values: [Double]) -> PointColumns {
  var points = PointColumns()
  for (step, value) in values.enumerated() { points.append(step: Int64(step), timestamp: 0, value: value) }
  return points
}
