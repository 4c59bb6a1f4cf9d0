import JSON
import Testing

@testable import Autodiff
@testable import Training

@Suite struct MixingTests {
  static func sequence(_ step: Int) -> PhiloxSequence {
    Philox(seed: 3, stream: RandomPurpose.mixing.rawValue, step: UInt64(step)).sequence()
  }

  static func method(_ spec: JSON) throws -> any Mixing {
    try #require(
      try FieldReader(spec, at: "augment.0").method(MethodTable.augmentations) as? any Mixing)
  }

  /// Beta(a, a) has mean 1/2, variance 1 / (8a + 4) and fourth central moment 3 / (16 (2a + 1) (2a + 3)).
  @Test("G8 lambda has the moments of a beta distribution", arguments: [0.05, 0.2, 1, 2.5, 30])
  func moments(_ alpha: Double) throws {
    let mixup = try Self.method(["type": "mixup", "alpha": .number(alpha)])
    let count = 20_000
    let draws = (0..<count).map { step in
      var random = Self.sequence(step)
      return mixup.draw(ExampleShape([1, 8, 8]), &random).share
    }
    #expect(draws.allSatisfy { $0 >= 0 && $0 <= 1 })
    func moment(_ power: Int) -> Double {
      draws.reduce(0) { $0 + ExactMath.pow($1 - 0.5, power) } / Double(count)
    }
    let variance = 1 / (8 * alpha + 4)
    let fourth = 3 / (16 * (2 * alpha + 1) * (2 * alpha + 3))
    #expect(abs(moment(1)) < 4 * (variance / Double(count)).squareRoot())
    #expect(abs(moment(2) / variance - 1) < 0.04)
    #expect(abs(moment(4) / fourth - 1) < 0.08)
  }

  /// Where logarithms overflow as well as where two halves are all that is drawn.
  @Test("G8 lambda is a share for every alpha", arguments: [0x1p-1063, 0x1p-1030, 1e-9, 1e9, 1e18, 1e308])
  func extremes(_ alpha: Double) throws {
    let mixup = try Self.method(["type": "mixup", "alpha": .number(alpha)])
    let cutmix = try Self.method(["type": "cutmix", "alpha": .number(alpha)])
    let shares = (0..<200).flatMap { step in
      [mixup, cutmix].map { method in
        var random = Self.sequence(step)
        return method.draw(ExampleShape([1, 8, 8]), &random).share
      }
    }
    #expect(shares.allSatisfy { $0 >= 0 && $0 <= 1 })
    #expect(Set(shares).count > 2, "draws differ")
  }

  /// The box is what a clipped square of sqrt(1 - lambda) is, and lambda is recomputed from it.
  @Test("G8 CutMix takes its share from the clipped box") func boxes() throws {
    let shape = ExampleShape([2, 12, 20])
    let method = try Self.method(["type": "cutmix", "alpha": 1, "p": 0.75])
    var (applied, clipped, shares) = (0, 0, 0.0)
    for step in 0..<4000 {
      var random = Self.sequence(step)
      let mixture = method.draw(shape, &random)
      guard let box = mixture.box else {
        #expect(mixture.share == 0)
        continue
      }
      applied += 1
      shares += mixture.share
      #expect(box.rows.lowerBound >= 0 && box.rows.upperBound <= 12 && box.columns.upperBound <= 20)
      #expect(mixture.share == Double(box.rows.count * box.columns.count) / 240)
      // Whole boxes have about the picture's form; clipped ones may not.
      let isWhole =
        box.rows.lowerBound > 0 && box.rows.upperBound < 12 && box.columns.lowerBound > 0
        && box.columns.upperBound < 20
      if isWhole {
        #expect(abs(Double(box.columns.count) - Double(box.rows.count) * 20 / 12) <= 4)
      } else {
        clipped += 1
      }
      var picture = (0..<480).map { Float($0) }
      let partner = (0..<480).map { -Float($0) - 1 }
      picture.withUnsafeMutableBufferPointer { picture in
        partner.withUnsafeBufferPointer { partner in
          if let a = picture.baseAddress, let b = partner.baseAddress { mixture.mix(b, into: a, shape) }
        }
      }
      #expect(Double(picture.count { $0 < 0 }) / 480 == mixture.share)
      for place in 0..<480 {
        let (row, column) = (place % 240 / 20, place % 20)
        let isInside = box.rows.contains(row) && box.columns.contains(column)
        if picture[place] != (isInside ? partner[place] : Float(place)) { Issue.record("pixel \(place)") }
      }
    }
    #expect(abs(Double(applied) / 4000 - 0.75) < 0.03)
    // Without clipping the mean share would be 1/2; clipped at a uniform centre it is well below.
    #expect(clipped > applied / 2 && abs(shares / Double(applied) - 0.29) < 0.03)
  }

  /// Small sets in memory, whose examples are the mixed ones with the labels of either.
  static func source(_ name: String, _ dataset: Dataset, _ features: [Float], _ rows: [Int32])
    -> DatasetSource
  {
    let pool = dataset.pool
    let info = DatasetInfo(
      name: name, kind: dataset.info.kind, task: dataset.info.task, examples: rows.count,
      inputShape: dataset.inputShape, classes: dataset.classes, source: "", license: "")
    let examples = Examples(
      width: pool.width, features: .floats(features),
      labels: pool.labels.isEmpty ? [] : rows.map { pool.labels[Int($0)] },
      targets: pool.targets.isEmpty ? [] : rows.map { pool.targets[Int($0)] })
    return DatasetSource(info) { Dataset(info: info, pool: examples) }
  }

  static let jobs: [[(String, JSON)]] = [
    [("augment", [["type": "mixup", "alpha": 0.7]])],
    [("augment", [["type": "cutmix", "alpha": 1]])],
    [("augment", [["type": "mixup"]]), ("loss", ["type": "cross_entropy", "label_smoothing": 0.1])],
    [
      ("augment", [["type": "mixup"]]),
      ("loss.class_weights", [1, 2, 0.5, 1, 1, 3, 1, 1, 0.2, 1]),
    ],
    [("augment", [["type": "mixup"]]), ("loss", ["type": "binary_cross_entropy"])],
    [
      ("augment", [["type": "mixup"]]), ("dataset.name", "diabetes"), ("dataset.standardize", false),
      ("model.layers.2.out", 1), ("loss", ["type": "huber", "delta": 150]), ("optimizer.lr", 0.001),
    ],
  ]

  /// Loss and update of a mixed batch are the mix of those of the same examples with either's labels.
  @Test("G8 the loss is the mix of the two losses", arguments: jobs.indices) func mixedLosses(_ index: Int)
    throws
  {
    let job = CourseTests.small(
      [
        ("dataset.shuffle", false), ("dataset.validation", 0), ("optimizer.momentum", 0), ("train.steps", 1),
        ("dataset.limit", 40), ("train.batch_size", 40),
      ] + Self.jobs[index])
    let mixed = try plan(job)
    let (dataset, shape) = (mixed.dataset, ExampleShape(mixed.architecture.inputShape))
    let (mixture, partners) = try #require(mixed.spec.mixing).draw(shape, seed: 3, step: 0, count: 40)
    #expect(mixture.share > 0.05 && mixture.share < 0.95 && partners.sorted() == Array(0..<40))
    let width = dataset.pool.width
    func example(_ row: Int32) -> [Float] { (0..<width).map { dataset.pool.features[Int(row) * width + $0] } }
    let features = (0..<40).flatMap { row -> [Float] in
      var own = example(Int32(row))
      let other = example(partners[row])
      own.withUnsafeMutableBufferPointer { own in
        other.withUnsafeBufferPointer { other in
          if let a = own.baseAddress, let b = other.baseAddress { mixture.mix(b, into: a, shape) }
        }
      }
      return own
    }
    let catalog = DatasetCatalog([
      Self.source("own", dataset, features, Array(0..<40)),
      Self.source("partners", dataset, features, partners),
    ])
    func run(_ name: String) throws -> (loss: Double, accuracy: Double?, weights: [String: [Float]]) {
      let changed = replacing(replacing(job, ["dataset", "name"], .string(name)), ["augment"], [])
      let isMixed = name == dataset.name
      let spec = try JobSpec.decode(isMixed ? job : changed, catalog: isMixed ? .builtin : catalog)
      let recorder = MemoryRecorder()
      _ = try Trainer(plan: JobPlan.make(spec, catalog: isMixed ? .builtin : catalog)).run(
        recorder: recorder, control: RunControl())
      return (
        recorder.values("train/loss")[0], recorder.values("train/accuracy").first,
        try CourseTests.tensors(recorder, 1)
      )
    }
    let (both, own, other) = (try run(dataset.name), try run("own"), try run("partners"))
    let share = mixture.share
    #expect(abs(both.loss - (1 - share) * own.loss - share * other.loss) < 1e-6 * max(1, both.loss))
    #expect(abs(own.loss - other.loss) > 1e-5 * own.loss)
    if let (a, b, c) = both.accuracy.flatMap({ a in
      own.accuracy.flatMap { b in other.accuracy.map { (a, b, $0) } }
    }) {
      #expect(abs(a - (1 - share) * b - share * c) < 1e-12)
    }
    for (name, values) in both.weights {
      let (a, b) = (own.weights[name] ?? [], other.weights[name] ?? [])
      for (value, pair) in zip(values, zip(a, b)) {
        let expected = (1 - share) * Double(pair.0) + share * Double(pair.1)
        #expect(abs(Double(value) - expected) < 2e-6 * max(1, abs(expected)), "\(name)")
      }
    }
    #expect(CourseTests.distance(own.weights, both.weights) > 1e-5)
  }

  /// How an update is cut into batches and replicas does not change who is mixed with whom.
  @Test("G8 parts of an update are mixed as the whole") func parts() throws {
    let augment: (String, JSON) = ("augment", [["type": "random_shift"], ["type": "cutmix"]])
    let whole = try finished(CourseTests.small([augment]))
    for parts in [
      [("train.batch_size", 8), ("train.accumulate", 4)], [("train.replicas", 3)],
    ] as [[(String, JSON)]] {
      let cut = try finished(CourseTests.small([augment] + parts))
      for key in ["train/loss", "train/accuracy", "grad_norm"] {
        #expect(CourseTests.distance(cut.values(key), whole.values(key)) < 1e-5, "\(key)")
      }
    }
    let plain = try finished(CourseTests.small([]))
    #expect(CourseTests.distance(whole.values("train/loss"), plain.values("train/loss")) > 1e-2)
    let off = try finished(CourseTests.small([("augment", [["type": "mixup", "alpha": 0]])]))
    #expect(CourseTests.distance(off.values("train/loss"), plain.values("train/loss")) < 1e-6)
    #expect(off.values("val/loss").count == plain.values("val/loss").count)
  }

  static let wrong: [WrongJob] = [
    WrongJob("augment", [["type": "mixup", "alpha": -1]], "augment.0.alpha", says: "must be >= 0, got -1"),
    WrongJob("augment", [["type": "mixup", "alpha": "x"]], "augment.0.alpha", says: "must be a number"),
    WrongJob("augment", [["type": "cutmix", "alpha": 0]], "augment.0.alpha", says: "must be > 0, got 0"),
    WrongJob("augment", [["type": "cutmix", "p": 1.5]], "augment.0.p", says: "from 0 to 1, got 1.5"),
    WrongJob(
      "augment", [["type": "cutmix", "lambda": 1]], "augment.0.lambda", says: "not a field of cutmix"),
    WrongJob(
      "augment", [["type": "mixup"], ["type": "cutmix"]], "augment.0.type", says: "cutmix comes after it"),
    WrongJob(
      "augment", [["type": "mixup"], ["type": "random_shift"]], "augment.0.type", says: "must come last"),
  ]

  @Test("G8 faults are named", arguments: wrong) func faultsAreNamed(_ wrong: WrongJob) throws {
    let error = #expect(throws: SpecError.self) {
      try plan(CourseTests.small([(wrong.path, wrong.value)]))
    }
    #expect(
      error?.field == wrong.field && error?.message.contains(wrong.says) == true, "\(error?.message ?? "")")
    let table = #expect(throws: SpecError.self) {
      try plan(job([("augment", [["type": "cutmix"]])]))
    }
    #expect(table?.message.contains("is for pictures") == true)
    func weighted(_ parts: Int) -> JSON {
      CourseTests.small([
        ("augment", [["type": "mixup"]]), ("loss.class_weights", .array((1...10).map { JSON($0) })),
        ("train.accumulate", JSON(parts)),
      ])
    }
    let parts = #expect(throws: SpecError.self) { try plan(weighted(2)) }
    #expect(parts?.field == "loss.class_weights" && parts?.message.contains("in parts") == true)
    #expect(throws: Never.self) { try plan(weighted(1)) }
  }
}
