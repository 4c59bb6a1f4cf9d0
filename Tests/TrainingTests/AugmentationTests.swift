import Glibc
import JSON
import Testing

@testable import Autodiff
@testable import Training

@Suite struct AugmentationTests {
  /// Two channels of 6 x 5 pixels, each another number.
  static let shape = [2, 6, 5]
  static let picture = (0..<60).map { Float($0 + 1) }

  func augmented(
    _ spec: JSON, seed: UInt64 = 1, epoch: Int, row: Int, shape: [Int] = shape, _ picture: [Float] = picture
  ) throws -> [Float] {
    let method = try FieldReader(spec, at: "augment.0").method(MethodTable.augmentations)
    try method.check(shape, "augment.0")
    return Augmenter([method], shape: shape, seed: seed, kernels: try KernelTable.select())
      .applied(to: picture, row: Int32(row), epoch: epoch)
  }

  static func pixel(_ values: [Float], _ channel: Int, _ y: Int, _ x: Int) -> Float {
    y >= 0 && y < 6 && x >= 0 && x < 5 ? values[channel * 30 + y * 5 + x] : 0
  }

  static let each: [JSON] = [
    ["type": "random_shift"], ["type": "random_crop", "padding": 2], ["type": "rotate"],
    ["type": "cutout", "size": 3], ["type": "gaussian_noise"],
  ]

  /// The same seed, epoch and example give the same picture; any other gives another.
  @Test("G6 augmentation follows seed, epoch and example", arguments: each) func followsSeedEpochAndExample(
    _ spec: JSON
  ) throws {
    func all(_ seed: UInt64, _ epoch: Int) throws -> [[Float]] {
      try (0..<40).map { try augmented(spec, seed: seed, epoch: epoch, row: $0) }
    }
    let first = try all(1, 0)
    #expect(try all(1, 0) == first)
    #expect(try all(1, 1) != first)
    #expect(try all(2, 0) != first)
    #expect(Set(first).count > 5)
  }

  static let shifts: [JSON] = [
    ["type": "random_shift", "pixels": 2], ["type": "random_crop", "padding": 2],
  ]

  /// Every shift is a shift, none is larger than asked for, and each of the 25 comes up.
  @Test("G6 shifts and crops", arguments: shifts) func shiftsAndCrops(_ spec: JSON) throws {
    func isShift(_ values: [Float], _ dy: Int, _ dx: Int) -> Bool {
      for place in 0..<60 {
        let (channel, y, x) = (place / 30, place % 30 / 5, place % 5)
        if values[place] != Self.pixel(Self.picture, channel, y - dy, x - dx) { return false }
      }
      return true
    }
    var seen = [Int](repeating: 0, count: 25)
    for row in 0..<2000 {
      let values = try augmented(spec, epoch: 3, row: row)
      let fits = (0..<25).filter { isShift(values, $0 / 5 - 2, $0 % 5 - 2) }
      #expect(fits.count == 1)
      for fit in fits { seen[fit] += 1 }
    }
    #expect(seen.allSatisfy { $0 > 40 && $0 < 130 })
  }

  @Test("G6 flips and cutouts") func flipsAndCutouts() throws {
    var flips = 0
    for row in 0..<400 {
      let values = try augmented(["type": "horizontal_flip", "p": 0.3], epoch: 0, row: row)
      if values == Self.picture { continue }
      flips += 1
      for place in 0..<60 {
        #expect(values[place] == Self.pixel(Self.picture, place / 30, place % 30 / 5, 4 - place % 5))
      }
    }
    #expect(flips > 80 && flips < 160)
    for row in 0..<100 {
      let values = try augmented(["type": "cutout", "size": 3], epoch: 0, row: row)
      let holes = (0..<60).filter { values[$0] == 0 }
      // A corner leaves 2 x 2 of the square; both channels lose the same pixels.
      #expect((8...18).contains(holes.count))
      #expect(holes.filter { $0 < 30 }.map { $0 + 30 } == holes.filter { $0 >= 30 })
      #expect((0..<60).allSatisfy { values[$0] == 0 || values[$0] == Self.picture[$0] })
    }
  }

