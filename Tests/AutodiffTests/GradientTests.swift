// Each operation's gradient against finite differences of a plain forward pass in double. The loss is a squared
// error or a cross entropy, so that what comes from above is never the same for all elements.

import Testing

@testable import Autodiff

/// The plain form of a chain of operations on a batch, in double.
struct Reference {
  enum Layer {
    case linear(weight: Int, bias: Int?, out: Int)
    case relu, tanh
    case dropout(p: Double, stream: UInt32)
    case activation(ActivationFunction)
  }

  enum Goal {
    case squares([Float])
    case classes([Int32], smoothing: Double)
  }

  let batch: Int
  let features: Int
  let layers: [Layer]
  let goal: Goal
  let x: [Float]
  let seed: UInt64 = 77
  let step: UInt64 = 5

  /// The loss as a function of the parameters, each in PyTorch's order.
  func loss(_ parameters: [[Double]]) -> Double {
    var (rows, columns) = (x.map(Double.init), features)
    for layer in layers {
      switch layer {
      case .linear(let weight, let bias, let out):
        var next = [Double](repeating: 0, count: batch * out)
        for i in 0..<batch {
          for j in 0..<out {
            var sum = bias.map { parameters[$0][j] } ?? 0
            for k in 0..<columns { sum += rows[i * columns + k] * parameters[weight][j * columns + k] }
            next[i * out + j] = sum
          }
        }
        (rows, columns) = (next, out)
      case .relu: rows = rows.map { max($0, 0) }
      case .tanh: rows = rows.map { 1 - 2 / (ExactMath.exp(2 * $0) + 1) }
      case .activation(let function): rows = rows.map { reference(function, $0) }
      case .dropout(let p, let stream):
        let random = Philox(seed: seed, stream: stream, step: step)
        for i in rows.indices {
          let place = i / columns * padded(columns) + i % columns
          rows[i] = random.uniform(UInt64(place)) < Float(p) ? 0 : rows[i] / (1 - p)
        }
      }
    }
    switch goal {
    case .squares(let targets):
      return zip(rows, targets).reduce(0) { $0 + ($1.0 - Double($1.1)) * ($1.0 - Double($1.1)) }
        / Double(rows.count)
    case .classes(let labels, let e):
      var sum = 0.0
      for i in 0..<batch {
        let z = rows[i * columns..<(i + 1) * columns]
        let total = ExactMath.log(z.reduce(0) { $0 + ExactMath.exp($1) })
        sum += (1 - e) * (total - rows[i * columns + Int(labels[i])])
        sum += e / Double(columns) * z.reduce(0) { $0 + total - $1 }
      }
      return sum / Double(batch)
    }
  }

  /// The derivative by every parameter: central differences.
  func gradients(_ parameters: [[Double]]) -> [[Double]] {
    let h = 1e-5
    return parameters.indices.map { index in
      parameters[index].indices.map { place in
        var moved = parameters
        moved[index][place] += h
        let above = loss(moved)
        moved[index][place] -= 2 * h
        return (above - loss(moved)) / (2 * h)
      }
    }
  }

  /// The same chain as a plan.
  func plan(fuses: Bool) throws -> Plan {
    var graph = try Graph(batch: batch)
    var node = try graph.input([features])
    for layer in layers {
      switch layer {
      case .linear(let weight, let bias, let out):
        let w = try graph.parameter("\(weight)", [out, node.shape[1]])
        let b = try bias.map { bias in try graph.parameter("\(bias)", [out]) }
        node = try graph.linear(node, weight: w, bias: b)
      case .relu: node = try graph.relu(node)
      case .tanh: node = try graph.tanh(node)
      case .activation(let function): node = try graph.activation(function, node)
      case .dropout(let p, let stream): node = try graph.dropout(node, p: p, stream: stream)
      }
    }
    let loss: Node
    switch goal {
    case .squares: loss = try graph.meanSquaredError(node, targets: try graph.targets([node.shape[1]]))
    case .classes(_, let smoothing):
      loss = try graph.crossEntropy(node, labels: try graph.labels(), labelSmoothing: smoothing)
    }
    return try Plan(graph, loss: loss, output: node, mode: .training, fuses: fuses)
  }

  /// The largest error of loss and gradients, relative to the largest number of each gradient.
  func error(fuses: Bool = true) throws -> Double {
    let plan = try plan(fuses: fuses)
    let bench = try Bench(plan)
    try bench.fillParameters(scale: 0.7)
    bench.executor.setInput(x, columns: features)
    switch goal {
    case .squares(let targets): bench.executor.setTargets(targets, columns: targets.count / batch)
    case .classes(let labels, _): bench.executor.setLabels(labels)
    }
    bench.executor.run(seed: seed, step: step)
    let parameters = plan.layout.entries.indices.map {
      plan.layout.read($0, from: bench.parameters).map(Double.init)
    }
    let exactLoss = loss(parameters)
    var worst = abs(bench.executor.loss - exactLoss) / max(exactLoss, 1e-6)
    for (index, exact) in gradients(parameters).enumerated() {
      let mine = bench.gradient(index)
      let size = exact.map { abs($0) }.max() ?? 0
      for (a, b) in zip(mine, exact) { worst = worse(worst, abs(Double(a) - b) / max(size, 1e-6)) }
    }
    // Padding takes no part.
    for entry in plan.layout.entries {
      for place in 0..<entry.floats where place % entry.stride >= entry.columns {
        #expect(bench.gradients.pointer[entry.offset + place] == 0)
      }
    }
    return worst
  }
}

