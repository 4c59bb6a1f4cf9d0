// Embedding, positions, row normalization and attention in one small transformer, against a plain forward pass in
// double and its central differences; and their properties.

import Testing

@testable import Autodiff

/// tokens -> embedding -> + positions -> (layer norm, q k v, attention, out) + x -> rms norm -> logits per time step.
struct SmallTransformer {
  var batch = 2
  var steps = 5
  var vocabulary = 7
  var width = 6
  var heads = 2
  var isCausal = true
  var isLearned = true
  var p = 0.0
  let seed: UInt64 = 31
  let step: UInt64 = 4

  var tokens: [Float] { (0..<batch * steps).map { Float(($0 * 5 + $0 * $0 % 3) % vocabulary) } }
  var labels: [Int32] { (0..<batch * steps).map { Int32(($0 * 3 + 1) % vocabulary) } }

  func plan(_ mode: PlanMode = .training, fuses: Bool = true) throws -> Plan {
    var graph = try Graph(batch: batch)
    let tokens = try graph.input([steps])
    var x = try graph.embedding(
      tokens, table: try graph.parameter("table", [vocabulary, width], isTable: true))
    if isLearned {
      x = try graph.learnedPositions(x, table: try graph.parameter("places", [steps, width], isTable: true))
    } else {
      x = try graph.sinusoidalPositions(x)
    }
    let normal = try graph.layerNorm(
      x, weight: try graph.parameter("1.weight", [width]), bias: try graph.parameter("1.bias", [width]),
      epsilon: 1e-5)
    let qkv = try graph.linear(
      normal, weight: try graph.parameter("2.weight", [3 * width, width]),
      bias: try graph.parameter("2.bias", [3 * width]))
    let mixed = try graph.attention(qkv, heads: heads, isCausal: isCausal, p: p, stream: 3)
    x = try graph.add(
      x, try graph.linear(mixed, weight: try graph.parameter("3.weight", [width, width]), bias: nil))
    x = try graph.rmsNorm(x, weight: try graph.parameter("4.weight", [width]), epsilon: 1e-6)
    let logits = try graph.linear(x, weight: try graph.parameter("5.weight", [vocabulary, width]), bias: nil)
    let loss = try graph.crossEntropy(logits, labels: try graph.labels(each: steps))
    return try Plan(graph, loss: loss, output: logits, mode: mode, fuses: fuses)
  }

  /// The logits, a row for each time step.
  func logits(_ parameters: [[Double]]) -> [[Double]] {
    var left = parameters[...]
    let table = left.removeFirst()
    let places = isLearned ? left.removeFirst() : Graph.sinusoids(steps: steps, width: width).map(Double.init)
    func next() -> [Double] { left.removeFirst() }
    func linear(_ rows: [[Double]], _ weight: [Double], _ bias: [Double]?) -> [[Double]] {
      rows.map { row in
        (0..<weight.count / row.count).map { out in
          var sum = bias?[out] ?? 0
          for column in row.indices { sum += row[column] * weight[out * row.count + column] }
          return sum
        }
      }
    }
    let x: [[Double]] = tokens.indices.map { place in
      let (token, time) = (Int(tokens[place]), place % steps)
      return (0..<width).map { column in table[token * width + column] + places[time * width + column] }
    }
    let (gain, shift) = (next(), next())
    let normal: [[Double]] = x.map { row in
      let mean = row.reduce(0, +) / Double(width)
      let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(width)
      let root = (variance + 1e-5).squareRoot()
      return row.indices.map { column in (row[column] - mean) / root * gain[column] + shift[column] }
    }
    let qkv = linear(normal, next(), next())
    let mixed = linear(qkv.indices.map { attended(qkv, $0) }, next(), nil)
    let scale = next()
    let y: [[Double]] = x.indices.map { place in
      let row = zip(x[place], mixed[place]).map { $0 + $1 }
      let square = row.reduce(0) { $0 + $1 * $1 } / Double(width)
      let root = (square + 1e-6).squareRoot()
      return row.indices.map { column in row[column] / root * scale[column] }
    }
    return linear(y, next(), nil)
  }

