// Boosting: which examples the next member is to look at more.

import Autodiff
import JSON

/// The weights of examples and members in boosting with several classes. A member whose weighted share of wrong answers is
/// e votes with log((1 - e) / e) + log(classes - 1), and the examples it got wrong grow by the exponential of that; a
/// member without a fault counts as wrong on half an example, and one that is no better than chance has no vote and
/// makes all weights equal again. SAMME: Zhu, Zou, Rosset, Hastie 2009, "Multi-class AdaBoost".
public struct Samme: Sendable, Equatable {
  /// What one member was found to be.
  public struct Member: Sendable, Equatable {
    /// The weighted share of examples it got wrong.
    public let error: Double
    /// The weight of its vote, at least 0.
    public let vote: Double
  }

  /// The members so far.
  public private(set) var members: [Member] = []
  /// The weight of each example for the next member; they add up to 1.
  public private(set) var weights: [Double]
  private let classes: Int

  /// Equal weights of `examples` examples, at least one.
  public init(examples: Int, classes: Int) {
    weights = [Double](repeating: 1 / Double(examples), count: examples)
    self.classes = max(2, classes)
  }

  /// Takes in the next member by which examples it got wrong, one for each weight.
  public mutating func add(wrong: [Bool]) {
    let error = zip(weights, wrong).reduce(0) { $0 + ($1.1 ? $1.0 : 0) }
    let least = 0.5 / Double(weights.count)
    let bounded = min(max(error, least), 1 - least)
    let vote = ExactMath.log((1 - bounded) / bounded) + ExactMath.log(Double(classes - 1))
    guard vote > 0 else {
      members.append(Member(error: error, vote: 0))
      self = Samme(members, examples: weights.count, classes: classes)
      return
    }
    members.append(Member(error: error, vote: vote))
    let growth = ExactMath.exp(vote)
    for index in weights.indices where wrong[index] { weights[index] *= growth }
    let total = weights.reduce(0, +)
    for index in weights.indices { weights[index] /= total }
  }

  private init(_ members: [Member], examples: Int, classes: Int) {
    self.init(examples: examples, classes: classes)
    self.members = members
  }

  /// The votes of the members, which add up to 1; equal ones where none has a vote.
  public var votes: [Double] {
    let total = members.reduce(0) { $0 + $1.vote }
    return members.map { total > 0 ? $0.vote / total : 1 / Double(members.count) }
  }

  /// As many places as there are examples, drawn with replacement by their weights, in order.
  func draw(_ random: RandomStream) -> [Int] {
    var ends: [Double] = []
    var sum = 0.0
    for weight in weights {
      sum += weight
      ends.append(sum)
    }
    return weights.indices.map { draw in
      let target = random.uniform(1, draw) * sum
      var (low, high) = (0, ends.count - 1)
      while low < high {
        let middle = (low + high) / 2
        if ends[middle] > target { high = middle } else { low = middle + 1 }
      }
      return low
    }.sorted()
  }
}

/// `dataset.boost_after` at work: the runs that came before, and what they got wrong.
struct Boosting: Sendable {
  /// The checkpoints of the members so far.
  private let checkpoints: [ByteSource]
  private let catalog: DatasetCatalog

  /// Reads the runs' newest checkpoints; throws with the path of a run that cannot be used. Nil when there are none.
  init?(_ spec: JobSpec, _ catalog: DatasetCatalog, _ source: JobPlan.CheckpointSource) throws(SpecError) {
    guard !spec.dataset.boostAfter.isEmpty else { return nil }
    self.catalog = catalog
    var checkpoints: [ByteSource] = []
    for (index, run) in spec.dataset.boostAfter.enumerated() {
      do { checkpoints.append(try source(.checkpoint(run: run, "latest"))) } catch {
        throw SpecError("dataset.boost_after.\(index)", "cannot be read: \(error)")
      }
    }
    self.checkpoints = checkpoints
  }

  /// Weights after the members so far, by their answers on the training part of `plan`.
  func weights(_ plan: JobPlan) throws -> Samme {
    let weights = BoostingWeights(plan)
    for (index, checkpoint) in checkpoints.enumerated() {
      let predictor = try Predictor(checkpoint: checkpoint, catalog: catalog)
      guard predictor.reads(plan.dataset) else {
        throw SpecError(
          "dataset.boost_after.\(index)", "is a run on another data set than \(plan.dataset.name)")
      }
      try weights.add(predictor)
    }
    return weights.samme
  }
}

extension JobPlan {
  /// The examples that are trained on: the split's, or those that boosting draws of them.
  func trainingPart() throws -> Part {
    guard let boosting else { return split.train }
    var part = split.train
    let places = try boosting.weights(self).draw(RandomStream(seed: spec.seed, .bootstrap))
    part.rows = places.map { split.train.rows[$0] }
    return part
  }
}

/// The weights that boosting gives to the examples of a training part, member after member.
public final class BoostingWeights {
  /// Weights of examples and members so far.
  public private(set) var samme: Samme
  private let part: Part

  /// Equal weights of the training part of a model's job, as it is before anything is drawn of it.
  public convenience init(_ first: Predictor) { self.init(first.plan) }

  init(_ plan: JobPlan) {
    part = plan.split.train
    samme = Samme(examples: part.count, classes: plan.dataset.outputs)
  }

  /// Takes in the next member.
  public func add(_ predictor: Predictor) throws { samme.add(wrong: try predictor.wrong(on: part)) }

  /// The `count` examples of the largest weights, by their numbers in the data set, largest first.
  public func largest(_ count: Int) -> [(example: Int, weight: Double)] {
    samme.weights.indices.sorted { (-samme.weights[$0], $0) < (-samme.weights[$1], $1) }.prefix(count).map {
      (Int(part.rows[$0]), samme.weights[$0])
    }
  }
}
