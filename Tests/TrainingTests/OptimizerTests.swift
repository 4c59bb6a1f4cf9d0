import Glibc
import JSON
import Testing

@testable import Autodiff
@testable import Training

@Suite struct OptimizerTests {
  /// Twelve steps on four numbers with the gradients of the golden file's head.
  static func trajectory(
    _ spec: JSON, _ level: KernelTable.Level? = nil, threads: Int = 1, scale: Double = 1
  ) throws -> [[Float]] {
    let fields = try OptimizerSpec(FieldReader(spec, at: "optimizer"))
    var optimizer = fields.method
    var graph = try Graph(batch: 1)
    _ = try graph.parameter("w", [4])
    let kernels = try level.map { level in try KernelTable.make(level) } ?? KernelTable.select(nil)
    let pool = ThreadPool(threads: threads)
    let passes = ParameterPasses(graph.layout, pool: pool, kernels: kernels)
    let flat = FlatPasses(pool: pool, kernels: kernels)
    let (parameters, gradients) = (Arena(floats: 16), Arena(floats: 16))
    let slots = optimizer.slots.map { _ in Arena(floats: 16) }
    for slot in slots { slot.pointer.update(repeating: optimizer.initialState, count: 16) }
    try graph.layout.write([1, -2, 3, 0.5], to: 0, in: parameters)
    return (1...12).map { t in
      let ahead = optimizer.lookahead(rate: optimizer.learningRate)
      if ahead != 0 { flat.combine(Float(ahead), slots[0], 1, to: parameters, 0..<16) }
      for (index, a) in [1.0, 10, 0.1, 3].enumerated() {
        let theta = Double(parameters.pointer[index])
        gradients.pointer[index] = Float((a * theta + cos(theta)) / scale)
      }
      passes.setCoefficients(
        optimizer.coefficients(
          t, rate: optimizer.learningRate, weightDecay: optimizer.weightDecay, gradientScale: scale), of: 0)
      passes.update(
        optimizer.rule, parameters: parameters, gradients: gradients, slots: slots, measuring: t % 2 == 0
      )
      #expect((4..<16).allSatisfy { parameters.pointer[$0] == 0 }, "padding stays zero")
      return graph.layout.read(0, from: parameters)
    }
  }

  /// The largest difference from the golden numbers, relative where they are above 1.
  static func distance(_ rows: [[Float]], _ golden: [[Double]]) -> Double {
    zip(rows, golden).flatMap { zip($0, $1) }
      .reduce(0) { worse($0, abs(Double($1.0) - $1.1) / max(abs($1.1), 1)) }
  }

  /// The golden trajectories of the given methods.
  static func golden(_ methods: Set<String>) -> [GoldenOptimizer] {
    goldenOptimizers.filter { golden in
      methods.contains((try? JSON.parse(golden.spec))?["type"]?.stringValue ?? "")
    }
  }

  static let (descent, lookAhead) = (
    golden(["sgd"]), golden(["sgd", "nag"]).filter { $0.name.hasPrefix("n") }
  )
  static let scaled = golden(["adagrad", "adadelta", "rmsprop"])
  static let moments = golden(["adam", "adamw", "adamax", "nadam", "radam", "lion"])

  @Test("O2 SGD, momentum, dampening, weight decay", arguments: descent)
  func descents(_ golden: GoldenOptimizer) throws { try follows(golden) }

  @Test("O3 Nesterov, both forms", arguments: lookAhead)
  func lookAheads(_ golden: GoldenOptimizer) throws { try follows(golden) }

  @Test("O4 Adagrad, Adadelta, RMSprop and the lecture forms", arguments: scaled)
  func scaledSteps(_ golden: GoldenOptimizer) throws { try follows(golden) }

  @Test("O5 Adam and its kin", arguments: moments)
  func momentMethods(_ golden: GoldenOptimizer) throws { try follows(golden) }

  @Test("O2 O3 O4 O5 every golden trajectory is looked at") func allMethods() {
    let names = Set((Self.descent + Self.lookAhead + Self.scaled + Self.moments).map(\.name))
    #expect(names == Set(goldenOptimizers.map(\.name)))
    #expect(Self.lookAhead.count == 2 && Self.descent.count == 5)
  }

