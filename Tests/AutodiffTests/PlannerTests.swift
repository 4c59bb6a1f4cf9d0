// Properties of memory plans over random graphs, and what a run may not do.

import CAllocationCount
import Glibc
import Testing

@testable import Autodiff

@Suite struct PlannerTests {
  /// A random chain with branches that are joined by shared weights.
  static func randomPlan(_ random: inout PhiloxSequence) throws -> Plan {
    let batch = Int(random.bounded(40)) + 1
    var graph = try Graph(batch: batch)
    let first = Int(random.bounded(50)) + 1
    var x = try graph.input([first])
    var count = 0
    for _ in 0...random.bounded(8) {
      switch random.bounded(4) {
      case 0:
        let out = Int(random.bounded(60)) + 1
        let w = try graph.parameter("\(count).weight", [out, x.shape[1]])
        let b = random.bounded(2) == 0 ? try graph.parameter("\(count).bias", [out]) : nil
        x = try graph.linear(x, weight: w, bias: b)
      case 1: x = try graph.relu(x)
      case 2: x = try graph.tanh(x)
      default: x = try graph.dropout(x, p: 0.25, stream: UInt32(count))
      }
      count += 1
    }
    // A square weight read twice: gradients with parts.
    let w = try graph.parameter("last.weight", [x.shape[1], x.shape[1]])
    let inner = try graph.linear(x, weight: w, bias: nil)
    x = try graph.linear(inner, weight: w, bias: nil)
    let loss =
      random.bounded(2) == 0
      ? try graph.crossEntropy(x, labels: try graph.labels())
      : try graph.meanSquaredError(x, targets: try graph.targets([x.shape[1]]))
    return try Plan(
      graph, loss: loss, output: inner, mode: random.bounded(3) == 0 ? .evaluation : .training,
      fuses: random.bounded(3) > 0)
  }

  /// Pairs of values that are needed at the same time in overlapping places.
  static func conflicts(_ plan: Plan) -> Int {
    let placed = plan.values.indices.compactMap { value in
      plan.memory.offsets[value].map { offset in
        (
          range: offset..<offset + plan.values[value].floats,
          lifetime: plan.memory.lifetimes[value] ?? -1...plan.instructionCount
        )
      }
    }
    var count = 0
    for i in placed.indices {
      for j in 0..<i
      where placed[i].lifetime.overlaps(placed[j].lifetime) && placed[i].range.overlaps(placed[j].range) {
        count += 1
      }
    }
    return count
  }

  @Test func noTwoLiveValuesOverlap() throws {
    var random = Philox(seed: 3, stream: 1, step: 0).sequence()
    var (reused, total) = (0, 0)
    for _ in 0..<300 {
      let plan = try Self.randomPlan(&random)
      #expect(Self.conflicts(plan) == 0)
      for (value, offset) in plan.memory.offsets.enumerated() {
        guard let offset else { continue }
        #expect(offset % 16 == 0 && offset + plan.values[value].floats <= plan.memory.floats)
        total += plan.values[value].floats
      }
      reused += plan.memory.floats
    }
    // And memory is used again: a planner that never does would pass the test above.
    #expect(Double(reused) < 0.8 * Double(total))
  }

  @Test func aPoisonedArenaChangesNothing() throws {
    var random = Philox(seed: 4, stream: 1, step: 0).sequence()
    for _ in 0..<60 {
      let plan = try Self.randomPlan(&random)
      func run(poisoned: Bool) throws -> [UInt32] {
        let bench = try Bench(plan)
        try bench.fillParameters(scale: 0.2)
        if poisoned {
          bench.executor.memory.pointer.update(repeating: .nan, count: bench.executor.memory.floats)
          bench.gradients.pointer.update(repeating: .nan, count: bench.gradients.floats)
        }
        for value in plan.values {
          switch value.origin {
          case .input:
            bench.executor.setInput(values(plan.batch * value.columns, 1), columns: value.columns)
          case .targets:
            bench.executor.setTargets(values(plan.batch * value.columns, 2), columns: value.columns)
          case .labels: bench.executor.setLabels([Int32](repeating: 0, count: plan.batch))
          default: break
          }
        }
        var result: [UInt32] = []
        for step in 0..<2 {
          bench.executor.run(seed: 1, step: UInt64(step))
          result += (0..<(plan.mode == .training ? plan.layout.floats : 0)).map {
            bench.gradients.pointer[$0].bitPattern
          }
          let columns = plan.output.map { plan.values[$0].columns } ?? 0
          result += bench.executor.outputRows(columns: columns).map(\.bitPattern)
          result.append(Float(bench.executor.loss).bitPattern)
        }
        return result
      }
      let clean = try run(poisoned: false)
      #expect(try run(poisoned: true) == clean)
      #expect(clean.allSatisfy { !Float(bitPattern: $0).isNaN })
    }
  }

  @Test func memoryIsKnownBeforehand() throws {
    let plan = try network(batch: 32, sizes: [64, 128, 64, 10])
    #expect(plan.memoryBytes == plan.memory.floats * 4)
    // At least inputs and two kept activations, at most every value at once.
    #expect(plan.memoryBytes >= 32 * (64 + 128 + 64) * 4)
    #expect(plan.memoryBytes <= 32 * (64 + 2 * (128 + 64 + 16) + 16) * 4 + 4096)
  }

  @Test func aStepAllocatesNothing() throws {
    let plan = try network(batch: 300, sizes: [100, 300, 10], dropout: 0.2)
    let bench = try Bench(plan, threads: 2)
    try bench.fillParameters(scale: 0.1)
    let slots = [Arena(floats: plan.layout.floats), Arena(floats: plan.layout.floats)]
    let features = values(400 * 100, 1)
    let labels = [Int32](repeating: 3, count: 400)
    let rows = (0..<300).map(Int32.init)
    let all = 0..<plan.layout.floats
    func steps(_ count: Int) {
      for step in 1...count {
        bench.executor.fetch(rows, features: features, labels: labels, targets: nil)
        bench.executor.run(seed: 1, step: UInt64(step))
        _ = bench.passes.norm(bench.gradients, all)
        bench.adam(step, rate: 1e-3, slots)
      }
    }
    steps(2)
    #expect(allocations { steps(5) } == 0)
    // The count works: an array is one.
    #expect(allocations { _ = values(100, 1) } >= 1)
  }

  /// Images and sequences: bands, partial sums, tiles of attention and dropout masks live in what was made beforehand.
  @Test func aStepOfAnyNetworkAllocatesNothing() throws {
    let images = try ImageTests.run(ImageTests.large, threads: 2)
    let pooled = try ImageTests.run(ImageTests.pooled, threads: 2)
    let sequence = try SmallTransformer(batch: 9, steps: 40, width: 48, heads: 3, p: 0.2).bench(threads: 2)
    for bench in [images, pooled, sequence] {
      bench.executor.run(seed: 1, step: 1)
      let count = allocations {
        for step in 2...4 { bench.executor.run(seed: 1, step: UInt64(step)) }
      }
      #expect(count == 0)
    }
  }

  private func allocations(of work: () -> Void) -> Int {
    allocation_count_start()
    work()
    return allocation_count_stop()
  }
}
