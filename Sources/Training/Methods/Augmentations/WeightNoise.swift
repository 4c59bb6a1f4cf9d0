import JSON

/// Adds normal noise of deviation `std` to the parameters for the time in which a step computes its gradients (Graves
/// 2011). It leaves the examples alone.
struct WeightNoise: Augmentation {
  static let type = "weight_noise"

  let std: Double

  init(_ fields: FieldReader) throws(SpecError) {
    std = try fields.number("std", .notNegative, default: 0.01)
  }

  var encoded: JSONObject { ["type": .string(Self.type), "std": .number(std)] }

  func check(_ shape: [Int], _ path: String) {}

  func apply(
    _ example: UnsafeMutablePointer<Float>, _ shape: ExampleShape, _ room: AugmentationRoom,
    _ random: inout ExampleRandom
  ) {}
}