  /// Each optimizer, in each of its forms, over its whole trajectory; and a run with one number changed by a little does
  /// not pass.
  private func follows(_ golden: GoldenOptimizer) throws {
    let spec = try JSON.parse(golden.spec)
    #expect(Self.distance(try Self.trajectory(spec), golden.rows) < 1e-6)
    #expect(Self.distance(try Self.trajectory(spec, scale: 8), golden.rows) < 1e-6)
    for (key, value) in spec.objectValue?.entries ?? [] {
      guard let number = value.doubleValue, !(key == "eps" && number < 1e-6) else { continue }
      let factor = key == "weight_decay" ? 3 : number == 1 || key == "lr" ? 1.001 : 0.95
      let twin = try Self.trajectory(replacing(spec, [key], .number(number * factor)))
      #expect(Self.distance(twin, golden.rows) > 2e-6, "\(key)")
    }
    let rate = try OptimizerSpec(FieldReader(spec, at: "optimizer")).learningRate
    let twin = try Self.trajectory(replacing(spec, ["lr"], .number(rate * 1.001)))
    #expect(Self.distance(twin, golden.rows) > 2e-6)
  }

  @Test(arguments: goldenOptimizers) func levelsGiveTheSameBits(_ golden: GoldenOptimizer) throws {
    let spec = try JSON.parse(golden.spec)
    let rows = try KernelTable.available.map { try Self.trajectory(spec, $0, threads: 2) }
    #expect(rows.allSatisfy { $0 == rows[0] })
  }

  /// At a constant rate the textbook's form and PyTorch's are one method: PyTorch's parameters are the textbook's
  /// seen from the point ahead, where the gradient is taken.
  @Test("O3 Nesterov, both forms agree") func formsAgree() throws {
    let textbook = try Self.trajectory(["type": "nag", "lr": 0.02, "momentum": 0.9])
    let torch = try Self.trajectory(["type": "sgd", "lr": 0.02, "momentum": 0.9, "nesterov": true])
    // W - lr beta a with lr a = W(t - 1) - W(t).
    for t in 1..<12 {
      for i in 0..<4 {
        let ahead = textbook[t][i] - 0.9 * (textbook[t - 1][i] - textbook[t][i])
        #expect(abs(ahead - torch[t][i]) < 2e-6)
      }
    }
    #expect(textbook[3] != torch[3])
  }

  /// Without the correction the first steps are (1 - beta1^t) / sqrt(1 - beta2^t) times as large.
  @Test("O5 bias correction by the known factor") func correctionIsKnown() throws {
    let with = try Self.trajectory(["type": "adam", "lr": 1e-4])
    let without = try Self.trajectory(["type": "adam", "lr": 1e-4, "bias_correction": false])
    var last = [Float(1), -2, 3, 0.5]
    var plain = last
    for (t, factor) in [3.1623, 4.2496, 4.9502, 5.4394, 5.8016].enumerated() {
      let ratio = (without[t][1] - last[1]) / (with[t][1] - plain[1])
      #expect(abs(Double(ratio) / factor - 1) < 0.01, "step \(t + 1): \(ratio)")
      (last, plain) = (without[t], with[t])
    }
  }

  @Test("O9 no decay on biases and norms") func exemptions() throws {
    let parameters = ["0.weight": [4, 3], "0.bias": [4], "1.weight": [4], "1.bias": [4]].map {
      ParameterSpec(name: $0.key, shape: $0.value) { _, _ in [] }
    }
    func decaying(_ exempt: JSON) throws -> [String] {
      let spec = try OptimizerSpec(
        FieldReader(["type": "sgd", "decay_exempt": exempt], at: "optimizer"))
      return parameters.filter { spec.decays($0, of: parameters) }.map(\.name).sorted()
    }
    #expect(try decaying([]) == ["0.bias", "0.weight", "1.bias", "1.weight"])
    #expect(try decaying(["bias"]) == ["0.weight", "1.weight"])
    #expect(try decaying(["norm"]) == ["0.bias", "0.weight"])
    #expect(try decaying(["bias", "norm"]) == ["0.weight"])
  }
}
