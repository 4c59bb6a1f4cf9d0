// How weights begin. Reference: PyTorch's torch.nn.init and its modules' reset_parameters.

import JSON

/// The distribution of a layer's weights before the first step. A layer's bias is drawn as PyTorch's modules do
/// with `default`, and is 0 with every other choice.
struct Initialization: Sendable {
  enum Distribution: Sendable, Equatable {
    /// U(-1/sqrt(fan_in), 1/sqrt(fan_in)), for the bias as well.
    case standard
    case xavierUniform(gain: Double)
    case xavierNormal(gain: Double)
    /// `a` is the slope of the leaky rectifier that follows; 0 for ReLU.
    case kaimingUniform(a: Double, fanOut: Bool)
    case kaimingNormal(a: Double, fanOut: Bool)
    case normal(mean: Double, std: Double)
    case uniform(low: Double, high: Double)
    case constant(Double)
    case orthogonal(gain: Double)
  }

  let distribution: Distribution
  let encoded: JSONObject

  /// Whether it is PyTorch's own of the layer.
  var isStandard: Bool { distribution == .standard }

  /// Whether it has a meaning for a vector.
  var isForVectors: Bool {
    switch distribution {
    case .standard, .normal, .uniform, .constant: true
    default: false
    }
  }

  static let standard = Initialization(distribution: .standard, encoded: ["type": "default"])

  /// The weights of a tensor with `count` values, from the random numbers of parameter `index` of the model.
  func weights(count: Int, fanIn: Int, fanOut: Int, _ random: RandomStream, parameter index: Int) -> [Float] {
    func uniform(_ low: Double, _ high: Double) -> [Float] {
      (0..<count).map { Float(low + (high - low) * random.uniform(index, $0)) }
    }
    func normal(_ mean: Double, _ std: Double) -> [Float] {
      (0..<count).map { Float(mean + std * random.normal(index, $0)) }
    }
    let fans = Double(fanIn + fanOut)
    switch distribution {
    case .standard:
      let bound = 1 / Double(fanIn).squareRoot()
      return uniform(-bound, bound)
    case .xavierUniform(let gain):
      let bound = gain * (6 / fans).squareRoot()
      return uniform(-bound, bound)
    case .xavierNormal(let gain): return normal(0, gain * (2 / fans).squareRoot())
    case .kaimingUniform(let a, let out):
      let bound = (6 / ((1 + a * a) * Double(out ? fanOut : fanIn))).squareRoot()
      return uniform(-bound, bound)
    case .kaimingNormal(let a, let out):
      return normal(0, (2 / ((1 + a * a) * Double(out ? fanOut : fanIn))).squareRoot())
    case .normal(let mean, let std): return normal(mean, std)
    case .uniform(let low, let high): return uniform(low, high)
    case .orthogonal(let gain):
      return Self.orthogonal(rows: count / fanIn, columns: fanIn) { random.normal(index, $0) }.map {
        Float(gain * $0)
      }
    case .constant(let value): return [Float](repeating: Float(value), count: count)
    }
  }

  /// A matrix whose rows, or columns where there are fewer of them, are orthogonal to each other and of length 1: those
  /// of a matrix of normal numbers, each freed of the ones before (Gram, Schmidt; twice, against rounding). It is the Q
  /// of a QR decomposition whose R has a positive diagonal (Saxe et al. 2013).
  private static func orthogonal(rows: Int, columns: Int, _ normal: (Int) -> Double) -> [Double] {
    let (count, length) = (min(rows, columns), max(rows, columns))
    var basis: [[Double]] = []
    for number in 0..<count {
      var vector = (0..<length).map { normal(number * length + $0) }
      for other in basis + basis {
        let overlap = zip(vector, other).reduce(0) { $0 + $1.0 * $1.1 }
        for place in 0..<length { vector[place] -= overlap * other[place] }
      }
      let size = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
      basis.append(vector.map { $0 / size })
    }
    guard rows > columns else { return basis.flatMap { $0 } }
    return (0..<rows).flatMap { row in basis.map { $0[row] } }
  }

  /// The bias of a layer.
  func bias(count: Int, fanIn: Int, _ random: RandomStream, parameter index: Int) -> [Float] {
    guard distribution == .standard else { return [Float](repeating: 0, count: count) }
    return weights(count: count, fanIn: fanIn, fanOut: count, random, parameter: index)
  }
}

extension MethodTable where Method == Initialization {
  /// All initializations.
  static let initializations = MethodTable(rows: [
    Row("default") { _ in .standard },
    Row("xavier_uniform") { fields throws(SpecError) in
      let gain = try fields.number("gain", .positive, default: 1)
      return Initialization(
        distribution: .xavierUniform(gain: gain), encoded: ["type": "xavier_uniform", "gain": .number(gain)])
    },
    Row("xavier_normal") { fields throws(SpecError) in
      let gain = try fields.number("gain", .positive, default: 1)
      return Initialization(
        distribution: .xavierNormal(gain: gain), encoded: ["type": "xavier_normal", "gain": .number(gain)])
    },
    Row("kaiming_uniform") { fields throws(SpecError) in
      let (a, mode) = try kaiming(fields)
      return Initialization(
        distribution: .kaimingUniform(a: a, fanOut: mode == "fan_out"),
        encoded: ["type": "kaiming_uniform", "a": .number(a), "mode": .string(mode)])
    },
    Row("kaiming_normal") { fields throws(SpecError) in
      let (a, mode) = try kaiming(fields)
      return Initialization(
        distribution: .kaimingNormal(a: a, fanOut: mode == "fan_out"),
        encoded: ["type": "kaiming_normal", "a": .number(a), "mode": .string(mode)])
    },
    Row("normal") { fields throws(SpecError) in
      let mean = try fields.number("mean", .any, default: 0)
      let std = try fields.number("std", .notNegative, default: 1)
      return Initialization(
        distribution: .normal(mean: mean, std: std),
        encoded: ["type": "normal", "mean": .number(mean), "std": .number(std)])
    },
    Row("uniform") { fields throws(SpecError) in
      let low = try fields.number("a", .any, default: 0)
      let high = try fields.number("b", .any, default: 1)
      guard low <= high else { throw fields.error("b", must: "at least a") }
      return Initialization(
        distribution: .uniform(low: low, high: high),
        encoded: ["type": "uniform", "a": .number(low), "b": .number(high)])
    },
    Row("orthogonal") { fields throws(SpecError) in
      let gain = try fields.number("gain", .positive, default: 1)
      return Initialization(
        distribution: .orthogonal(gain: gain), encoded: ["type": "orthogonal", "gain": .number(gain)])
    },
    Row("zeros") { _ in Initialization(distribution: .constant(0), encoded: ["type": "zeros"]) },
    Row("constant") { fields throws(SpecError) in
      let value = try fields.number("val", .any)
      return Initialization(
        distribution: .constant(value), encoded: ["type": "constant", "val": .number(value)])
    },
  ])

  private static func kaiming(_ fields: FieldReader) throws(SpecError) -> (a: Double, mode: String) {
    (
      try fields.number("a", .any, default: 0),
      try fields.choice("mode", ["fan_in", "fan_out"], default: "fan_in")
    )
  }
}
