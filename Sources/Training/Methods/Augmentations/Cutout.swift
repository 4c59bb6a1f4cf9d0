import JSON

/// Sets a square of `size` pixels with a random centre to 0, as far as it is in the picture (DeVries, Taylor 2017).
struct Cutout: Augmentation {
  static let type = "cutout"

  let size: Int

  init(_ fields: FieldReader) throws(SpecError) {
    size = try fields.integer("size", 1...65536)
  }

  var encoded: JSONObject { ["type": .string(Self.type), "size": JSON(size)] }

  func apply(
    _ example: UnsafeMutablePointer<Float>, _ shape: ExampleShape, _ room: AugmentationRoom,
    _ random: inout ExampleRandom
  ) {
    let top = random.integer(0...shape.height - 1) - size / 2
    let left = random.integer(0...shape.width - 1) - size / 2
    let columns = max(0, left)..<min(shape.width, left + size)
    guard !columns.isEmpty else { return }
    for channel in 0..<shape.channels {
      for row in max(0, top)..<max(max(0, top), min(shape.height, top + size)) {
        let first = (channel * shape.height + row) * shape.width + columns.lowerBound
        (example + first).update(repeating: 0, count: columns.count)
      }
    }
  }
}
