import Autodiff
import JSON

/// A function of each element, by name: all activations but relu and tanh. PyTorch: LeakyReLU, ELU, SELU, GELU,
/// SiLU, Sigmoid, Softplus, Hardswish.
struct ActivationLayer: Layer {
  let function: ActivationFunction
  let encoded: JSONObject

  func resolve(input: [Int], _ place: LayerPlace) -> LayerShape { LayerShape(output: input) }

  func add(to graph: inout Graph, _ x: Node, _ parameters: [Node], index: Int) throws(GraphError) -> Node {
    try graph.activation(function, x)
  }

  /// One row a name.
  static let rows: [MethodTable<any Layer>.Row] = [
    row("leaky_relu", "nearly zero-centred: what is below 0 keeps negative_slope of its size") {
      fields throws(SpecError) in
      let slope = try fields.number("negative_slope", .any, default: 0.01)
      return (.leakyRelu(slope: slope), ["negative_slope": .number(slope)])
    },
    row("elu", "nearly zero-centred: down to -alpha") { fields throws(SpecError) in
      let alpha = try fields.number("alpha", .any, default: 1)
      return (.elu(alpha: alpha), ["alpha": .number(alpha)])
    },
    row("selu", "zero-centred: keeps mean 0 and variance 1 of normal inputs") { _ in (.selu, [:]) },
    row("gelu", "not zero-centred: never below -0.17") { fields throws(SpecError) in
      let approximate = try fields.choice("approximate", ["none", "tanh"], default: "none")
      return (approximate == "tanh" ? .geluTanh : .gelu, ["approximate": .string(approximate)])
    },
    row("silu", "not zero-centred: never below -0.28") { _ in (.silu, [:]) },
    row("sigmoid", "not zero-centred: from 0 to 1") { _ in (.sigmoid, [:]) },
    row("softplus", "not zero-centred: above 0") { fields throws(SpecError) in
      let beta = try fields.number("beta", .positive, default: 1)
      return (.softplus(beta: beta), ["beta": .number(beta)])
    },
    row("hardswish", "not zero-centred: never below -0.375") { _ in (.hardswish, [:]) },
  ]

  private static func row(
    _ type: String, _ range: String,
    _ read: @escaping @Sendable (FieldReader) throws(SpecError) -> (ActivationFunction, JSONObject)
  ) -> MethodTable<any Layer>.Row {
    MethodTable<any Layer>.Row(type) { fields throws(SpecError) in
      fields.describe(range)
      let (function, settings) = try read(fields)
      var encoded: JSONObject = ["type": .string(type)]
      for (name, value) in settings.entries { encoded[name] = value }
      return ActivationLayer(function: function, encoded: encoded)
    }
  }

  /// The names of all activations, relu and tanh first.
  static let names = [ReluLayer.type, TanhLayer.type] + rows.map(\.type)

  /// The activation of this name with its defaults; nil when there is none.
  static func named(_ name: String) -> (any Layer)? {
    switch name {
    case ReluLayer.type: return ReluLayer()
    case TanhLayer.type: return TanhLayer()
    default: return try? rows.first { $0.type == name }?.decode(FieldReader(emptyAt: ""))
    }
  }
}
