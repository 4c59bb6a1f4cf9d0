import JSON

/// Makes one row of features of each example. PyTorch: Flatten.
struct FlattenLayer: Layer {
  static let type = "flatten"
  var encoded: JSONObject { ["type": .string(Self.type)] }
}
