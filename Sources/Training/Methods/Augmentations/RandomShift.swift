import JSON

/// Moves a picture by up to `pixels` in each direction; what comes in is 0.
struct RandomShift: Augmentation {
  static let type = "random_shift"

  let pixels: Int

  init(_ fields: FieldReader) throws(SpecError) {
    pixels = try fields.integer("pixels", 0...1024, default: 2)
  }

  var encoded: JSONObject { ["type": .string(Self.type), "pixels": JSON(pixels)] }

  func apply(
    _ example: UnsafeMutablePointer<Float>, _ shape: ExampleShape, _ room: AugmentationRoom,
    _ random: inout ExampleRandom
  ) {
    let (down, right) = (random.integer(-pixels...pixels), random.integer(-pixels...pixels))
    Self.shift(example, shape, scratch: room.scratch, down: down, right: right)
  }

  /// Moves every channel.
  static func shift(
    _ example: UnsafeMutablePointer<Float>, _ shape: ExampleShape, scratch: UnsafeMutablePointer<Float>,
    down: Int, right: Int
  ) {
    let (height, width) = (shape.height, shape.width)
    scratch.update(from: example, count: shape.count)
    example.update(repeating: 0, count: shape.count)
    let kept = width - abs(right)
    guard kept > 0 else { return }
    for channel in 0..<shape.channels {
      for row in max(0, down)..<max(max(0, down), min(height, height + down)) {
        let to = (channel * height + row) * width + max(0, right)
        let from = (channel * height + row - down) * width + max(0, -right)
        (example + to).update(from: scratch + from, count: kept)
      }
    }
  }
}
