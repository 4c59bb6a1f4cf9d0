import JSON

/// A multi-layer perceptron: linear layers of the `hidden` sizes, each with an activation, and a linear head.
struct MlpPreset: ModelPreset {
  static let type = "mlp"

  let hidden: [Int]
  let activation: String

  init(_ fields: FieldReader) throws(SpecError) {
    hidden = try fields.integers("hidden", 1...65536, count: 0...100)
    activation = try fields.choice("activation", ActivationLayer.names, default: "relu")
  }

  var encoded: JSONObject {
    [
      "preset": .string(Self.type), "hidden": .array(hidden.map { JSON($0) }),
      "activation": .string(activation),
    ]
  }

  func layers(outputs: Int, each isForTokens: Bool) -> [any Layer] {
    let activation = ActivationLayer.named(self.activation) ?? ReluLayer()
    let body = hidden.flatMap { [LinearLayer(out: $0), activation] as [any Layer] }
    return body + [LinearLayer(out: outputs)]
  }
}
