import JSON

/// max(x, 0), with gradient 0 at 0. PyTorch: ReLU.
struct ReluLayer: Layer {
  static let type = "relu"
  var encoded: JSONObject { ["type": .string(Self.type)] }
}

/// The hyperbolic tangent. PyTorch: Tanh.
struct TanhLayer: Layer {
  static let type = "tanh"
  var encoded: JSONObject { ["type": .string(Self.type)] }
}
