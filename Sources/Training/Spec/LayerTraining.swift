import JSON

/// How the parameters of a layer take part in training; fields that every layer has.
struct LayerTraining: Sendable, Equatable {
  /// Never changed, unless `unfreezeAt` says when it begins to be.
  let freeze: Bool
  /// Frozen up to this step, or this fraction of all steps where it is below 1.
  let unfreezeAt: Double?
  /// What the learning rate is multiplied with.
  let rateScale: Double

  static let standard = LayerTraining(freeze: false, unfreezeAt: nil, rateScale: 1)

  init(freeze: Bool, unfreezeAt: Double?, rateScale: Double) {
    (self.freeze, self.unfreezeAt, self.rateScale) = (freeze, unfreezeAt, rateScale)
  }

  init(_ fields: FieldReader) throws(SpecError) {
    unfreezeAt = try Self.unfreezeAt(fields)
    freeze = try fields.bool("freeze", default: unfreezeAt != nil)
    rateScale = try fields.number("lr_scale", .notNegative, default: 1)
    if !freeze, unfreezeAt != nil {
      throw fields.error("freeze", must: "true or left out where unfreeze_at says until when")
    }
  }

  /// Reads a step or a fraction of all steps.
  static func unfreezeAt(_ fields: FieldReader) throws(SpecError) -> Double? {
    guard let start = try fields.numberOrNone("unfreeze_at", .positive) else { return nil }
    guard start < 1 || (start == start.rounded() && start <= 1e9) else {
      throw fields.error("unfreeze_at", must: "a fraction of all steps below 1, or a whole number of steps")
    }
    return start
  }

  /// Adds the fields to a layer's own.
  func encoded(with layer: JSONObject) -> JSONObject {
    // Layers without parameters have nothing to freeze; they show the fields only where somebody set them.
    guard layer["init"] != nil || self != .standard else { return layer }
    var object = layer
    object["freeze"] = .bool(freeze)
    object["unfreeze_at"] = unfreezeAt.map { .number($0) } ?? .null
    object["lr_scale"] = .number(rateScale)
    return object
  }

  /// The first step that trains: 0 where nothing is frozen, `Int.max` for never. `common` is where all that is frozen
  /// and does not say so itself begins.
  func firstStep(totalSteps: Int, common: Double?) -> Int {
    guard freeze else { return 0 }
    guard let start = unfreezeAt ?? common else { return .max }
    return start < 1 ? Int((start * Double(totalSteps)).rounded(.up)) : Int(start)
  }
}
