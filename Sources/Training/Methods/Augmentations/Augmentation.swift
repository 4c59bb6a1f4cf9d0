// What is done to an example before it is trained on, one file each, in the order of the job's list. All that is drawn
// for an example follows from the seed, the epoch and the example, never from the batch it is in or the thread.

import Autodiff
import JSON

/// A change of an example's features.
protocol Augmentation: Sendable {
  /// All fields with their values, `type` first.
  var encoded: JSONObject { get }

  /// Throws when examples of this shape cannot be changed so.
  func check(_ shape: [Int], _ path: String) throws(SpecError)

  /// Changes one example in place; `scratch` has as much room.
  func apply(
    _ example: UnsafeMutablePointer<Float>, _ shape: ExampleShape, scratch: UnsafeMutablePointer<Float>,
    _ random: inout ExampleRandom)
}

extension Augmentation {
  /// Most need a picture.
  func check(_ shape: [Int], _ path: String) throws(SpecError) {
    guard shape.count == 3 else {
      throw SpecError("\(path).type", "is for pictures, but the examples have shape \(shape)")
    }
  }
}

extension MethodTable where Method == any Augmentation {
  /// All augmentations of inputs.
  static let augmentations = MethodTable(rows: [
    Row(RandomShift.type) { fields throws(SpecError) in try RandomShift(fields) },
    Row(RandomCrop.type) { fields throws(SpecError) in try RandomCrop(fields) },
    Row(HorizontalFlip.type) { fields throws(SpecError) in try HorizontalFlip(fields) },
    Row(Rotate.type) { fields throws(SpecError) in try Rotate(fields) },
    Row(Cutout.type) { fields throws(SpecError) in try Cutout(fields) },
    Row(GaussianNoise.type) { fields throws(SpecError) in try GaussianNoise(fields) },
    Row(Mixup.type) { fields throws(SpecError) in try Mixup(fields) },
    Row(CutMix.type) { fields throws(SpecError) in try CutMix(fields) },
    Row(WeightNoise.type) { fields throws(SpecError) in try WeightNoise(fields) },
  ])
}

/// The shape of a picture: channels of rows; a table's row is one channel of one row.
struct ExampleShape: Sendable {
  let channels: Int
  let height: Int
  let width: Int

  init(_ shape: [Int]) {
    (channels, height, width) = shape.count == 3 ? (shape[0], shape[1], shape[2]) : (1, 1, shape.reduce(1, *))
  }

  /// Numbers of one example.
  var count: Int { channels * height * width }
}

/// The random numbers of one example in one epoch, in the order in which they are asked for.
struct ExampleRandom {
  private let philox: Philox
  private var sequence: PhiloxSequence
  private let noise: Philox

  init(seed: UInt64, epoch: Int, row: Int32) {
    let step = UInt64(truncatingIfNeeded: epoch) << 32 | UInt64(UInt32(bitPattern: row))
    philox = Philox(seed: seed, stream: RandomPurpose.augmentation.rawValue, step: step)
    sequence = philox.sequence()
    noise = Philox(seed: seed, stream: RandomPurpose.inputNoise.rawValue, step: step)
  }

  /// Uniform in 0..<1.
  mutating func uniform() -> Double { Double(sequence.next() >> 11) * 0x1p-53 }

  /// A whole number of the range, each as likely.
  mutating func integer(_ range: ClosedRange<Int>) -> Int {
    range.lowerBound + Int(sequence.bounded(UInt64(range.count)))
  }

  /// Adds noise to an example.
  func addNormals(to values: UnsafeMutablePointer<Float>, count: Int, deviation: Float) {
    noise.addNormals(to: values, count: count, deviation: deviation)
  }
}

/// The augmentations of a job, and room to work in. Used by one thread.
final class Augmenter {
  private let steps: [any Augmentation]
  private let shape: ExampleShape
  private let seed: UInt64
  private let scratch: UnsafeMutablePointer<Float>

  init(_ steps: [any Augmentation], shape: [Int], seed: UInt64) {
    self.steps = steps
    self.shape = ExampleShape(shape)
    self.seed = seed
    scratch = .allocate(capacity: self.shape.count)
    scratch.initialize(repeating: 0, count: self.shape.count)
  }

  deinit { scratch.deallocate() }

  /// Changes the example of a row for one epoch.
  func apply(_ example: UnsafeMutablePointer<Float>, row: Int32, epoch: Int) {
    var random = ExampleRandom(seed: seed, epoch: epoch, row: row)
    for step in steps { step.apply(example, shape, scratch: scratch, &random) }
  }
}
