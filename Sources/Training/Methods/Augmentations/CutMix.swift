import Autodiff
import JSON

/// A box of each picture is replaced by another picture's, with probability `p` for an update. Its sides are
/// sqrt(1 - lambda) of the picture's with lambda from Beta(alpha, alpha), its centre is anywhere; the part of the picture
/// that it takes once it is clipped is the other's share of the loss. Reference: Yun et al. 2019.
struct CutMix: Mixing {
  static let type = "cutmix"

  let alpha: Double
  let p: Double

  init(_ fields: FieldReader) throws(SpecError) {
    alpha = try fields.number("alpha", .positive, default: 1)
    p = try fields.number("p", .share, default: 1)
  }

  var encoded: JSONObject { ["type": .string(Self.type), "alpha": .number(alpha), "p": .number(p)] }

  func draw(_ shape: ExampleShape, _ random: inout PhiloxSequence) -> Mixture {
    guard random.uniform() <= p else { return Mixture(share: 0) }
    let side = (1 - random.beta(alpha)).squareRoot()
    func range(_ length: Int) -> Range<Int> {
      PixelBox.range(
        Int(side * Double(length)), centre: Int(random.bounded(UInt64(length))), length: length)
    }
    let box = PixelBox(rows: range(shape.height), columns: range(shape.width))
    let area = Double(box.rows.count * box.columns.count)
    return Mixture(share: area / Double(shape.height * shape.width), box: box)
  }
}
