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
        let (left, top) = (Self.floor(sourceX), Self.floor(sourceY))
        let (right, down) = (sourceX - Float(left), sourceY - Float(top))
        let isInside = left >= 0 && left < width - 1 && top >= 0 && top < height - 1
        for channel in 0..<shape.channels {
          let plane = scratch + channel * height * width
          let (a, b, c, d): (Float, Float, Float, Float)
          if isInside {
            let first = plane + top * width + left
            (a, b, c, d) = (first[0], first[1], first[width], first[width + 1])
          } else {
            func pixel(_ row: Int, _ column: Int) -> Float {
              row >= 0 && row < height && column >= 0 && column < width ? plane[row * width + column] : 0
            }
            (a, b) = (pixel(top, left), pixel(top, left + 1))
            (c, d) = (pixel(top + 1, left), pixel(top + 1, left + 1))
          }
          let upper = a * (1 - right) + b * right
          let lower = c * (1 - right) + d * right
          example[(channel * height + y) * width + x] = upper * (1 - down) + lower * down
        }
      }
    }
  }

  /// The largest whole number that is not above a small one; without a call of the mathematical library.
  @inline(__always)
  private static func floor(_ value: Float) -> Int {
    let whole = Int(value)
    return Float(whole) > value ? whole - 1 : whole
  }
}
