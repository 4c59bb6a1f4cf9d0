import JSON

/// What is added to the training loss for large parameters: l2 times the sum of their squares and l1 times that of their
/// sizes, over all parameters that are trained. It is in `train/loss`, not in `val/loss`.
struct Penalties: Sendable, Equatable {
  let l1: Double
  let l2: Double

  init(_ fields: FieldReader) throws(SpecError) {
    l1 = try fields.number("l1", .notNegative, default: 0)
    l2 = try fields.number("l2", .notNegative, default: 0)
  }

  var isNone: Bool { l1 == 0 && l2 == 0 }
}
