// Numbers of the store, printed: CAIRN_BENCHMARK=1 swift test -c release … --filter StorageBenchmarks

import Glibc
import Testing

@testable import Storage

@Suite(.enabled(if: getenv("CAIRN_BENCHMARK") != nil), .serialized) struct StorageBenchmarks {
  private func seconds(_ body: () throws -> Void) rethrows -> Double {
    let start = monotonicNanoseconds()
    try body()
    return Double(monotonicNanoseconds() - start) / 1e9
  }

  private func report(_ what: String, _ value: Double, _ unit: String) {
    let digits = value < 100 ? (value * 100).rounded() / 100 : value.rounded()
    print("benchmark: \(what): \(digits) \(unit)")
  }

  private func batch(keys: Int, steps: Range<Int64>, clock: Int64) -> MetricBatch {
    var batch = MetricBatch()
    batch.reserve(keys * steps.count)
    let places = (0..<keys).map { batch.key("group/metric-\($0)") }
    for step in steps {
      for place in places {
        let value = 1 / Double(step + 2) + Double(place)
        batch.append(place, step: step, timestamp: clock + step * 7 + step % 3, value: value)
      }
    }
    return batch
  }

  private let clock: Int64 = 1_750_000_000_000

  @Test func opening() throws {
    let folder = try TemporaryFolder()
    report("open an empty folder", 1000 * (try seconds { try Store.open(folder: folder.path).close() }), "ms")
    report("open again", 1000 * (try seconds { try Store.open(folder: folder.path).close() }), "ms")
  }

  @Test(arguments: [1, 4], [1, 20]) func batchesOfAThousand(threads: Int, keys: Int) throws {
    let folder = try TemporaryFolder()
    let store = try Store.open(folder: folder.path)
    for thread in 0..<threads { try store.createRun(NewRun(uid: "r\(thread)", name: "run")) }
    let count = 600
    let steps = Int64(1000 / keys)
    let clock = clock
    let batches = (0..<Int64(count)).map {
      batch(keys: keys, steps: ($0 * steps)..<(($0 + 1) * steps), clock: clock)
    }
    let time = try seconds {
      try onThreads(threads) { thread in
        for batch in batches { try? store.append(batch, run: "r\(thread)") }
      }
    }
    report(
      "durable points, \(threads) threads x 1000 points of \(keys) keys",
      Double(threads * count * 1000) / time, "/s")
    #expect(try store.run("r0")?.metrics.map(\.count).reduce(0, +) == count * 1000)
    store.close()
  }

  @Test(arguments: [8, 64]) func smallRequests(threads: Int) throws {
    let folder = try TemporaryFolder()
    let store = try Store.open(folder: folder.path)
    for thread in 0..<threads { try store.createRun(NewRun(uid: "r\(thread)", name: "run")) }
    let count: Int64 = threads == 8 ? 8000 : 2000
    let clock = clock
    let batches = (0..<count).map { batch(keys: 20, steps: $0..<($0 + 1), clock: clock) }
    let time = try seconds {
      try onThreads(threads) { thread in
        for batch in batches { try? store.append(batch, run: "r\(thread)") }
      }
    }
    report("requests of 20 keys x 1 step, \(threads) threads", Double(threads) * Double(count) / time, "/s")
    report("  writes in a group", Double(store.gauges.writes) / Double(store.gauges.commits), "")
    #expect(try store.run("r1")?.metrics.map(\.count) == [Int](repeating: Int(count), count: 20))
    store.close()
  }

  @Test(arguments: [1, 20]) func foldingAndReading(keys: Int) throws {
    let folder = try TemporaryFolder()
    let store = try folder.open(limits: .lazy)
    try store.createRun(NewRun(uid: "r", name: "run"))
    let steps: Int64 = 100_000
    for start in stride(from: 0, to: steps, by: 50) {
      try store.append(batch(keys: keys, steps: start..<(start + 50), clock: clock), run: "r")
    }
    let points = Double(steps) * Double(keys)
    report(
      "unfolded summaries of \(keys) keys", 1000 * (try seconds { _ = try store.summaries(run: "r") }), "ms")
    let time = try seconds { try store.foldAll(budget: 16_384) }
    report("fold, \(keys) keys", points / time, "points/s")
    for maximum in [1000, 0] {
      let time = try seconds {
        for _ in 0..<10 { _ = try store.curve(run: "r", key: "group/metric-0", maxPoints: maximum) }
      }
      report("read 100000 points, max_points \(maximum)", time * 100, "ms")
    }
    report("summaries of \(keys) keys", 1000 * (try seconds { _ = try store.summaries(run: "r") }), "ms")
    store.close()
    let again = try folder.open(limits: .eager)
    #expect(again.eventually { again.gauges.walBytes == 0 })
    usleep(300_000)
    again.close()
    report("bytes a point, \(keys) keys", Double(Folder.size(folder.path + "/cairn.db")) / points, "")
  }

  @Test func aLargeSeries() throws {
    let folder = try TemporaryFolder()
    let store = try Store.open(folder: folder.path, durability: .normal)
    try store.createRun(NewRun(uid: "r", name: "run"))
    let steps: Int64 = 10_000_000
    let time = try seconds {
      for start in stride(from: 0, to: steps, by: 10_000) {
        try store.append(batch(keys: 1, steps: start..<(start + 10_000), clock: clock), run: "r")
      }
    }
    report("append 10 M points in batches of 10000", Double(steps) / time, "points/s")
    try store.foldAll(budget: 65_536)
    for name in ["first", "again", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a"]
    {
      let time = try seconds { _ = try store.curve(run: "r", key: "group/metric-0", maxPoints: 1000) }
      report("10 M points into 1000 buckets, \(name)", 1000 * time, "ms")
    }
    let part = try seconds {
      _ = try store.curve(run: "r", key: "group/metric-0", maxPoints: 1000, fromStep: 777, toStep: 5_000_000)
    }
    report("half of them", 1000 * part, "ms")
    store.close()
  }

  @Test func checkpoints() throws {
    let folder = try TemporaryFolder()
    let store = try Store.open(folder: folder.path)
    try store.createRun(NewRun(uid: "r", name: "run"))
    let bytes = [UInt8](repeating: 9, count: 64 << 20)
    let put = try seconds {
      try store.putCheckpoint(NewCheckpoint(step: 1, epoch: 1, createdAt: 1), bytes: bytes, run: "r")
    }
    report("put a checkpoint", 64 / put, "MiB/s")
    let read = try seconds {
      for part in 0..<64 {
        _ = try store.readCheckpoint(run: "r", step: 1, offset: part << 20, count: 1 << 20)
      }
    }
    report("read a checkpoint", 64 / read, "MiB/s")
    store.close()
  }
}
