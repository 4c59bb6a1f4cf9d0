// Sampling: buckets against a naive account of the same points, and the short way against the long one.

import Testing

@testable import Storage

@Suite struct CurveTests {
  private func points(_ count: Int, seed: UInt64, stepBits: Int) -> PointColumns {
    var random = SplitMix(state: seed)
    var points = PointColumns()
    for row in 0..<count {
      let step = Int64(truncatingIfNeeded: random.next()) >> Int64(64 - stepBits)
      var value = Double.random(in: -5...5, using: &random)
      if row % 50 == 0 { value = [.nan, .infinity, -.infinity, 1.7e308, -1.7e308][row / 50 % 5] }
      points.append(step: step, timestamp: Int64(row), value: value)
    }
    return points.normalized()
  }

  /// Checks a sampled curve against the points that it stands for.
  private func check(_ curve: Curve, _ points: PointColumns, maxPoints: Int) {
    #expect(curve.sampled && curve.count == points.count)
    #expect(curve.steps.count <= maxPoints && !curve.steps.isEmpty)
    #expect(curve.values.count == curve.steps.count && curve.mins.count == curve.steps.count)
    #expect(curve.steps == curve.steps.sorted() && Set(curve.steps).count == curve.steps.count)
    #expect(curve.lastStep == points.steps.last)
    // No step beyond a bucket's own width belongs to it.
    let starts = curve.steps.map { $0 >> Int64(curve.bucket.trailingZeroBitCount) }
    #expect(curve.bucket == .max || Set(starts).count == starts.count)
    #expect(
      curve.bucket == .max
        || Set(points.steps.map { $0 >> Int64(curve.bucket.trailingZeroBitCount) }) == Set(starts))
    for index in 0..<curve.steps.count {
      let end = index + 1 < curve.steps.count ? curve.steps[index + 1] : Int64.max
      let rows = (0..<points.count).filter {
        points.steps[$0] >= curve.steps[index] && (points.steps[$0] < end || index + 1 == curve.steps.count)
      }
      let numbers = rows.map { points.values[$0] }.filter { !$0.isNaN }
      #expect(rows.first.map { points.timestamps[$0] } == curve.timestamps[index])
      guard let low = numbers.min(), let high = numbers.max() else {
        #expect(curve.values[index].isNaN && curve.mins[index].isNaN && curve.maxs[index].isNaN)
        continue
      }
      #expect(curve.mins[index] == low && curve.maxs[index] == high)
      let mean = numbers.reduce(0) { $0 + $1 / Double(numbers.count) }
      let tolerance = 1e-9 * max(1, abs(mean), high == low ? 0 : max(abs(low), abs(high)) * 1e-3)
      let agrees = (mean.isNaN && curve.values[index].isNaN) || mean == curve.values[index]
      #expect(agrees || abs(mean - curve.values[index]) <= tolerance, "\(mean) is \(curve.values[index])")
    }
  }

  @Test(arguments: [1, 2, 7, 100, 999]) func bucketsHoldTheirPoints(maxPoints: Int) {
    for (seed, bits) in [1, 5, 12, 33, 64].enumerated() {
      let points = points(3000, seed: UInt64(seed), stepBits: bits)
      check(Curve(key: "k", points, maxPoints: maxPoints), points, maxPoints: maxPoints)
    }
  }

  @Test func fewPointsAreAllShown() {
    let points = points(100, seed: 1, stepBits: 30)
    for maxPoints in [0, 100, 1000] {
      let curve = Curve(key: "k", points, maxPoints: maxPoints)
      #expect(!curve.sampled && curve.steps == points.steps && curve.mins.isEmpty)
    }
    #expect(Curve(key: "k", PointColumns(), maxPoints: 5).count == 0)
  }

  /// Regular steps fill more than half of what is allowed, and no bucket could be halved.
  @Test func regularStepsUseTheRoom() {
    var points = PointColumns()
    for step in Int64(0)..<100_000 { points.append(step: step, timestamp: step, value: 1) }
    for maxPoints in [1, 10, 1000, 3000, 99_999] {
      let rows = Curve(key: "k", points, maxPoints: maxPoints).steps.count
      #expect(rows <= maxPoints && 2 * rows > maxPoints - 2)
    }
  }

  @Test func aBucketOfNothingButNaN() {
    var points = PointColumns()
    for step in Int64(0)..<8 { points.append(step: step, timestamp: 0, value: step < 4 ? .nan : -.infinity) }
    let curve = Curve(key: "k", points, maxPoints: 2)
    #expect(curve.steps == [0, 4])
    #expect(curve.values[0].isNaN && curve.mins[0].isNaN && curve.maxs[0].isNaN)
    #expect(curve.values[1] == -.infinity && curve.maxs[1] == -.infinity)
  }

  /// Buckets from chunk rows hold the same as buckets from all the points.
  @Test(arguments: [14, 17, 40]) func theShortWayAgrees(bits: Int) throws {
    let folder = try TemporaryFolder()
    let store = try folder.open(limits: .lazy)
    let run = try store.createRun(NewRun(uid: "r", name: "run"))
    let all = points(20_000, seed: UInt64(bits), stepBits: bits)
    // Folded in random order, but for the last points, which are a tail of segments.
    var random = SplitMix(state: 3)
    var order = Array(0..<19_000)
    order.shuffle(using: &random)
    for part in [order, Array(19_000..<20_000)] {
      try store.append(
        part.map { row in
          MetricPoint(key: "k", step: all.steps[row], timestamp: all.timestamps[row], value: all.values[row])
        }, run: "r")
      if part.count == order.count { try store.foldAll() }
    }
    for maxPoints in [1, 10, 300] {
      for (from, to) in [
        (Int64.min, Int64.max), (all.steps[700], all.steps[19_500]), (all.steps[9000], 1 << 62),
      ] {
        let curve = try store.read {
          try $0.curve(run: run, key: "k", maxPoints: maxPoints, from: from, to: to, directPoints: 0)
        }
        check(curve, all.steps(from: from, to: to), maxPoints: maxPoints)
      }
    }
    // A straggler among the chunks and a repetition take the long way: in its place, and counted once.
    var later = PointColumns()
    later.append(step: all.steps[5], timestamp: -1, value: 1e300)
    later.append(step: all.steps[7], timestamp: all.timestamps[7], value: all.values[7])
    try store.append(
      (0..<2).map {
        MetricPoint(key: "k", step: later.steps[$0], timestamp: later.timestamps[$0], value: later.values[$0])
      }, run: "r")
    let curve = try store.read {
      try $0.curve(run: run, key: "k", maxPoints: 10, from: .min, to: .max, directPoints: 0)
    }
    let together = all.merged(with: later.normalized()).all
    #expect(together.count == 20_001)
    check(curve, together, maxPoints: 10)
    #expect(try store.check() == [])
  }
}
