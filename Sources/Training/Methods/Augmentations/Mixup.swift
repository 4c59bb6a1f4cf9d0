import Autodiff
import JSON

/// Each example becomes lambda times itself and 1 - lambda times another, and the loss the same mix of the two losses;
/// one lambda from Beta(alpha, alpha) for an update, no mixing where alpha is 0. Reference: Zhang, Cisse, Dauphin,
/// Lopez-Paz 2018.
struct Mixup: Mixing {
  static let type = "mixup"

  let alpha: Double

  init(_ fields: FieldReader) throws(SpecError) {
    alpha = try fields.number("alpha", .notNegative, default: 1)
  }

  var encoded: JSONObject { ["type": .string(Self.type), "alpha": .number(alpha)] }

  func check(_ shape: [Int], _ path: String) {}

  func draw(_ shape: ExampleShape, _ random: inout PhiloxSequence) -> Mixture {
    Mixture(share: 1 - random.beta(alpha))
  }
}
