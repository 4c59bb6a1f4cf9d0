// Data sets that are computed: always the same points, from a fixed seed.

import Autodiff

enum SyntheticData {
  /// Two half circles that hold each other, as scikit-learn's `make_moons`: 1,000 points, noise 0.15.
  static func moons(_ info: DatasetInfo) -> Dataset {
    let noise = RandomStream(seed: 1, .dataset)
    let perClass = 500
    var points: [Float] = []
    for index in 0..<2 * perClass {
      let turn = Double(index / 2) / Double(perClass - 1)
      let (x, y) = (ExactMath.cosPi(turn), ExactMath.sinPi(turn))
      let moon = index % 2 == 0 ? (x, y) : (1 - x, 0.5 - y)
      points.append(Float(moon.0 + 0.15 * noise.normal(0, 2 * index)))
      points.append(Float(moon.1 + 0.15 * noise.normal(0, 2 * index + 1)))
    }
    return plane(info, points)
  }

  /// Three arms around the origin: 1,050 points; the radius grows as the arm turns by four radians.
  static func spirals(_ info: DatasetInfo) -> Dataset {
    let noise = RandomStream(seed: 2, .dataset)
    let perClass = 350
    var points: [Float] = []
    for index in 0..<3 * perClass {
      let radius = Double(index / 3) / Double(perClass - 1)
      let angle = 4 * (Double(index % 3) + radius) + 0.2 * noise.normal(0, index)
      points.append(Float(radius * ExactMath.sinPi(angle / .pi)))
      points.append(Float(radius * ExactMath.cosPi(angle / .pi)))
    }
    return plane(info, points)
  }

  private static func plane(_ info: DatasetInfo, _ points: [Float]) -> Dataset {
    let labels = (0..<points.count / 2).map { Int32($0 % info.classes.count) }
    return Dataset(
      info: info, columns: ["x", "y"],
      pool: Examples(width: 2, features: .floats(points), labels: labels))
  }
}
