// Activations and their slopes against plain forms in double and against PyTorch.

import Testing

@testable import Autodiff

/// The error function by its series, or where that cancels by the continued fraction of its complement.
func errorFunction(_ x: Double) -> Double {
  if abs(x) < 3 {
    var (term, sum) = (x, x)
    for n in 1..<200 {
      term *= -x * x / Double(n)
      sum += term / Double(2 * n + 1)
    }
    return sum * 2 / Double.pi.squareRoot()
  }
  var fraction = 0.0
  for n in stride(from: 60.0, through: 1, by: -1) { fraction = n / 2 / (abs(x) + fraction) }
  let complement = ExactMath.exp(-x * x) / Double.pi.squareRoot() / (abs(x) + fraction)
  return x > 0 ? 1 - complement : complement - 1
}

/// The plain form of an activation.
func reference(_ function: ActivationFunction, _ x: Double) -> Double {
  func logistic(_ x: Double) -> Double { 1 / (1 + ExactMath.exp(-x)) }
  switch function {
  case .leakyRelu(let slope): return x > 0 ? x : slope * x
  case .elu(let alpha): return x > 0 ? x : alpha * (ExactMath.exp(x) - 1)
  case .selu:
    return 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * (ExactMath.exp(x) - 1))
  case .gelu: return x * (1 + errorFunction(x / 2.0.squareRoot())) / 2
  case .geluTanh:
    let inner = (2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)
    return x * logistic(2 * inner)
  case .silu: return x * logistic(x)
  case .sigmoid: return logistic(x)
  case .softplus(let beta): return ExactMath.log(1 + ExactMath.exp(beta * x)) / beta
  case .hardswish: return x * min(max(x + 3, 0), 6) / 6
  }
}

@Suite struct ActivationTests {
  static let functions: [ActivationFunction] = [
    .leakyRelu(slope: 0.01), .leakyRelu(slope: -0.3), .elu(alpha: 1), .elu(alpha: 0.4), .selu, .gelu,
    .geluTanh,
    .silu, .sigmoid, .softplus(beta: 1), .softplus(beta: 2.5), .hardswish,
  ]

  /// Values and slopes at many places, from the kernels of one level.
  static func apply(_ function: ActivationFunction, _ x: [Float], _ kernels: KernelTable) -> (
    [Float], [Float]
  ) {
    let arenas = (0..<4).map { _ in Arena(floats: padded(x.count)) }
    for (i, value) in x.enumerated() {
      arenas[0].pointer[i] = value
      arenas[1].pointer[i] = 1
    }
    let (count, alpha) = (padded(x.count), Float(function.alpha))
    kernels.activate(count, function.kind, alpha, arenas[0].pointer, arenas[2].pointer)
    kernels.activationGradient(
      count, function.kind, alpha, arenas[1].pointer, arenas[0].pointer, arenas[3].pointer)
    return (x.indices.map { arenas[2].pointer[$0] }, x.indices.map { arenas[3].pointer[$0] })
  }

  @Test("L2 values and slopes of activations", arguments: functions) func valuesAndSlopes(
    _ function: ActivationFunction
  ) throws {
    let x = (-40_000...40_000).map { Float($0) / 3000 }
    let kernels = try KernelTable.select(nil)
    let (y, slopes) = Self.apply(function, x, kernels)
    let h = 1e-4
    for i in x.indices {
      let place = Double(x[i])
      let exact = reference(function, place)
      #expect(abs(Double(y[i]) - exact) <= 4e-7 * max(abs(exact), min(1, abs(place))), "f(\(place))")
      // Not at a corner.
      guard abs(place) > h, abs(abs(place) - 3) > h else { continue }
      let slope = (reference(function, place + h) - reference(function, place - h)) / (2 * h)
      #expect(abs(Double(slopes[i]) - slope) < 2e-6, "f'(\(place))")
    }
  }

