import JSON

/// Turns left and right around with probability `p`. PyTorch: RandomHorizontalFlip.
struct HorizontalFlip: Augmentation {
  static let type = "horizontal_flip"

  let p: Double

  init(_ fields: FieldReader) throws(SpecError) {
    p = try fields.number("p", .share, default: 0.5)
  }

  var encoded: JSONObject { ["type": .string(Self.type), "p": .number(p)] }

  func apply(
    _ example: UnsafeMutablePointer<Float>, _ shape: ExampleShape, _ room: AugmentationRoom,
    _ random: inout ExampleRandom
  ) {
    guard random.uniform() < p else { return }
    for row in 0..<shape.channels * shape.height {
      var line = UnsafeMutableBufferPointer(start: example + row * shape.width, count: shape.width)
      line.reverse()
    }
  }
}
