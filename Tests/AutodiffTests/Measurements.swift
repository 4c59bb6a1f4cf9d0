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

  /// The time of each instruction of a plan in microseconds, by threads; the median of many runs, so that the sums say
  /// where a step's time goes and the ratios which instructions two threads share badly.
  static func instructions(_ plan: Plan, threads: [Int], runs: Int = 200) throws -> String {
    let columns = try threads.map { threads in
      let bench = try Bench(plan, threads: threads)
      try bench.fillParameters(scale: 0.1)
      let count = plan.instructions.count
      var times = [[Double]](repeating: [], count: count)
      for run in 0..<runs {
        bench.executor.prepare(seed: 1, step: UInt64(run))
        for index in 0..<count {
          let start = now()
          bench.executor.run(index..<(index + 1), on: bench.executor.pool)
          times[index].append((now() - start) * 1e6)
        }
      }
      return times.map { $0.sorted()[runs / 2] }
    }
    let rows = plan.instructions.indices.map { index in
      let instruction = plan.instructions[index]
      let numbers = columns.map { String(Int($0[index] * 10)) + "/10" }.joined(separator: " ")
      return "\(instruction.opcode) \(instruction.sizes) units \(instruction.split.units): \(numbers)"
    }
    let sums = columns.map { String(Int($0.reduce(0, +))) }.joined(separator: " ")
    return rows.joined(separator: "\n") + "\nsum: \(sums) us"
  }

  /// The network of `Tests/Benchmarks/engine.py`.
  @Test func convolutionalNetwork() throws {
    let window = ImageWindow(kernel: (3, 3), stride: (1, 1), padding: (1, 1))
    let pool = ImageWindow(kernel: (2, 2), stride: (2, 2), padding: (0, 0))
    var graph = try Graph(batch: 64)
    var x = try graph.input([1, 28, 28])
    for channels in [16, 32] {
      let name = "conv\(channels)"
      let weight = try graph.parameter("\(name).weight", [channels, x.shape[1], 3, 3])
      let bias = try graph.parameter("\(name).bias", [channels])
      x = try graph.convolution(
        x, weight: weight, bias: bias, stride: window.stride, padding: window.padding)
      x = try graph.maxPool(try graph.relu(try graph.batchNorm(x, "norm\(channels)")), pool)
    }
    x = try graph.flatten(x)
    for (index, out) in [128, 10].enumerated() {
      let weight = try graph.parameter("linear\(out).weight", [out, x.shape[x.shape.count - 1]])
      x = try graph.linear(x, weight: weight, bias: try graph.parameter("linear\(out).bias", [out]))
      if index == 0 { x = try graph.dropout(try graph.relu(x), p: 0.25, stream: 1) }
    }
    let loss = try graph.crossEntropy(x, labels: try graph.labels(), labelSmoothing: 0)
    let plan = try Plan(graph, loss: loss, output: x, mode: .training, fuses: true)
    print(try Self.instructions(plan, threads: [1, 2]))
    print(try Self.instructions(try network(batch: 128, sizes: [784, 256, 128, 10]), threads: [1, 2]))
  }

  /// The network of `Tests/Benchmarks/transformer.py`.
  @Test func transformer() throws {
    let (steps, width, vocabulary) = (64, 128, 65)
    var graph = try Graph(batch: 16)
    func linear(_ x: Node, _ name: String, _ out: Int) throws -> Node {
      let weight = try graph.parameter("\(name).weight", [out, x.shape[x.shape.count - 1]])
      return try graph.linear(x, weight: weight, bias: try graph.parameter("\(name).bias", [out]))
    }
    func norm(_ x: Node, _ name: String) throws -> Node {
      try graph.layerNorm(
        x, weight: try graph.parameter("\(name).weight", [width]),
        bias: try graph.parameter("\(name).bias", [width]), epsilon: 1e-5)
    }
    let table = try graph.parameter("table", [vocabulary, width], isTable: true)
    let places = try graph.parameter("places", [steps, width], isTable: true)
    var x = try graph.embedding(try graph.input([steps]), table: table)
    x = try graph.learnedPositions(x, table: places)
    for layer in 0..<4 {
      let qkv = try linear(try norm(x, "\(layer).1"), "\(layer).in", 3 * width)
      let mixed = try graph.attention(qkv, heads: 4, isCausal: true, p: 0, stream: 3)
      x = try graph.add(x, try linear(mixed, "\(layer).out", width))
      let hidden = try graph.activation(
        .gelu, try linear(try norm(x, "\(layer).2"), "\(layer).up", 4 * width))
      x = try graph.add(x, try linear(hidden, "\(layer).down", width))
    }
    let logits = try linear(try norm(x, "last"), "head", vocabulary)
    let loss = try graph.crossEntropy(logits, labels: try graph.labels(each: steps))
    let plan = try Plan(graph, loss: loss, output: logits, mode: .training, fuses: true)
    print(try Self.instructions(plan, threads: [1, 2], runs: 40))
  }
}