  /// A blob off the centre goes where the angle says, and keeps its mass.
  @Test("G6 rotations") func rotations() throws {
    var picture = [Float](repeating: 0, count: 21 * 21)
    for y in 9...11 {
      for x in 15...17 { picture[y * 21 + x] = 1 }
    }
    var angles: [Double] = []
    for row in 0..<300 {
      let spec: JSON = ["type": "rotate", "degrees": 30]
      let values = try augmented(spec, epoch: 0, row: row, shape: [1, 21, 21], picture)
      var (mass, x, y) = (0.0, 0.0, 0.0)
      for (place, value) in values.enumerated() {
        mass += Double(value)
        x += Double(value) * Double(place % 21 - 10)
        y += Double(value) * Double(place / 21 - 10)
      }
      let distance = (x * x + y * y).squareRoot() / mass
      #expect(abs(mass - 9) < 0.5)
      #expect(abs(distance - 6) < 0.15)
      angles.append(atan2(y, x) * 180 / .pi)
    }
    #expect(angles.allSatisfy { abs($0) < 31 })
    #expect(angles.contains { $0 > 25 } && angles.contains { $0 < -25 })
  }

  /// Row G7: noise has mean 0 and the deviation asked for, on inputs and on weights, and none is there in evaluation.
  @Test("G7 noise on inputs and weights") func noise() throws {
    let count = 40_000
    let ones = [Float](repeating: 1, count: count)
    let noisy = try augmented(
      ["type": "gaussian_noise", "std": 0.5], epoch: 0, row: 0, shape: [count], ones)
    let values = noisy.map { Double($0) - 1 }
    let mean = values.reduce(0, +) / Double(count)
    let square = values.reduce(0) { $0 + $1 * $1 } / Double(count)
    let fourth = values.reduce(0) { $0 + $1 * $1 * $1 * $1 } / Double(count)
    #expect(abs(mean) < 0.01)
    #expect(abs(square - 0.25) < 0.005)
    #expect(abs(fourth / square / square - 3) < 0.15)

    func job(_ augment: JSON) throws -> MemoryRecorder {
      try finished(
        CourseTests.small([("augment", augment), ("optimizer.lr", 1e-30), ("train.steps", 8)]))
    }
    let plain = try job([])
    for type in ["weight_noise", "gaussian_noise"] {
      let noisy = try job([["type": .string(type), "std": 0.2]])
      #expect(noisy.values("train/loss") != plain.values("train/loss"))
      #expect(noisy.bits["val/loss"] == plain.bits["val/loss"], "not in evaluation, and gone after the step")
    }
  }

  /// Drawn where the parameters lie: each number of each has its own, and padding none.
  @Test("G7 noise on weights has its moments") func weightNoise() throws {
    let job = CourseTests.small([
      (
        "model.layers",
        [
          ["type": "conv2d", "channels": 19, "kernel": 3], ["type": "flatten"],
          ["type": "linear", "out": 33], ["type": "linear", "out": 10],
        ]
      )
    ])
    let layout = try plan(job).programs.layout
    let arena = Arena(floats: layout.floats)
    let passes = FlatPasses(pool: ThreadPool(threads: 2), kernels: try KernelTable.select())
    var values: [Double] = []
    for index in layout.entries.indices {
      let random = Philox(seed: 1, stream: 2, step: UInt64(index))
      passes.addNormals(random, deviation: 0.5, to: index, of: layout, in: arena)
      let drawn = layout.read(index, from: arena)
      let columns = layout.entries[index].shape[0]
      let size = drawn.count / columns
      let rows = (0..<size).map { row in (0..<columns).map { drawn[$0 * size + row] } }
      #expect(Set(rows).count == rows.count, "every row has numbers of its own")
      values += drawn.map(Double.init)
    }
    #expect((0..<layout.floats).count { arena.pointer[$0] != 0 } == values.count)
    func moment(_ power: Int) -> Double {
      values.reduce(0) { $0 + ExactMath.pow($1, power) } / Double(values.count)
    }
    #expect(values.count > 20_000 && abs(moment(1)) < 0.015 && abs(moment(2) - 0.25) < 0.01)
    #expect(abs(moment(4) / moment(2) / moment(2) - 3) < 0.2)
  }

