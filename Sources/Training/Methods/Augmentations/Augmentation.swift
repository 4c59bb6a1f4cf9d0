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

  /// Changes one example in place.
  func apply(
    _ example: UnsafeMutablePointer<Float>, _ shape: ExampleShape, _ room: AugmentationRoom,
    _ random: inout ExampleRandom)
}

/// What an augmentation works with; of one thread.
struct AugmentationRoom {
  /// As many floats as an example with `ExampleShape.border` pixels around it.
  let scratch: UnsafeMutablePointer<Float>
  let kernels: KernelTable
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
  /// Pixels around a picture that an augmentation may put there in its scratch.
  static let border = 2
  /// Numbers of one example with that border.
  var borderedCount: Int { channels * (height + 2 * Self.border) * (width + 2 * Self.border) }
}

/// The random numbers of one example in one epoch, in the order in which they are asked for.
struct ExampleRandom {
  private let philox: Philox
  private var sequence: PhiloxSequence
  /// What its noise is drawn from.
  let noise: Philox

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
}

/// The augmentations of a job.
struct Augmenter: Sendable {
  private let steps: [any Augmentation]
  private let shape: ExampleShape
  private let seed: UInt64
  private let kernels: KernelTable

  init(_ steps: [any Augmentation], shape: [Int], seed: UInt64, kernels: KernelTable) {
    self.steps = steps
    self.shape = ExampleShape(shape)
    self.seed = seed
    self.kernels = kernels
  }

  /// Floats of scratch that `apply` needs.
  var scratchFloats: Int { max(shape.borderedCount, KernelTable.normalScratchFloats) }

  /// About how long an example takes; shared among threads accordingly.
  var nanosecondsEach: Int { steps.count * shape.count }

  /// Changes the example of a row for one epoch.
  func apply(
    _ example: UnsafeMutablePointer<Float>, row: Int32, epoch: Int, scratch: UnsafeMutablePointer<Float>
  ) {
    var random = ExampleRandom(seed: seed, epoch: epoch, row: row)
    let room = AugmentationRoom(scratch: scratch, kernels: kernels)
    for step in steps { step.apply(example, shape, room, &random) }
  }

  /// The same on numbers of its own, for the few examples that are looked at.
  func applied(to values: [Float], row: Int32, epoch: Int) -> [Float] {
    var values = values
    withUnsafeTemporaryAllocation(of: Float.self, capacity: scratchFloats) { scratch in
      values.withUnsafeMutableBufferPointer { buffer in
        guard let start = buffer.baseAddress, let room = scratch.baseAddress else { return }
        scratch.initialize(repeating: 0)
        apply(start, row: row, epoch: epoch, scratch: room)
      }
    }
    return values
  }
}