  private func attended(_ qkv: [[Double]], _ place: Int) -> [Double] {
    let (size, example, time) = (width / heads, place / steps, place % steps)
    let random = Philox(seed: seed, stream: 3, step: step)
    return (0..<heads).flatMap { head -> [Double] in
      let seen = 0..<(isCausal ? time + 1 : steps)
      var weights: [Double] = seen.map { other in
        let (q, k) = (qkv[place], qkv[example * steps + other])
        var score = 0.0
        for column in head * size..<(head + 1) * size { score += q[column] * k[width + column] }
        return ExactMath.exp(score / Double(size).squareRoot())
      }
      let total = weights.reduce(0, +)
      for other in seen {
        let row = (example * heads + head) * steps + time
        let isDropped = random.uniform(UInt64(row * ((steps + 31) / 32 * 32) + other)) < Float(p)
        weights[other] = isDropped ? 0 : weights[other] / total / (1 - p)
      }
      return (0..<size).map { column in
        var sum = 0.0
        for other in seen {
          sum += weights[other] * qkv[example * steps + other][2 * width + head * size + column]
        }
        return sum
      }
    }
  }

  func loss(_ parameters: [[Double]]) -> Double {
    let rows = logits(parameters)
    let sum = rows.indices.reduce(0.0) { sum, row in
      let total = ExactMath.log(rows[row].reduce(0) { $0 + ExactMath.exp($1) })
      return sum + total - rows[row][Int(labels[row])]
    }
    return sum / Double(rows.count)
  }

  func bench(
    _ mode: PlanMode = .training, threads: Int = 1, _ level: KernelTable.Level? = nil, fuses: Bool = true
  ) throws -> Bench {
    let bench = try Bench(try plan(mode, fuses: fuses), threads: threads, level)
    try bench.fillParameters(scale: 0.8)
    bench.executor.setInput(tokens, columns: steps)
    bench.executor.setLabels(labels)
    return bench
  }

  /// The largest error of logits, loss and gradients by every parameter.
  func error() throws -> Double {
    let bench = try bench()
    bench.executor.run(seed: seed, step: step)
    let entries = bench.plan.layout.entries
    var parameters = entries.indices.map {
      bench.plan.layout.read($0, from: bench.parameters).map(Double.init)
    }
    var worst = abs(bench.executor.loss - loss(parameters))
    let h = 1e-5
    for index in parameters.indices {
      let mine = bench.gradient(index)
      var exact: [Double] = []
      for place in parameters[index].indices {
        let kept = parameters[index][place]
        parameters[index][place] = kept + h
        let above = loss(parameters)
        parameters[index][place] = kept - h
        exact.append((above - loss(parameters)) / (2 * h))
        parameters[index][place] = kept
      }
      let size = exact.map { abs($0) }.max() ?? 0
      for (a, b) in zip(mine, exact) { worst = worse(worst, abs(Double(a) - b) / max(size, 1e-4)) }
      let entry = entries[index]
      for place in 0..<entry.floats where place % entry.stride >= entry.columns {
        #expect(bench.gradients.pointer[entry.offset + place] == 0, "padding of \(entry.name)")
      }
    }
    return worst
  }

  /// Gradients and logits, bit for bit.
  func bits(threads: Int = 1, _ level: KernelTable.Level? = nil, fuses: Bool = true) throws -> [UInt32] {
    let bench = try bench(threads: threads, level, fuses: fuses)
    for step in 0..<2 { bench.executor.run(seed: seed, step: UInt64(step)) }
    let gradients = (0..<bench.plan.layout.floats).map { bench.gradients.pointer[$0].bitPattern }
    let logits = bench.executor.outputRows(columns: vocabulary, rows: batch * steps)
    return gradients + logits.map(\.bitPattern)
  }
}

@Suite struct SequenceTests {
  static let cases = [
    SmallTransformer(), SmallTransformer(isCausal: false), SmallTransformer(isLearned: false, p: 0.3),
    SmallTransformer(batch: 1, steps: 1),
    SmallTransformer(batch: 3, steps: 17, vocabulary: 5, width: 16, heads: 1),
    SmallTransformer(batch: 1, steps: 33, vocabulary: 17, width: 15, heads: 3, p: 0.25),
    SmallTransformer(batch: 1, steps: 31, vocabulary: 15, width: 32, heads: 2, isCausal: false),
  ]

