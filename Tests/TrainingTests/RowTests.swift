// What single rows of the list of methods ask for and no other test shows.

import Glibc
import JSON
import Testing

@testable import Autodiff
@testable import Training

@Suite struct RowTests {
  /// The gradient by the logits is (softmax - q) / N, against what PyTorch gives in doubles.
  @Test("G5 the gradient is (softmax - q) / N", arguments: [0, 0.1, 0.4]) func labelSmoothing(_ e: Double)
    throws
  {
    let (rows, classes) = (3, 5)
    let labels: [Int32] = [4, 0, 2]
    // The logits are the bias, the same in each row, plus what identity weights bring in.
    func bench(_ e: Double) throws -> (loss: Double, gradient: [Float], logits: [[Double]]) {
      var graph = try Graph(batch: rows)
      let x = try graph.input([classes])
      let weight = try graph.parameter("w", [classes, classes])
      let loss = try graph.crossEntropy(
        graph.linear(x, weight: weight, bias: nil), labels: graph.labels(), labelSmoothing: e)
      let plan = try Plan.make(graph, loss: loss, output: nil, mode: .training)
      let (parameters, gradients) = (Arena(floats: plan.layout.floats), Arena(floats: plan.layout.floats))
      let identity = (0..<classes * classes).map { Float($0 / classes == $0 % classes ? 1 : 0) }
      try plan.layout.write(identity, to: 0, in: parameters)
      let executor = try Executor(
        plan, parameters: parameters, gradients: gradients, pool: ThreadPool(threads: 1),
        kernels: try KernelTable.select(nil))
      let logits = (0..<rows).map { row in (0..<classes).map { 1.7 * sin(2.3 * Double(row * classes + $0)) } }
      for row in 0..<rows {
        executor.labels[row] = labels[row]
        for column in 0..<classes {
          executor.input[row * executor.inputStride + column] = Float(logits[row][column])
        }
      }
      executor.run(seed: 1, step: 0)
      return (executor.loss, plan.layout.read(0, from: gradients), logits)
    }
    let (loss, gradient, logits) = try bench(e)
    var (expectedLoss, expected) = (0.0, [Double](repeating: 0, count: classes * classes))
    for row in 0..<rows {
      let total = logits[row].reduce(0) { $0 + exp($1) }
      for j in 0..<classes {
        let q = (Int32(j) == labels[row] ? 1 - e : 0) + e / Double(classes)
        let p = exp(logits[row][j]) / total
        expectedLoss -= q * log(p) / Double(rows)
        // dL/dW[j][k] = sum of dz[j] x[k], and x are the logits.
        for k in 0..<classes { expected[j * classes + k] += (p - q) / Double(rows) * logits[row][k] }
      }
    }
    #expect(abs(loss - expectedLoss) < 1e-6 * expectedLoss)
    #expect(zip(gradient, expected).allSatisfy { abs(Double($0) - $1) < 1e-6 })
    let twin = try bench(e + 0.001)
    #expect(!zip(twin.gradient, expected).allSatisfy { abs(Double($0) - $1) < 1e-6 })
  }

  /// Half of the units are dropped, the others are doubled, and units are dropped one by one.
  @Test("L5 mean and mask of dropout") func dropoutStatistics() throws {
    let (batch, width) = (64, 500)
    var graph = try Graph(batch: batch)
    let x = try graph.input([width])
    let weight = try graph.parameter("w", [1, width])
    let y = try graph.dropout(x, p: 0.3, stream: 3)
    let loss = try graph.meanSquaredError(
      graph.linear(y, weight: weight, bias: nil), targets: graph.targets([1]))
    let plan = try Plan.make(graph, loss: loss, output: y, mode: .training)
    let executor = try Executor(
      plan, parameters: Arena(floats: plan.layout.floats), gradients: Arena(floats: plan.layout.floats),
      pool: ThreadPool(threads: 1), kernels: try KernelTable.select(nil))
    for row in 0..<batch {
      for column in 0..<width { executor.input[row * executor.inputStride + column] = 1 }
    }
    executor.run(seed: 9, step: 4)
    let values = (0..<batch * width).map { executor.output[$0 / width * executor.outputStride + $0 % width] }
    #expect(Set(values) == [0, Float(1 / 0.7)])
    let count = Double(batch * width)
    #expect(abs(values.reduce(0) { $0 + Double($1) } / count - 1) < 0.015)
    let pairs = zip(values, values.dropFirst()).count { $0 == 0 && $1 == 0 }
    #expect(abs(Double(pairs) / count - 0.09) < 0.006, "neighbours are dropped independently")
  }