  /// What PyTorch's backward gives where the slope jumps.
  @Test func cornersAreThoseOfPyTorch() throws {
    let kernels = try KernelTable.select(nil)
    func slope(_ function: ActivationFunction, _ x: Float) -> Float {
      Self.apply(function, [x], kernels).1[0]
    }
    #expect(slope(.leakyRelu(slope: 0.01), 0) == 0.01)
    #expect(slope(.elu(alpha: 0.5), 0) == 0.5)
    #expect(abs(slope(.selu, 0) - 1.7580993) < 2e-7)
    #expect(slope(.hardswish, -3) == 0 && slope(.hardswish, 3) == 1)
  }

  @Test func farOutAndNotANumber() throws {
    let kernels = try KernelTable.select(nil)
    let x: [Float] = [-.infinity, -1e30, -100, 100, 1e30, .nan]
    func values(_ function: ActivationFunction) -> [Float] { Self.apply(function, x, kernels).0 }
    #expect(values(.sigmoid)[0...4] == [0, 0, 0, 1, 1])
    #expect(values(.softplus(beta: 1))[1...4] == [0, 0, 100, 1e30])
    #expect(values(.elu(alpha: 2))[0...4] == [-2, -2, -2, 100, 1e30])
    #expect(values(.gelu)[1...4] == [0, 0, 100, 1e30])
    #expect(values(.silu)[1...4] == [0, 0, 100, 1e30])
    #expect(values(.hardswish)[1...3] == [0, 0, 100])
    for function in Self.functions { #expect(values(function)[5].isNaN, "\(function)") }
  }

  @Test func allLevelsGiveTheSameBits() throws {
    let x =
      (0..<4096).map { Float($0 - 2048) / 91 } + [.infinity, -.infinity, .nan, 1e-30, -1e-30, 88.4, -87.4]
    func bits(_ values: ([Float], [Float])) -> [UInt32] {
      (values.0 + values.1).map { $0.isNaN ? 0x7FC0_0000 : $0.bitPattern }
    }
    for function in Self.functions {
      let first = bits(Self.apply(function, x, try KernelTable.make(.baseline)))
      for level in KernelTable.available {
        #expect(bits(Self.apply(function, x, try KernelTable.make(level))) == first, "\(function)")
      }
    }
  }

  /// In a network: the slope times what comes from above, and padding that stays out of all sums.
  @Test("L2 activations in a network", arguments: functions) func gradientsInANetwork(
    _ function: ActivationFunction
  ) throws {
    for (batch, features, out) in [(1, 1, 1), (13, 15, 17), (5, 31, 16)] {
      let layers: [Reference.Layer] = [
        .linear(weight: 0, bias: 1, out: 17), .activation(function), .linear(weight: 2, bias: nil, out: 15),
        .activation(function), .linear(weight: 3, bias: 4, out: out),
      ]
      #expect(try GradientTests.squares(batch, features, out, layers).error() < 2e-4)
    }
  }

  /// What follows may sum whole rows, padding and all.
  @Test("L2 what an activation makes of padding is not seen", arguments: functions)
  func paddingIsNotSeen(_ function: ActivationFunction) throws {
    var graph = try Graph(batch: 3)
    let x = try graph.activation(function, try graph.input([5]))
    let y = try graph.layerNorm(
      x, weight: try graph.parameter("weight", [5]), bias: try graph.parameter("bias", [5]), epsilon: 1e-5)
    let bench = try Bench(try Plan.make(graph, loss: nil, output: y, mode: .evaluation))
    try bench.plan.layout.write([Float](repeating: 1, count: 5), to: 0, in: bench.parameters)
    let inputs = (0..<15).map { Float($0 * 7 % 11) / 4 - 1 }
    bench.executor.setInput(inputs, columns: 5)
    bench.executor.run(seed: 0, step: 0)
    let found = bench.executor.outputRows(columns: 5)
    for row in 0..<3 {
      let values = inputs[row * 5..<row * 5 + 5].map { reference(function, Double($0)) }
      let mean = values.reduce(0, +) / 5
      let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 5
      for column in 0..<5 {
        let exact = (values[column] - mean) / (variance + 1e-5).squareRoot()
        #expect(abs(Double(found[row * 5 + column]) - exact) < 1e-5)
      }
    }
  }
}
