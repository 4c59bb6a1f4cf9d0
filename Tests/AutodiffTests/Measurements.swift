// Times, printed on request: CAIRN_MEASURE=1 swift test -c release --filter Measurements. No test asserts one.

import Glibc
import Testing

@testable import Autodiff

@Suite(.enabled(if: getenv("CAIRN_MEASURE") != nil), .serialized) struct Measurements {
  /// The best and the median of 21 blocks, in microseconds a call.
  static func time(_ repetitions: Int, _ body: () -> Void) -> (best: Double, median: Double) {
    var times: [Double] = []
    for _ in 0..<21 {
      let start = now()
      for _ in 0..<repetitions { body() }
      times.append((now() - start) / Double(repetitions) * 1e6)
    }
    times.sort()
    return (times[0], times[10])
  }

  static func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }

  /// One step: fetch, forward, backward, norm, Adam.
  static func step(sizes: [Int], batch: Int, threads: Int, _ repetitions: Int) throws -> String {
    let bench = try Bench(try network(batch: batch, sizes: sizes), threads: threads)
    try bench.fillParameters(scale: 0.1)
    let examples = 1024
    let features = values(examples * sizes[0], 1)
    let labels = (0..<examples).map { Int32($0 % sizes[sizes.count - 1]) }
    let rows = (0..<examples).map { Int32($0 * 37 % examples) }
    let floats = bench.plan.layout.floats
    let slots = [Arena(floats: floats), Arena(floats: floats)]
    var t = 0
    let times = features.withUnsafeBufferPointer { features in
      labels.withUnsafeBufferPointer { labels in
        rows.withUnsafeBufferPointer { rows in
          time(repetitions) {
            guard let features = features.baseAddress, let rows = rows.baseAddress else { return }
            t += 1
            bench.executor.fetch(
              rows + t * batch % (examples - batch), features: features, labels: labels.baseAddress,
              targets: nil)
            bench.executor.run(seed: 1, step: UInt64(t))
            bench.adam(t, rate: 1e-3, slots)
          }
        }
      }
    }
    return
      "step \(sizes) batch \(batch), \(threads) threads: best \(times.best) us, median \(times.median) us"
  }

  @Test func steps() throws {
    for threads in [1, 2] {
      print(try Self.step(sizes: [64, 128, 64, 10], batch: 32, threads: threads, 500))
      print(try Self.step(sizes: [784, 256, 128, 10], batch: 128, threads: threads, 40))
    }
  }
}
