import JSON

/// Adds normal noise of deviation `std` to the inputs, before they are standardized.
struct GaussianNoise: Augmentation {
  static let type = "gaussian_noise"

  let std: Double

  init(_ fields: FieldReader) throws(SpecError) {
    std = try fields.number("std", .notNegative, default: 0.1)
  }

  var encoded: JSONObject { ["type": .string(Self.type), "std": .number(std)] }

  func check(_ shape: [Int], _ path: String) {}

  func apply(
    _ example: UnsafeMutablePointer<Float>, _ shape: ExampleShape, _ room: AugmentationRoom,
    _ random: inout ExampleRandom
  ) {
    room.kernels.addNormals(
      random.noise, deviation: Float(std), to: example, count: shape.count, scratch: room.scratch)
  }
}
