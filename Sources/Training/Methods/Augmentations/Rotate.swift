import Autodiff
import JSON

/// Turns a picture about its centre by up to `degrees` to either side; between four pixels their weighted mean, outside
/// of the picture 0.
struct Rotate: Augmentation {
  static let type = "rotate"

  let degrees: Double

  init(_ fields: FieldReader) throws(SpecError) {
    degrees = try fields.number("degrees", .notNegative, default: 10)
    guard degrees <= 180 else { throw fields.error("degrees", must: "at most 180") }
  }

  var encoded: JSONObject { ["type": .string(Self.type), "degrees": .number(degrees)] }

  func apply(
    _ example: UnsafeMutablePointer<Float>, _ shape: ExampleShape, _ room: AugmentationRoom,
    _ random: inout ExampleRandom
  ) {
    let turn = (2 * random.uniform() - 1) * degrees / 180
    let (cosine, sine) = (Float(ExactMath.cosPi(turn)), Float(ExactMath.sinPi(turn)))
    let (height, width, border) = (shape.height, shape.width, ExampleShape.border)
    let stride = width + 2 * border
    let plane = (height + 2 * border) * stride
    surround(example, shape, room.scratch)
    // Whatever lies outside is taken from the border, whose pixels are 0, so that no pixel needs a question.
    let (middleY, middleX) = (Float(height - 1) / 2, Float(width - 1) / 2)
    let (lastX, lastY) = (Float(width + border), Float(height + border))
    for y in 0..<height {
      let dy = Float(y) - middleY
      let (startX, startY) = (middleX + Float(border) - sine * dy, middleY + Float(border) + cosine * dy)
      for x in 0..<width {
        let dx = Float(x) - middleX
        let sourceX = max(0, min(startX + cosine * dx, lastX))
        let sourceY = max(0, min(startY + sine * dx, lastY))
        let (left, top) = (Int(sourceX), Int(sourceY))
        let (right, down) = (sourceX - Float(left), sourceY - Float(top))
        var first = room.scratch + top * stride + left
        var to = example + y * width + x
        for _ in 0..<shape.channels {
          let upper = first[0] * (1 - right) + first[1] * right
          let lower = first[stride] * (1 - right) + first[stride + 1] * right
          to.pointee = upper * (1 - down) + lower * down
          first += plane
          to += height * width
        }
      }
    }
  }

  /// Copies a picture into the middle of zeros.
  private func surround(
    _ example: UnsafePointer<Float>, _ shape: ExampleShape, _ to: UnsafeMutablePointer<Float>
  ) {
    let border = ExampleShape.border
    let stride = shape.width + 2 * border
    to.update(repeating: 0, count: shape.borderedCount)
    for channel in 0..<shape.channels {
      for y in 0..<shape.height {
        let row = channel * (shape.height + 2 * border) + border + y
        (to + row * stride + border).update(
          from: example + (channel * shape.height + y) * shape.width, count: shape.width)
      }
    }
  }
}
