// Batch norm, ReLU and max pool in one, where its parts meet.

import Testing

@testable import Autodiff

@Suite struct NormalizedPoolTests {
  /// A channel that is 0 everywhere, as with weight and bias 0: each pixel is the largest of its window, and ReLU, whose
  /// slope at 0 is 0, lets nothing through.
  @Test func channelsOfZeros() {
    let (side, stride) = (4, 16)
    let geometry = [16, side, side, 2, 2, 2, 2, 0, 0, 2, 2, side * side * stride, stride, 1, stride]
    let x = arena(numbers(side * side * stride, 3))
    let (saved, y, scratch) = (zeros(4 * stride), zeros(4 * stride), zeros(2 * side * side * stride))
    let dy = arena([Float](repeating: 1, count: 4 * stride))
    // dx = what the pixel takes, and nothing of the rest.
    let coefficients = arena([Float](repeating: 1, count: stride) + [Float](repeating: 0, count: 2 * stride))
    for table in levels {
      let sums = arena([Float](repeating: .nan, count: 2 * stride))
      let dx = arena([Float](repeating: .nan, count: side * side * stride))
      geometry.withUnsafeBufferPointer { list in
        guard let list = list.baseAddress else { return }
        table.normalizedPoolGradientSums(
          1, list, dy.pointer, x.pointer, saved.pointer, y.pointer, sums.pointer, scratch.pointer)
        table.normalizedPoolGradient(
          1, list, dy.pointer, x.pointer, saved.pointer, y.pointer, coefficients.pointer, dx.pointer,
          scratch.pointer)
      }
      #expect(sums.values(2 * stride).allSatisfy { $0 == 0 })
      #expect(dx.values(side * side * stride).allSatisfy { $0 == 0 })
    }
  }
}
