// What a graph refuses, and in which words; what a layout stores.

import Testing

@testable import Autodiff

@Suite struct GraphTests {
  static func message(_ body: (inout Graph) throws -> Void) -> String {
    do {
      var graph = try Graph(batch: 4)
      try body(&graph)
      return "no error"
    } catch { return "\(error)" }
  }

  @Test func shapesThatDoNotFit() {
    #expect(throws: GraphError.self) { try Graph(batch: 0) }
    #expect(
      Self.message { graph in
        let x = try graph.input([8])
        let w = try graph.parameter("0.weight", [3, 9])
        _ = try graph.linear(x, weight: w, bias: nil)
      } == "linear: expected an input of shape [4, 9], got [4, 8]")
    #expect(
      Self.message { graph in
        let x = try graph.input([8])
        let w = try graph.parameter("0.weight", [3, 8])
        _ = try graph.linear(x, weight: w, bias: try graph.parameter("0.bias", [4]))
      } == "linear: expected a bias of shape [3], got [4]")
    #expect(
      Self.message { graph in
        let x = try graph.input([2, 4])
        _ = try graph.linear(x, weight: try graph.parameter("w", [3, 8]), bias: nil)
      } == "linear: expected an input of shape [4, 8], got [4, 2, 4]")
    #expect(
      Self.message { graph in
        let x = try graph.input([8])
        _ = try graph.meanSquaredError(x, targets: try graph.targets([1]))
      } == "mse: expected targets of shape [4, 8], got [4, 1]")
    #expect(
      Self.message { graph in
        let x = try graph.input([8])
        _ = try graph.crossEntropy(x, labels: x)
      } == "cross_entropy: expected labels of shape [4], got [4, 8]")
    #expect(
      Self.message { graph in
        _ = try graph.crossEntropy(try graph.input([8]), labels: try graph.labels(), labelSmoothing: 2)
      } == "cross_entropy: label_smoothing must be from 0 to 1, got 2.0")
    #expect(
      Self.message { _ = try $0.relu(try $0.labels()) } == "relu: expected floats, got labels of shape [4]")
    #expect(
      Self.message { _ = try $0.dropout(try $0.input([2]), p: 1.5, stream: 1) }
        == "dropout: p must be from 0 to 1, got 1.5")
    #expect(
      Self.message { _ = try $0.parameter("w", [3, 0]) }
        == "parameter w: sizes must be at least 1 and reasonable, got shape [3, 0]")
    #expect(
      Self.message { _ = try $0.parameter("w", [1 << 40, 1 << 40]) }
        == "parameter w: sizes must be at least 1 and reasonable, got shape [1099511627776, 1099511627776]")
    #expect(
      Self.message { graph in
        _ = try graph.parameter("w", [3])
        _ = try graph.parameter("w", [3])
      } == "parameter w: is declared twice")
  }

  @Test func plansThatCannotBeMade() throws {
    #expect(
      Self.message { graph in
        let x = try graph.input([8])
        _ = try graph.parameter("unused", [3])
        let y = try graph.linear(x, weight: try graph.parameter("w", [3, 8]), bias: nil)
        let loss = try graph.crossEntropy(y, labels: try graph.labels())
        _ = try Plan.make(graph, loss: loss, output: y, mode: .training)
      } == "parameter unused: has no part in the loss")
    #expect(
      Self.message { graph in
        let x = try graph.input([8])
        _ = try Plan.make(graph, loss: nil, output: x, mode: .training)
      } == "plan: training needs a loss")
    #expect(
      Self.message { graph in
        let x = try graph.input([8])
        _ = try Plan.make(graph, loss: x, output: nil, mode: .evaluation)
      } == "plan: expected a loss, got a value of shape [4, 8]")
    let plan = try network(batch: 2, sizes: [3, 4])
    let (pool, kernels) = (ThreadPool(threads: 1), try KernelTable.select(nil))
    let enough = Arena(floats: plan.layout.floats)
    #expect(throws: GraphError.self) {
      try Executor(plan, parameters: Arena(floats: 1), gradients: enough, pool: pool, kernels: kernels)
    }
    #expect(throws: GraphError.self) {
      try Executor(plan, parameters: enough, gradients: nil, pool: pool, kernels: kernels)
    }
  }

  /// Read and written in pieces of some lines, parameters of each kind are what they are as a whole.
  @Test(arguments: [1, 7, 40, 1000]) func piecesMakeTheWhole(_ floats: Int) throws {
    var layout = ParameterLayout()
    _ = layout.append("matrix", [35, 3])
    _ = layout.append("kernel", [18, 3, 2, 3])
    _ = layout.append("table", [9, 5], isTable: true)
    _ = layout.append("vector", [21])
    let (arena, copy) = (Arena(floats: layout.floats), Arena(floats: layout.floats))
    for (index, entry) in layout.entries.enumerated() {
      let whole = values(entry.count, index)
      try layout.write(whole, to: index, in: arena)
      let pieces = entry.pieces(of: floats)
      #expect(pieces.allSatisfy { $0.count == 1 || $0.count * entry.lineCount <= floats })
      var parts: [Float] = []
      for lines in pieces {
        let part = layout.read(index, lines: lines, from: arena)
        try layout.write(part, to: index, lines: lines, in: copy)
        parts += part
      }
      #expect(parts == whole && layout.read(index, from: copy) == whole, "\(entry.name)")
      #expect(throws: GraphError.self) { try layout.write([1, 2], to: index, lines: 0..<1, in: copy) }
    }
    #expect((0..<layout.floats).allSatisfy { copy.pointer[$0] == arena.pointer[$0] })
  }

  /// A large arena is its own piece of the system's memory: zero, on a cache line's border, usable to its last float.
  @Test(arguments: [0, 1, 17, (1 << 19) - 1, 1 << 19, (1 << 19) + 1, 3_000_001]) func arenasAreZero(
    _ floats: Int
  ) {
    for _ in 0..<3 {
      let arena = Arena(floats: floats)
      #expect(Int(bitPattern: arena.pointer) % 64 == 0)
      #expect((0..<floats).allSatisfy { arena.pointer[$0] == 0 })
      arena.pointer.update(repeating: 1, count: floats)
    }
  }

  @Test func layoutTranslatesPyTorchsOrder() throws {
    let layout = try network(batch: 2, sizes: [3, 18]).layout
    #expect(layout.entries.map(\.name) == ["1.weight", "1.bias"])
    #expect(layout.entries[0].floats == 3 * 32 && layout.entries[1].offset == 96 && layout.floats == 128)
    #expect(layout.bytes == 512 && layout.index(of: "1.bias") == 1 && layout.index(of: "bias") == nil)
    let arena = Arena(floats: layout.floats)
    let weight = (0..<54).map(Float.init)
    try layout.write(weight, to: 0, in: arena)
    // Weight [18, 3] by PyTorch: row 1 column 2 is number 5; stored [3, 32]: row 2 column 1.
    #expect(arena.pointer[2 * 32 + 1] == 5)
    #expect(layout.read(0, from: arena) == weight)
    #expect((0..<3).allSatisfy { row in (18..<32).allSatisfy { arena.pointer[row * 32 + $0] == 0 } })
    #expect(throws: GraphError("parameter 1.bias", "expected 18 numbers for shape [18], got 3")) {
      try layout.write([1, 2, 3], to: 1, in: arena)
    }
  }

  @Test func flattenKeepsTheExamples() throws {
    var graph = try Graph(batch: 2)
    // Three time steps of five, each of them a row of its own before.
    let x = try graph.input([3, 5])
    let flat = try graph.flatten(x)
    #expect(flat.shape == [2, 15])
    let w = try graph.parameter("w", [1, 15])
    let y = try graph.linear(flat, weight: w, bias: nil)
    let bench = try Bench(try Plan.make(graph, loss: nil, output: y, mode: .evaluation))
    try bench.plan.layout.write([Float](repeating: 1, count: 15), to: 0, in: bench.parameters)
    bench.executor.setInput((1...30).map(Float.init), columns: 5)
    bench.executor.run(seed: 0, step: 0)
    #expect(bench.executor.outputRows(columns: 1) == [120, 345])
    #expect(bench.executor.loss == 0 && bench.executor.correct == 0)
  }

  @Test("L5 dropout is nothing in evaluation") func dropoutIsNothingInEvaluation() throws {
    for dropout in [0.0, 0.9] {
      let plan = try network(batch: 3, sizes: [4, 5, 2], dropout: dropout, mode: .evaluation)
      #expect(plan.instructions.allSatisfy { $0.opcode != .dropout })
      #expect(plan.instructionCount == 4)
    }
  }

  @Test func everythingDropped() throws {
    var graph = try Graph(batch: 3)
    let x = try graph.dropout(try graph.input([4]), p: 1, stream: 1)
    let y = try graph.linear(x, weight: try graph.parameter("w", [2, 4]), bias: nil)
    let loss = try graph.meanSquaredError(y, targets: try graph.targets([2]))
    let bench = try Bench(try Plan.make(graph, loss: loss, output: y, mode: .training))
    try bench.fillParameters(scale: 1)
    bench.executor.setInput(values(12, 1), columns: 4)
    bench.executor.run(seed: 1, step: 1)
    #expect(bench.executor.outputRows(columns: 2).allSatisfy { $0 == 0 })
    #expect(bench.gradient(0).allSatisfy { $0 == 0 })
  }
}
