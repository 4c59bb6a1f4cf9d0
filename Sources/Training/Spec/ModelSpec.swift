import JSON

/// `model` in a job: a list of layers, or a preset that stands for one.
struct ModelSpec: Sendable {
  enum Form: Sendable {
    case layers([any Layer])
    case preset(any ModelPreset)
  }

  let form: Form

  static let maxLayers = 1000

  init(_ fields: FieldReader) throws(SpecError) {
    let hasPreset = fields.value("preset") != nil
    let hasLayers = fields.value("layers") != nil
    guard hasPreset != hasLayers else {
      throw SpecError(fields.path(of: "layers"), "or model.preset must be given, one of the two")
    }
    if hasPreset {
      form = .preset(try fields.method(.presets, key: "preset"))
    } else {
      var layers: [any Layer] = []
      for layer in try fields.list("layers", count: 1...Self.maxLayers) {
        layers.append(try layer.method(.layers))
      }
      form = .layers(layers)
      try fields.finish("model")
    }
  }

  var encoded: JSON {
    switch form {
    case .layers(let layers): ["layers": .array(layers.map { .object($0.encoded) })]
    case .preset(let preset): .object(preset.encoded)
    }
  }

  /// Where in the job the user finds a layer.
  func path(ofLayer index: Int) -> String {
    if case .layers = form { "model.layers.\(index)" } else { "model" }
  }

  /// The layers, a preset's written out, of a model that gives `outputs` numbers for an example.
  func layers(outputs: Int) -> [any Layer] {
    switch form {
    case .layers(let layers): layers
    case .preset(let preset): preset.layers(outputs: outputs)
    }
  }
}

/// A name for a whole list of layers; its fields stand beside `preset` in `model`.
protocol ModelPreset: Sendable {
  /// All fields with their values, `preset` first.
  var encoded: JSONObject { get }

  /// The layers of a model that gives `outputs` numbers for an example.
  func layers(outputs: Int) -> [any Layer]
}

extension MethodTable where Method == any ModelPreset {
  /// All presets.
  static let presets = MethodTable(rows: [
    Row(MlpPreset.type) { fields throws(SpecError) in try MlpPreset(fields) }
  ])
}
