import JSON

/// `model` in a job: a list of layers, or a preset that stands for one.
struct ModelSpec: Sendable {
  enum Form: Sendable {
    case layers([any Layer])
    case preset(any ModelPreset)
  }

  let form: Form
  /// What each layer says of its training; a preset's layers say nothing.
  let training: [LayerTraining]
  /// Tensors that are frozen, besides those of frozen layers.
  let freeze: [NamePattern]
  /// Where the first parameters come from, when not from their initialization.
  let initFrom: InitFromSpec?

  static let maxLayers = 1000

  init(_ fields: FieldReader) throws(SpecError) {
    let hasPreset = fields.value("preset") != nil
    // A preset's `layers` is a number.
    let hasLayers = fields.value("layers").map { !hasPreset || $0.arrayValue != nil } ?? false
    guard hasPreset != hasLayers else {
      throw SpecError(fields.path(of: "layers"), "or model.preset must be given, one of the two")
    }
    freeze = try fields.patterns("freeze")
    initFrom = try fields.objectOrNone("init_from").map { fields throws(SpecError) in
      try InitFromSpec(fields)
    }
    if hasPreset {
      training = []
      form = .preset(try fields.method(.presets, key: "preset"))
    } else {
      var layers: [any Layer] = []
      var training: [LayerTraining] = []
      for layer in try fields.list("layers", count: 1...Self.maxLayers) {
        training.append(try LayerTraining(layer))
        layers.append(try layer.method(.layers))
      }
      self.training = training
      form = .layers(layers)
      try fields.finish("model")
    }
  }

  var encoded: JSON {
    var object: JSONObject
    switch form {
    case .layers(let layers):
      object = ["layers": .array(zip(layers, training).map { .object($1.encoded(with: $0.encoded)) })]
    case .preset(let preset): object = preset.encoded
    }
    object["freeze"] = .array(freeze.map { .string($0.text) })
    object["init_from"] = initFrom?.encoded ?? .null
    return .object(object)
  }

  /// Where in the job the user finds a layer.
  func path(ofLayer index: Int) -> String {
    if case .layers = form { "model.layers.\(index)" } else { "model" }
  }

  /// The layers, a preset's written out, of a model that gives `outputs` numbers for an example, or for each of its tokens.
  func layers(outputs: Int, each isForTokens: Bool) -> [any Layer] {
    switch form {
    case .layers(let layers): layers
    case .preset(let preset): preset.layers(outputs: outputs, each: isForTokens)
    }
  }
}

/// A name for a whole list of layers; its fields stand beside `preset` in `model`.
protocol ModelPreset: Sendable {
  /// All fields with their values, `preset` first.
  var encoded: JSONObject { get }

  /// The layers of a model that gives `outputs` numbers for an example, or for each of its tokens.
  func layers(outputs: Int, each isForTokens: Bool) -> [any Layer]
}

extension MethodTable where Method == any ModelPreset {
  /// All presets.
  static let presets = MethodTable(rows: [
    Row(MlpPreset.type) { fields throws(SpecError) in try MlpPreset(fields) },
    Row(LenetPreset.type) { _ in LenetPreset() },
    Row(ResnetPreset.type) { fields throws(SpecError) in try ResnetPreset(fields) },
    Row(TransformerPreset.causal) { fields throws(SpecError) in
      try TransformerPreset(TransformerPreset.causal, fields)
    },
    Row(TransformerPreset.bidirectional) { fields throws(SpecError) in
      try TransformerPreset(TransformerPreset.bidirectional, fields)
    },
  ])
}
