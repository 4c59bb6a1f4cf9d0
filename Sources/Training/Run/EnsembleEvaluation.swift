// Models evaluated on the same examples, each for itself and all together: the mean of what they predict.

import Autodiff
import JSON

/// The part of a data set that models are compared on.
public enum EvaluationSplit: String, Sendable, CaseIterable {
  case train, validation, test

  /// What the keys of its metrics begin with.
  public var prefix: String { self == .validation ? "val" : rawValue }
}

/// Sums that make a loss and an accuracy; those of several parts can be added.
public struct EvaluationTotals: Sendable, Equatable {
  /// The sum that the loss is the mean of.
  public var lossSum = 0.0
  /// How much it is divided by.
  public var lossTerms = 0.0
  /// How many predictions were right; nil for regression.
  public var correct: Int?
  /// How many predictions there were.
  public var predictions = 0

  /// The mean of the loss.
  public var loss: Double { lossSum / lossTerms }

  /// `PREFIX/loss`, and for classes `PREFIX/accuracy`.
  public func metrics(_ prefix: String) -> [(key: String, value: Double)] {
    [("\(prefix)/loss", loss)]
      + (correct.map { [("\(prefix)/accuracy", Double($0) / Double(predictions))] } ?? [])
  }

  /// The totals of both parts together.
  public static func + (a: EvaluationTotals, b: EvaluationTotals) -> EvaluationTotals {
    var sum = a
    sum.lossSum += b.lossSum
    sum.lossTerms += b.lossTerms
    sum.correct = a.correct.flatMap { left in b.correct.map { left + $0 } }
    sum.predictions += b.predictions
    return sum
  }

  /// Totals of nothing.
  public init(isClassifier: Bool) { correct = isClassifier ? 0 : nil }
}

/// Evaluates one model after the other on the same part of a data set and keeps the mean of their predictions:
/// probabilities for classes, numbers for regression.
public final class EnsembleEvaluation {
  /// The part.
  public let split: EvaluationSplit
  private let plan: JobPlan
  private let part: Part
  private let width: Int
  /// Sums over the members: of their votes, of predictions times votes, and for regression of predictions and their
  /// squares.
  private var votes = 0.0
  private var sums: [Double]
  private var plain: [Double] = []
  private var squares: [Double] = []
  private var count = 0

  /// Numbers that are kept at most: 256 MiB of them.
  private static let limit = 32 << 20

  /// An evaluation on a part of the data of `reference`, cut as its job says. Throws when there is no such part, or when
  /// it is too large.
  public init(_ reference: Predictor, _ split: EvaluationSplit) throws(SpecError) {
    plan = reference.plan
    self.split = split
    guard let found = reference.part(split) else {
      throw SpecError(
        "split", "must be one that the first member's job has; it has no \(split.rawValue) part")
    }
    part = found
    width = plan.architecture.outputs / plan.dataset.predictionsEach
    let numbers = found.count * plan.architecture.outputs
    guard numbers <= Self.limit else {
      throw SpecError(
        "split", "has \(numbers) predictions, more than the \(Self.limit) that can be averaged")
    }
    guard Prediction.isKnown(plan.spec.loss) else {
      throw SpecError("members", "must predict classes or numbers, which models of this loss do not")
    }
    sums = [Double](repeating: 0, count: numbers)
    if plan.dataset.info.task == .regression { (plain, squares) = (sums, sums) }
  }

  /// How many examples the part has.
  public var examples: Int { part.count }

  /// Evaluates a model; its predictions count `vote` in the mean. Throws when it does not read the same data or does not
  /// give the same kind of output.
  public func add(_ predictor: Predictor, vote: Double = 1) throws -> EvaluationTotals {
    guard predictor.reads(plan.dataset), predictor.plan.architecture.outputs == plan.architecture.outputs,
      predictor.plan.spec.loss.encoded["type"] == plan.spec.loss.encoded["type"]
    else {
      throw SpecError(
        "members.\(count)",
        "must be a model of \(plan.dataset.name) with the same outputs and loss as the first")
    }
    let predictions = try predictor.predictions(part)
    for index in predictions.indices { sums[index] += vote * predictions[index] }
    if !squares.isEmpty {
      for index in predictions.indices {
        plain[index] += predictions[index]
        squares[index] += predictions[index] * predictions[index]
      }
    }
    votes += vote
    count += 1
    return totals(predictions)
  }

  /// The mean prediction evaluated; call it after at least one `add`.
  public func ensemble() -> EvaluationTotals { totals(sums.map { $0 / votes }) }

