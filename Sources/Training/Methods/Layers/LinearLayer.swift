import JSON

/// y = x W^T + b with W [out, in]. An input of more dimensions is flattened first. PyTorch: Linear.
struct LinearLayer: Layer {
  static let type = "linear"

  let out: Int
  let bias: Bool
  let initialization: Initialization

  init(_ fields: FieldReader) throws(SpecError) {
    out = try fields.integer("out", 1...65536)
    bias = try fields.bool("bias", default: true)
    initialization = try fields.object("init").method(.initializations, default: "default")
  }

  init(out: Int) {
    self.out = out
    bias = true
    initialization = .standard
  }

  var encoded: JSONObject {
    [
      "type": .string(Self.type), "out": JSON(out), "bias": .bool(bias),
      "init": .object(initialization.encoded),
    ]
  }
}