  /// Bilinear interpolation, straight from its definition in double; the corners come from outside and are 0.
  @Test("G6 rotations are bilinear") func rotationsAreBilinear() throws {
    for (row, degrees) in [(0, 180.0), (1, 45), (2, 10), (3, 90)] {
      let spec: JSON = ["type": "rotate", "degrees": .number(degrees)]
      let values = try augmented(spec, epoch: 2, row: row)
      var random = ExampleRandom(seed: 1, epoch: 2, row: Int32(row))
      let angle = (2 * random.uniform() - 1) * degrees * .pi / 180
      for place in 0..<60 {
        let (dy, dx) = (Double(place % 30 / 5) - 2.5, Double(place % 5) - 2)
        let (x, y) = (cos(angle) * dx - sin(angle) * dy + 2, sin(angle) * dx + cos(angle) * dy + 2.5)
        var wanted = 0.0
        for row in 0..<6 {
          for column in 0..<5 {
            let weight = max(0, 1 - abs(x - Double(column))) * max(0, 1 - abs(y - Double(row)))
            wanted += weight * Double(Self.pixel(Self.picture, place / 30, row, column))
          }
        }
        #expect(abs(Double(values[place]) - wanted) < 2e-4)
      }
    }
  }

  static let shared: [JSON] = [
    [["type": "rotate"], ["type": "gaussian_noise"], ["type": "weight_noise"], ["type": "mixup"]],
    [["type": "random_crop", "padding": 2], ["type": "weight_noise"], ["type": "cutmix"]],
  ]

  /// However many threads share the examples of a batch and the numbers of a layer, each gets the same.
  @Test("G6 augmented runs do not depend on threads", arguments: shared) func threads(_ augment: JSON) throws
  {
    func job(_ threads: Int) throws -> MemoryRecorder {
      let changes: [(String, JSON)] = [
        ("augment", augment), ("train.steps", 5), ("train.batch_size", 200), ("train.threads", JSON(threads)),
        (
          "model.layers",
          [
            ["type": "flatten"], ["type": "linear", "out": 400], ["type": "relu"],
            ["type": "linear", "out": 10],
          ]
        ),
      ]
      return try finished(CourseTests.small(changes))
    }
    let one = try job(1)
    for threads in [2, 3] { #expect(try job(threads).bits["train/loss"] == one.bits["train/loss"]) }
  }

  static let wrong: [WrongJob] = [
    WrongJob("augment", [["type": "rotate"]], "augment.0.type", says: "is for pictures"),
    WrongJob("augment", [["type": "blur"]], "augment.0.type", says: "\"random_shift\""),
    WrongJob("augment", [["type": "cutout"]], "augment.0.size", says: "is required"),
    WrongJob("augment", [["type": "horizontal_flip", "p": 2]], "augment.0.p", says: "from 0 to 1"),
  ]

  @Test(arguments: wrong) func faultsAreNamed(_ wrong: WrongJob) throws {
    let error = #expect(throws: SpecError.self) { try plan(job([(wrong.path, wrong.value)])) }
    #expect(error?.field == wrong.field && error?.message.contains(wrong.says) == true)
  }

  @Test func cropsAreOfThePicturesSize() throws {
    let error = #expect(throws: SpecError.self) {
      try plan(CourseTests.small([("augment", [["type": "random_crop", "size": 7]])]))
    }
    #expect(error?.message.contains("the size of the pictures, 8 x 8, got 7") == true)
  }
}
