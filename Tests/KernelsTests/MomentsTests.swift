// Sums over the rows of a batch, where they are hard.

import Testing

@testable import Autodiff

@Suite struct MomentsTests {
  /// A channel whose mean is a thousand times its deviation: what is wrong in the mean counts a thousand times in what
  /// is normalized.
  @Test("L3 channels far from zero are normalized as exactly as others", arguments: [2, 31, 784, 1024])
  func channelsFarFromZero(rows: Int) {
    let stride = 32
    var x = numbers(rows * stride, 5, scale: 0.001)
    for row in 0..<rows {
      for channel in 0..<stride { x[row * stride + channel] += Float(channel % 5) - 1.7 }
    }
    let input = arena(x)
    for table in levels {
      let moments = zeros(2 * stride)
      table.batchMoments(rows, stride, input.pointer, moments.pointer)
      let found = moments.values(2 * stride)
      for channel in 0..<stride {
        let column = (0..<rows).map { Double(x[$0 * stride + channel]) }
        let mean = column.reduce(0, +) / Double(rows)
        let squares = column.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        // Half a unit in the last place, as it is stored.
        #expect(abs(Double(found[channel]) - mean) <= abs(mean) * 0x1p-24 * 1.01)
        #expect(abs(Double(found[stride + channel]) - squares) <= 1e-5 * squares)
      }
    }
  }
}