  @Test("L4 L6 norms, embedding, positions, attention and blocks", arguments: cases) func gradients(
    _ sequence: SmallTransformer
  ) throws {
    #expect(try sequence.error() < 3e-4)
  }

  @Test func anErrorIsSeen() throws {
    let sequence = SmallTransformer()
    let bench = try sequence.bench()
    bench.executor.run(seed: 1, step: 1)
    var parameters = bench.plan.layout.entries.indices.map {
      bench.plan.layout.read($0, from: bench.parameters).map(Double.init)
    }
    parameters[4][3] += 1e-2
    #expect(abs(bench.executor.loss - sequence.loss(parameters)) > 1e-6)
  }

  @Test func threadsLevelsAndFusionChangeNoBit() throws {
    for sequence in [
      SmallTransformer(batch: 9, steps: 50, vocabulary: 65, width: 96, heads: 3, p: 0.2),
      SmallTransformer(batch: 7, steps: 65, vocabulary: 31, width: 60, heads: 4, isCausal: false),
    ] {
      let plan = try sequence.plan()
      #expect(plan.instructions.contains { $0.opcode == .attentionGradient && $0.split.units > 1 })
      #expect(plan.instructionCount < (try sequence.plan(fuses: false)).instructionCount)
      let first = try sequence.bits()
      for threads in [2, 3] { #expect(try sequence.bits(threads: threads) == first) }
      for level in KernelTable.available { #expect(try sequence.bits(level) == first, "\(level)") }
      #expect(try sequence.bits(fuses: false) == first)
    }
  }

  /// What comes later changes nothing before it, and in an evaluation nothing is dropped.
  @Test("L6 a causal model does not see later tokens") func laterTokensAreNotSeen() throws {
    func logits(_ change: Int?, isCausal: Bool) throws -> [Float] {
      let sequence = SmallTransformer(batch: 1, steps: 20, isCausal: isCausal, p: 0.5)
      let bench = try sequence.bench(.evaluation)
      if let change { bench.executor.input[change] = Float((Int(sequence.tokens[change]) + 1) % 7) }
      bench.executor.run(seed: 3, step: 9)
      return bench.executor.outputRows(columns: 7, rows: 20)
    }
    let (first, changed) = (try logits(nil, isCausal: true), try logits(12, isCausal: true))
    #expect(first.prefix(12 * 7) == changed.prefix(12 * 7))
    #expect((12..<20).allSatisfy { first[$0 * 7..<$0 * 7 + 7] != changed[$0 * 7..<$0 * 7 + 7] })
    let (both, other) = (try logits(nil, isCausal: false), try logits(12, isCausal: false))
    #expect((0..<20).allSatisfy { both[$0 * 7..<$0 * 7 + 7] != other[$0 * 7..<$0 * 7 + 7] })
  }

  @Test func unknownTokensAreNotANumber() throws {
    for token in [7, -1, Float.nan] {
      let bench = try SmallTransformer().bench()
      bench.executor.input[2] = token
      bench.executor.run(seed: 1, step: 1)
      #expect(bench.executor.loss.isNaN)
    }
  }

  @Test func shapesThatDoNotFit() {
    #expect(
      GraphTests.message { graph in
        _ = try graph.attention(try graph.input([5, 12]), heads: 3, isCausal: true)
      }.hasPrefix("attention: expected queries, keys and values [4, time, 3 width]"))
    #expect(
      GraphTests.message { graph in
        _ = try graph.embedding(try graph.input([5]), table: try graph.parameter("w", [3, 4]))
      } == "embedding: expected a table [vocabulary, width], got [3, 4]")
    #expect(
      GraphTests.message { graph in
        let x = try graph.input([5, 12])
        _ = try graph.rmsNorm(x, weight: try graph.parameter("w", [5]), epsilon: 1e-6)
      } == "rms_norm: expected parameters of shape [12], got [5]")
    #expect(
      GraphTests.message { graph in
        _ = try graph.add(try graph.input([5]), try graph.targets([6]))
      } == "add: expected two values of one shape, got [4, 5] and [4, 6]")
  }
}