  /// How many of the part's examples a model was trained on.
  public func seen(by predictor: Predictor) -> Int {
    let size = split == .test ? plan.spec.dataset.test : plan.spec.dataset.validation
    // The set's own test split is another table, which nothing is trained on.
    if split != .train, size == .ownTestSplit { return 0 }
    if part.examples.tokens != nil {
      let (train, width) = (predictor.plan.split.train, Int32(part.examples.width))
      guard let first = train.rows.first else { return 0 }
      return part.rows.count { $0 + width > first && $0 <= train.lastStart + width - 1 }
    }
    let trained = Set(predictor.plan.split.train.rows)
    return part.rows.count { trained.contains($0) }
  }

  /// For regression, by example: what the members predict on the mean, how far their predictions vary around that (dividing by
  /// their number), and what is right. Nil for classes.
  public func spread() -> (mean: [Double], variance: [Double], target: [Double])? {
    guard !squares.isEmpty, count > 0, width == 1 else { return nil }
    let members = Double(count)
    let mean = plain.map { $0 / members }
    let variance = zip(squares, mean).map { max(0, $0 / members - $1 * $1) }
    return (mean, variance, part.rows.map { Double(part.examples.targets[Int($0)]) })
  }

  /// Features, brought to mean 0 and deviation 1, and targets of at most `limit` examples of the training part and this
  /// one, evenly chosen: what the noise of the targets can be estimated from.
  public func table(limit: Int) -> (features: [Double], width: Int, targets: [Double]) {
    let rows = Array(Set(plan.split.train.rows + (split == .test ? [] : part.rows))).sorted()
    let chosen = rows.count <= limit ? rows : (0..<limit).map { rows[$0 * rows.count / limit] }
    let examples = plan.split.train.examples
    let scaling = Standardization(Part(examples: examples, rows: chosen))
    var features: [Double] = []
    for row in chosen {
      for column in 0..<examples.width {
        let value =
          (examples.features[Int(row) * examples.width + column] - scaling.mean[column])
          * scaling.scale[column]
        features.append(value.isNaN ? 0 : Double(value))
      }
    }
    return (features, examples.width, chosen.map { Double(examples.targets[Int($0)]) })
  }

  private func totals(_ predictions: [Double]) -> EvaluationTotals {
    Prediction.evaluate(predictions, width: width, part, plan.spec.loss)
  }
}

extension JobPlan {
  /// Whether the job leaves such a part; without one, whether it leaves any to evaluate on.
  public func has(_ split: EvaluationSplit?) -> Bool {
    switch split {
    case nil: self.split.validation != nil || self.split.test != nil
    case .train: true
    case .validation: self.split.validation != nil
    case .test: self.split.test != nil
    }
  }

  /// Whether its data have classes.
  public var isClassification: Bool { dataset.info.task == .classification }
}

extension Predictor {
  /// Whether the job leaves such a part.
  public func has(_ split: EvaluationSplit) -> Bool { part(split) != nil }

  func part(_ split: EvaluationSplit) -> Part? {
    switch split {
    case .train: plan.split.train
    case .validation: plan.split.validation
    case .test: plan.split.test
    }
  }

  /// The model of a checkpoint alone, which knows its job. Throws when the job's data cannot be read.
  public convenience init(checkpoint: ByteSource, catalog: DatasetCatalog, threads: Int = 1) throws {
    let text = try Checkpoint(withoutTensorsOf: try Safetensors(checkpoint)).spec
    let spec = try JobSpec.decode(try JSON.parse(text), catalog: catalog)
    try self.init(spec: spec, catalog: catalog, checkpoint: checkpoint, threads: threads)
  }

  /// Whether it was trained on that data, as it lies here.
  func reads(_ dataset: Dataset) -> Bool {
    plan.dataset.info == dataset.info && plan.dataset.pool.count == dataset.pool.count
  }

  /// What the model predicts for a part: [examples * predictions each, width], probabilities for classes.
  func predictions(_ part: Part) throws -> [Double] {
    let outputs = try network.outputs(of: part)
    guard plan.dataset.info.task == .classification else { return outputs.map(Double.init) }
    let width = plan.architecture.outputs / plan.dataset.predictionsEach
    var probabilities = [Double](repeating: 0, count: outputs.count)
    let isYesOrNo = plan.spec.loss is BinaryCrossEntropyLoss
    for start in stride(from: 0, to: outputs.count, by: width) {
      if isYesOrNo {
        for index in start..<start + width {
          probabilities[index] = 1 / (1 + ExactMath.exp(-Double(outputs[index])))
        }
        continue
      }
      let top = Double(outputs[start..<start + width].max() ?? 0)
      var total = 0.0
      for index in start..<start + width {
        probabilities[index] = ExactMath.exp(Double(outputs[index]) - top)
        total += probabilities[index]
      }
      for index in start..<start + width { probabilities[index] /= total }
    }
    return probabilities
  }

