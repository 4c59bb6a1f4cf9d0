// Augmentations of a whole update: each example is mixed with another one of the update, and the loss with the other's.
// All that is drawn follows from the seed and the step; so parts of an update, however it is cut, fit together.

import Autodiff

/// An augmentation that makes one example of two.
protocol Mixing: Augmentation {
  /// How the examples of this update are mixed with their partners.
  func draw(_ shape: ExampleShape, _ random: inout PhiloxSequence) -> Mixture
}

extension Mixing {
  /// Nothing is done to a single example.
  func apply(
    _ example: UnsafeMutablePointer<Float>, _ shape: ExampleShape, _ room: AugmentationRoom,
    _ random: inout ExampleRandom
  ) {}

  /// The mixture of an update, and for each of its examples the place of its partner among them.
  func draw(_ shape: ExampleShape, seed: UInt64, step: Int, count: Int) -> (
    mixture: Mixture, partners: [Int32]
  ) {
    func random(_ purpose: RandomPurpose) -> Philox {
      Philox(seed: seed, stream: purpose.rawValue, step: UInt64(step))
    }
    var sequence = random(.mixing).sequence()
    return (draw(shape, &sequence), random(.partners).permutation(count))
  }
}

/// What the examples of an update have of their partners.
struct Mixture: Sendable, Equatable {
  /// Part of the partner in the loss, and where there is no box in every number.
  let share: Double
  /// Where the partner's pixels are put; nil where all pixels are blended.
  var box: PixelBox?

  /// Brings the partner into an example.
  func mix(
    _ partner: UnsafePointer<Float>, into example: UnsafeMutablePointer<Float>, _ shape: ExampleShape
  ) {
    guard let box else {
      let share = Float(share)
      for place in 0..<shape.count { example[place] += share * (partner[place] - example[place]) }
      return
    }
    for channel in 0..<shape.channels {
      for row in box.rows {
        let first = (channel * shape.height + row) * shape.width + box.columns.lowerBound
        (example + first).update(from: partner + first, count: box.columns.count)
      }
    }
  }
}

/// A rectangle of a picture.
struct PixelBox: Sendable, Equatable {
  let rows: Range<Int>
  let columns: Range<Int>

  /// The pixels of `size` in `length` about `centre`, half of it rounded down to either side, as far as they are there.
  static func range(_ size: Int, centre: Int, length: Int) -> Range<Int> {
    max(0, centre - size / 2)..<min(length, centre + size / 2)
  }
}

extension PhiloxSequence {
  /// Uniform in (0, 1], whose logarithm is finite.
  mutating func uniform() -> Double { Double(next() >> 11 + 1) * 0x1p-53 }

  /// From Beta(alpha, alpha): 0...1, and always 1 for alpha 0.
  mutating func beta(_ alpha: Double) -> Double {
    guard alpha > 0 else { return 1 }
    // Below this the logarithms of both numbers are -infinity, and their difference is no number.
    let alpha = max(alpha, 1e-300)
    let (x, y) = (logGamma(alpha), logGamma(alpha))
    return 1 / (1 + ExactMath.exp(y - x))
  }

  /// The logarithm of a number from Gamma(shape), which for small shapes is smaller than any float.
  /// Reference: Marsaglia, Tsang 2000, "A simple method for generating gamma variables".
  private mutating func logGamma(_ shape: Double) -> Double {
    guard shape >= 1 else { return logGamma(shape + 1) + ExactMath.log(uniform()) / shape }
    let d = shape - 1 / 3.0
    let c = 1 / (9 * d).squareRoot()
    while true {
      let normal = (-2 * ExactMath.log(uniform())).squareRoot() * ExactMath.cosPi(2 * uniform())
      let root = 1 + c * normal
      let u = uniform()
      guard root > 0 else { continue }
      let v = root * root * root
      if ExactMath.log(u) < normal * normal / 2 + d - d * v + d * ExactMath.log(v) {
        return ExactMath.log(d * v)
      }
    }
  }
}
