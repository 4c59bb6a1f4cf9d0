// Model parallelism: which layers belong to which stage, and how an update's examples are cut.

/// A stage of a pipeline: layers that follow each other.
public struct StageSummary: Sendable, Equatable {
  /// The layers' names, as in `LayerSummary`.
  public let layers: [String]
  /// How many numbers they train.
  public let parameters: Int
}

/// The layers of a model in as many groups as there are stages.
struct Stages: Sendable {
  /// The first layer of each stage.
  let firstLayers: [Int]
  /// The number of the first parameter of each stage, as they are counted through the model.
  let firstParameters: [Int]
  private let parameterCount: Int

  /// Cuts where the work so far comes nearest to an even share; every stage has at least one layer.
  init(_ architecture: Architecture, count: Int) {
    let work = architecture.layers.map { Self.work($0.shape) }
    let total = work.reduce(0, +)
    var firsts = [0]
    var done = 0.0
    for layer in work.indices.dropFirst() where firsts.count < count {
      done += work[layer - 1]
      let share = total * Double(firsts.count) / Double(count)
      let isDue = done + work[layer] / 2 >= share
      let isLastChance = work.count - layer == count - firsts.count
      if isDue || isLastChance { firsts.append(layer) }
    }
    firstLayers = firsts
    let before = architecture.layers.reduce(into: [0]) { sums, layer in
      sums.append((sums.last ?? 0) + layer.shape.parameters.count { !$0.isBuffer })
    }
    firstParameters = firsts.map { before[$0] }
    parameterCount = before.last ?? 0
  }

  var count: Int { firstLayers.count }

  /// The same layers in fewer groups of neighbours, for as many workers as there are; the numbers of the first
  /// parameters of each.
  func merged(into workers: Int) -> [Int] {
    let workers = min(workers, count)
    return (0..<workers).map { firstParameters[count * $0 / workers] }
  }

  func summaries(_ layers: [LayerSummary]) -> [StageSummary] {
    firstLayers.indices.map { stage in
      let own = layers[firstLayers[stage]..<(stage + 1 < count ? firstLayers[stage + 1] : layers.count)]
      return StageSummary(layers: own.map(\.name), parameters: own.reduce(0) { $0 + $1.parameters })
    }
  }

  /// Multiplications for one example, about: each weight once for each place it is used at, each output once.
  private static func work(_ shape: LayerShape) -> Double {
    let places =
      shape.output.count > 1
      ? (shape.output.count == 3 ? shape.output.dropFirst() : shape.output.dropLast()).reduce(1, *) : 1
    let weights = shape.parameters.reduce(0) { $0 + ($1.isBuffer || $1.isTable ? 0 : $1.count) }
    return Double(weights) * Double(places) + Double(shape.output.reduce(1, *))
  }
}

/// The share of a batch that one replica computes, in micro-batches.
struct Shard: Sendable, Equatable {
  /// Which replica, from 0.
  let replica: Int
  /// How many examples each micro-batch has.
  let microBatches: [Int]

  /// The shards of an update of `count` examples: batches, each cut into as even parts as there are replicas, each of
  /// them into as even parts as there are micro-batches.
  static func all(of count: Int, batchSize: Int, _ train: TrainSpec) -> [Shard] {
    stride(from: 0, to: count, by: batchSize).flatMap { first in
      even(min(batchSize, count - first), parts: train.replicas).enumerated().map { replica, size in
        Shard(replica: replica, microBatches: even(size, parts: train.microBatches))
      }
    }
  }

  private static func even(_ size: Int, parts: Int) -> [Int] {
    let parts = min(parts, size)
    return (0..<parts).map { size * ($0 + 1) / parts - size * $0 / parts }
  }
}