  /// Which examples of a part of a data set with one class an example it gets wrong.
  func wrong(on part: Part) throws -> [Bool] {
    let predictions = try predictions(part)
    let width = plan.architecture.outputs
    return part.rows.indices.map { index in
      Prediction.choice(predictions[index * width..<(index + 1) * width])
        != Int(part.examples.labels[Int(part.rows[index])])
    }
  }
}

/// Predictions, probabilities of classes or numbers, held against what is right.
enum Prediction {
  /// Whether `evaluate` knows a loss.
  static func isKnown(_ loss: any Loss) -> Bool {
    loss is CrossEntropyLoss || loss is BinaryCrossEntropyLoss || loss is MeanSquaredLoss
      || loss is MeanAbsoluteLoss || loss is HuberLoss
  }

  /// The likeliest class, the first of several; of one probability the second class where it is above one half.
  static func choice(_ probabilities: ArraySlice<Double>) -> Int {
    if probabilities.count == 1 { return (probabilities.first ?? 0) > 0.5 ? 1 : 0 }
    return (probabilities.indices.max { (probabilities[$0], -$0) < (probabilities[$1], -$1) } ?? 0)
      - probabilities.startIndex
  }

  /// Loss and accuracy of predictions of `width` numbers for each example, or token, of a part.
  static func evaluate(_ predictions: [Double], width: Int, _ part: Part, _ loss: any Loss)
    -> EvaluationTotals
  {
    let isClassifier = loss.task == .classification
    var totals = EvaluationTotals(isClassifier: isClassifier)
    let each = part.examples.tokens == nil ? 1 : part.examples.width
    for (index, row) in part.rows.enumerated() {
      for place in 0..<each {
        let start = (index * each + place) * width
        let prediction = predictions[start..<start + width]
        totals.predictions += 1
        guard isClassifier else {
          add(prediction, target: Double(part.examples.targets[Int(row)]), loss, to: &totals)
          continue
        }
        let label = Int(part.examples.tokens?[Int(row) + place + 1] ?? part.examples.labels[Int(row)])
        if choice(prediction) == label { totals.correct = (totals.correct ?? 0) + 1 }
        add(prediction, label: label, loss, to: &totals)
      }
    }
    return totals
  }

  private static func add(
    _ prediction: ArraySlice<Double>, target: Double, _ loss: any Loss, to totals: inout EvaluationTotals
  ) {
    for value in prediction {
      let distance = abs(value - target)
      totals.lossTerms += 1
      switch loss {
      case is MeanAbsoluteLoss: totals.lossSum += distance
      case let huber as HuberLoss:
        totals.lossSum +=
          distance <= huber.delta
          ? distance * distance / 2 : huber.delta * (distance - huber.delta / 2)
      default: totals.lossSum += distance * distance
      }
    }
  }

  private static func add(
    _ probabilities: ArraySlice<Double>, label: Int, _ loss: any Loss, to totals: inout EvaluationTotals
  ) {
    // Below the smallest normal number there is no logarithm to speak of.
    func log(_ probability: Double) -> Double { ExactMath.log(max(probability, .leastNormalMagnitude)) }
    guard let loss = loss as? CrossEntropyLoss else {
      let weight = (loss as? BinaryCrossEntropyLoss)?.positiveWeight ?? 1
      for (index, yes) in probabilities.enumerated() {
        let isRight = probabilities.count == 1 ? label == 1 : label == index
        totals.lossSum -= isRight ? weight * log(yes) : log(1 - yes)
        totals.lossTerms += 1
      }
      return
    }
    func weight(_ label: Int) -> Double { loss.classWeights?[label] ?? 1 }
    let smoothing = loss.labelSmoothing
    let first = probabilities.startIndex
    totals.lossSum -= (1 - smoothing) * weight(label) * log(probabilities[first + label])
    if smoothing > 0 {
      let all = probabilities.enumerated().reduce(0) { $0 + weight($1.offset) * log($1.element) }
      totals.lossSum -= smoothing / Double(probabilities.count) * all
    }
    totals.lossTerms += weight(label)
  }
}