  /// Deviations by the kind of initialization, of a layer from 300 features to 200.
  static let deviations: [String: Double] = {
    let (fanIn, both): (Double, Double) = (300, 500)
    let xavier: Double = (2 / both).squareRoot()
    let kaiming: Double = (2 / fanIn).squareRoot()
    let standard: Double = 1 / (3 * fanIn).squareRoot()
    let orthogonal: Double = 1 / fanIn.squareRoot()
    return [
      "default": standard, "xavier_uniform": xavier, "xavier_normal": xavier, "kaiming_uniform": kaiming,
      "kaiming_normal": kaiming, "orthogonal": orthogonal, "zeros": 0,
    ]
  }()

  static let kinds: [String] = deviations.keys.sorted()

  /// Mean and deviation of a layer's weights, by fan-in and fan-out.
  @Test("L7 moments of initializations", arguments: kinds)
  func initializations(_ type: String) throws {
    let deviation = try #require(Self.deviations[type])
    let json: JSON = [
      "dataset": ["name": "digits"],
      "model": [
        "layers": [
          ["type": "linear", "out": 300],
          ["type": "linear", "out": 200, "init": ["type": .string(type)]], ["type": "linear", "out": 10],
        ]
      ], "optimizer": ["type": "sgd"],
    ]
    let parameter = try plan(json).architecture.parameters[2]
    #expect(parameter.shape == [200, 300])
    let values = parameter.initial(RandomStream(seed: 4, .initialization), 2).map(Double.init)
    let mean = values.reduce(0, +) / Double(values.count)
    let square = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
    #expect(abs(mean) <= 5 * deviation / Double(values.count).squareRoot())
    #expect(abs(square.squareRoot() - deviation) <= 0.02 * deviation)
    if type.hasSuffix("uniform") || type == "default" {
      #expect(values.allSatisfy { abs($0) <= deviation * 3.0.squareRoot() * 1.0001 })
    }
  }

  /// The first loss of a classifier is log C, regularization raises it, and a head scaled by 30 is far above.
  @Test("W3 the initial loss is log C") func initialLoss() throws {
    func first(_ changes: [(String, JSON)]) throws -> Double {
      try #require(
        try finished(CourseTests.small([("train.steps", 1), ("train.batch_size", 180)] + changes)).values(
          "train/loss"
        ).first)
    }
    let plain = try first([])
    #expect(abs(plain - log(10)) < 0.1)
    #expect(try first([("loss.l2", 0.01)]) > plain + 0.05)
    #expect(try first([("model.layers.2.init", ["type": "normal", "std": 4])]) > plain + 1)
  }

  /// About 0.001 on a healthy run; a rate a hundred times too large makes it a hundred times as large at once.
  @Test("W2 update ratios show the rate") func updateRatios() throws {
    func ratios(_ rate: Double) throws -> [Double] {
      let run = try finished(CourseTests.small([("optimizer", ["type": "sgd", "lr": .number(rate)])]))
      return [
        run.values("update_ratio")[0], run.values("update_ratio/0")[0], run.values("update_ratio/2")[0],
      ]
    }
    let (healthy, wild) = (try ratios(0.02), try ratios(2))
    #expect(healthy.allSatisfy { $0 > 1e-4 && $0 < 1e-2 })
    #expect(zip(wild, healthy).allSatisfy { abs($0 / $1 - 100) < 0.5 } && wild.contains { $0 > 1e-1 })
  }

  /// What PyTorch's clip_grad_norm_ and clip_grad_value_ do to a gradient, through a step of plain descent.
  @Test("O6 clipped steps are PyTorch's") func clippedSteps() throws {
    func step(_ changes: [(String, JSON)]) throws -> (moved: [Double], norm: Double) {
      let changes = [("optimizer", ["type": "sgd", "lr": 1] as JSON), ("train.steps", 1)] + changes
      let run = try finished(CourseTests.small(changes))
      let after = try CourseTests.tensors(run, 1)
      let moved = try plan(CourseTests.small(changes)).architecture.parameters.enumerated().flatMap {
        let start = $1.initial(RandomStream(seed: 3, .initialization), $0)
        return zip(start, after[$1.name] ?? []).map { Double($0) - Double($1) }
      }
      return (moved, run.values("grad_norm")[0])
    }
    let (gradient, norm) = try step([])
    #expect(abs(gradient.reduce(0) { $0 + $1 * $1 }.squareRoot() - norm) < 1e-5)
    func distance(_ a: [Double], _ b: [Double]) -> Double {
      zip(a, b).reduce(0) { worse($0, abs($1.0 - $1.1)) }
    }
    for limit in [0.05, 10] {
      let clipped = try step([("train.clip_grad_norm", .number(limit))])
      let factor = min(1, limit / (norm + 1e-6))
      #expect(distance(clipped.moved, gradient.map { $0 * factor }) < 2e-7 && clipped.norm == norm)
      let value = try step([("train.clip_grad_value", .number(limit / 50))])
      #expect(distance(value.moved, gradient.map { min(limit / 50, max(-limit / 50, $0)) }) < 2e-7)
    }
    #expect(
      distance(try step([("train.clip_grad_norm", 0.0501)]).moved, gradient.map { $0 * 0.05 / norm }) > 1e-6)
  }
}
