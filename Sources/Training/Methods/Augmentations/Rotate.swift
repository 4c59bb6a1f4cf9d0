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
    _ example: UnsafeMutablePointer<Float>, _ shape: ExampleShape, scratch: UnsafeMutablePointer<Float>,
    _ random: inout ExampleRandom
  ) {
    let turn = (2 * random.uniform() - 1) * degrees / 180
    let (cosine, sine) = (Float(ExactMath.cosPi(turn)), Float(ExactMath.sinPi(turn)))
    let (height, width) = (shape.height, shape.width)
    let (middleY, middleX) = (Float(height - 1) / 2, Float(width - 1) / 2)
    scratch.update(from: example, count: shape.count)
    for y in 0..<height {
      for x in 0..<width {
        let (dx, dy) = (Float(x) - middleX, Float(y) - middleY)
        let sourceX = cosine * dx - sine * dy + middleX
        let sourceY = sine * dx + cosine * dy + middleY
        let (left, top) = (Int(sourceX.rounded(.down)), Int(sourceY.rounded(.down)))
        let (right, down) = (sourceX - Float(left), sourceY - Float(top))
        for channel in 0..<shape.channels {
          let plane = scratch + channel * height * width
          func pixel(_ row: Int, _ column: Int) -> Float {
            row >= 0 && row < height && column >= 0 && column < width ? plane[row * width + column] : 0
          }
          let upper = pixel(top, left) * (1 - right) + pixel(top, left + 1) * right
          let lower = pixel(top + 1, left) * (1 - right) + pixel(top + 1, left + 1) * right
          example[(channel * height + y) * width + x] = upper * (1 - down) + lower * down
        }
      }
    }
  }
}