@Suite struct GradientTests {
  static func squares(_ batch: Int, _ features: Int, _ out: Int, _ layers: [Reference.Layer]) -> Reference {
    Reference(
      batch: batch, features: features, layers: layers, goal: .squares(values(batch * out, 41)),
      x: values(batch * features, 42))
  }

  /// Sizes at and around the width of a vector.
  static let shapes = [(1, 1, 1), (13, 15, 17), (13, 17, 31), (1, 33, 15), (7, 16, 33), (2, 3, 1)]

  @Test("L1 linear layers", arguments: [true, false]) func linear(_ hasBias: Bool) throws {
    for (batch, features, out) in Self.shapes {
      let layers = [Reference.Layer.linear(weight: 0, bias: hasBias ? 1 : nil, out: out)]
      #expect(try Self.squares(batch, features, out, layers).error() < 2e-5, "\(batch) \(features) \(out)")
    }
  }

  /// Between two linear layers, so that the gradient also goes through the second one's input.
  static func between(_ layer: Reference.Layer, hasBias: Bool = true) -> [Reference] {
    shapes.map { batch, features, out in
      squares(
        batch, features, 5,
        [
          .linear(weight: 0, bias: hasBias ? 1 : nil, out: out), layer,
          .linear(weight: hasBias ? 2 : 1, bias: nil, out: 5),
        ])
    }
  }

  @Test("L2 relu", arguments: [true, false]) func relu(_ fuses: Bool) throws {
    for test in Self.between(.relu) { #expect(try test.error(fuses: fuses) < 3e-5) }
  }

  @Test("L2 tanh", arguments: [true, false]) func tanh(_ fuses: Bool) throws {
    for test in Self.between(.tanh) { #expect(try test.error(fuses: fuses) < 3e-5) }
  }

  @Test func activationsWithoutBias() throws {
    for test in Self.between(.tanh, hasBias: false) + Self.between(.relu, hasBias: false) {
      #expect(try test.error() < 3e-5)
    }
  }

  @Test("L5 the same mask forward and backward") func dropout() throws {
    for test in Self.between(.dropout(p: 0.3, stream: 4)) { #expect(try test.error() < 3e-5) }
  }

  @Test func operationsOnTheInput() throws {
    for first in [Reference.Layer.relu, .tanh, .dropout(p: 0.5, stream: 1)] {
      let test = Self.squares(13, 17, 3, [first, .linear(weight: 0, bias: 1, out: 3)])
      #expect(try test.error() < 2e-5)
    }
  }

  @Test func chains() throws {
    let layers: [Reference.Layer] = [
      .dropout(p: 0.1, stream: 9), .linear(weight: 0, bias: 1, out: 17), .tanh, .relu,
      .linear(weight: 2, bias: nil, out: 15), .relu, .dropout(p: 0.4, stream: 2), .tanh,
      .linear(weight: 3, bias: 4, out: 6),
    ]
    for fuses in [true, false] { #expect(try Self.squares(13, 31, 6, layers).error(fuses: fuses) < 5e-5) }
  }

  @Test("G5 cross entropy with label smoothing") func crossEntropy() throws {
    for (batch, features, classes) in Self.shapes {
      for smoothing in [0, 0.2] {
        let labels = (0..<batch).map { Int32($0 * 3 % classes) }
        let test = Reference(
          batch: batch, features: features,
          layers: [.linear(weight: 0, bias: 1, out: 9), .tanh, .linear(weight: 2, bias: 3, out: classes)],
          goal: .classes(labels, smoothing: smoothing), x: values(batch * features, 43))
        #expect(try test.error() < 3e-5, "\(batch) \(features) \(classes) \(smoothing)")
      }
    }
  }

  /// A parameter and an activation that two operations read: the parts of their gradients are added.
  @Test func sharedValues() throws {
    var graph = try Graph(batch: 5)
    let x = try graph.input([17])
    let w = try graph.parameter("w", [17, 17])
    let y = try graph.relu(try graph.linear(x, weight: w, bias: nil))
    let z = try graph.linear(y, weight: w, bias: nil)
    let loss = try graph.meanSquaredError(z, targets: try graph.targets([17]))
    let bench = try Bench(try Plan.make(graph, loss: loss, output: z, mode: .training))
    try bench.fillParameters(scale: 0.4)
    let reference = Reference(
      batch: 5, features: 17,
      layers: [.linear(weight: 0, bias: nil, out: 17), .relu, .linear(weight: 0, bias: nil, out: 17)],
      goal: .squares(values(5 * 17, 8)), x: values(5 * 17, 7))
    bench.executor.setInput(reference.x, columns: 17)
    bench.executor.setTargets(values(5 * 17, 8), columns: 17)
    bench.executor.run(seed: 1, step: 1)
    let exact = reference.gradients([bench.plan.layout.read(0, from: bench.parameters).map(Double.init)])[0]
    let size = exact.map { abs($0) }.max() ?? 0
    for (a, b) in zip(bench.gradient(0), exact) { #expect(abs(Double(a) - b) < 3e-5 * size) }
  }
}
