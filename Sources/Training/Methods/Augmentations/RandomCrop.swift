import JSON

/// Surrounds a picture with `padding` zeros and cuts one of its own size out of it, anywhere. PyTorch: RandomCrop.
struct RandomCrop: Augmentation {
  static let type = "random_crop"

  /// The size of what is cut out; the picture's own, which is also the default.
  let size: Int?
  let padding: Int

  init(_ fields: FieldReader) throws(SpecError) {
    size = try fields.integerOrNone("size", 1...65536)
    padding = try fields.integer("padding", 0...1024, default: 0)
  }

  var encoded: JSONObject {
    ["type": .string(Self.type), "size": size.map { JSON($0) } ?? .null, "padding": JSON(padding)]
  }

  func check(_ shape: [Int], _ path: String) throws(SpecError) {
    guard shape.count == 3 else {
      throw SpecError("\(path).type", "is for pictures, but the examples have shape \(shape)")
    }
    if let size, [size, size] != Array(shape.dropFirst()) {
      throw SpecError(
        "\(path).size", "must be left out or the size of the pictures, \(shape[1]) x \(shape[2]), got \(size)"
      )
    }
  }

  func apply(
    _ example: UnsafeMutablePointer<Float>, _ shape: ExampleShape, _ room: AugmentationRoom,
    _ random: inout ExampleRandom
  ) {
    let (top, left) = (random.integer(0...2 * padding), random.integer(0...2 * padding))
    RandomShift.shift(example, shape, scratch: room.scratch, down: padding - top, right: padding - left)
  }
}
