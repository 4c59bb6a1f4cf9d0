// How flat the place is where a run has ended: the largest loss in a small box around it.

import Autodiff
import JSON

/// What was found in the box around a model.
public struct Sharpness: Sendable, Equatable {
  /// The loss of the model itself.
  public let loss: Double
  /// The largest loss that was found in the box.
  public let maximum: Double
  /// How many examples the loss is the mean over.
  public let examples: Int

  /// 100 (maximum - loss) / (1 + loss): Keskar et al. 2017, "On Large-Batch Training for Deep Learning", metric 2.1.
  public var sharpness: Double { 100 * (maximum - loss) / (1 + loss) }

  /// Looks for the largest loss where each parameter x moves by at most epsilon (|x| + 1), by ascents with the signs of the
  /// gradient from the model itself and from random places of the box, each of `steps` steps, of which the first go
  /// across the whole box and later ones less far. The loss is that of the training part, or of its first `limit`
  /// examples, by default eight batches of an evaluation (2048 examples, fewer of running text), without penalties,
  /// dropout, augmentation or noise; batch norm takes the statistics of batches, as in training. The same question has the
  /// same answer, bit for bit. `goOn` is asked before each step, and throws to end the search.
  public static func measure(
    spec: JobSpec, catalog: DatasetCatalog, checkpoint: ByteSource, epsilon: Double, steps: Int, starts: Int,
    limit: Int? = nil, seed: UInt64, threads: Int = 1, goOn: () throws -> Void = {}
  ) throws -> Sharpness {
    let quiet = try JobSpec.decode(withoutNoise(spec.encode()), catalog: catalog)
    let plan = try JobPlan.make(quiet, catalog: catalog, isResuming: true)
    guard Prediction.isKnown(plan.spec.loss) else {
      throw SpecError("loss.type", "draws what is to be predicted anew at every step, so it has no landscape")
    }
    let model = try Checkpoint.evaluatedModel(of: Safetensors(checkpoint))
    let landscape = try Landscape(
      plan, model, limit: limit ?? 8 * plan.dataset.evaluationBatch, threads: threads)
    let center = landscape.center
    let loss = landscape.lossAndGradient(at: center).loss
    var maximum = loss
    let random = RandomStream(seed: seed, .sharpness)
    let reach = center.map { Float(epsilon) * (abs($0) + 1) }
    for start in 0..<starts {
      var moved = center
      if start > 0 {
        for index in moved.indices {
          moved[index] += Float(2 * random.uniform(start, index) - 1) * reach[index]
        }
      }
      for step in 0..<steps {
        try goOn()
        let (height, gradient) = landscape.lossAndGradient(at: moved)
        maximum = max(maximum, height)
        // From one side of the box to the other, then half as far with each third of the steps.
        let stride = 2 * Float(sign: .plus, exponent: -(3 * step / steps), significand: 1)
        for index in moved.indices where gradient[index] != 0 {
          let target = moved[index] + (gradient[index] > 0 ? stride : -stride) * reach[index]
          moved[index] = min(max(target, center[index] - reach[index]), center[index] + reach[index])
        }
      }
      maximum = max(maximum, landscape.lossAndGradient(at: moved).loss)
    }
    return Sharpness(loss: loss, maximum: maximum, examples: landscape.examples)
  }

  /// The job without what is random in training, or trains less than all of the model.
  private static func withoutNoise(_ spec: JSON) -> JSON {
    guard var job = spec.objectValue else { return spec }
    job["augment"] = nil
    job["average"] = nil
    if let model = job["model"] { job["model"] = quiet(model) }
    if var train = job["train"]?.objectValue {
      train["unfreeze_at"] = nil
      job["train"] = .object(train)
    }
    return .object(job)
  }

  private static func quiet(_ json: JSON) -> JSON {
    if let items = json.arrayValue { return .array(items.map(quiet)) }
    guard var object = json.objectValue else { return json }
    for (key, value) in object.entries {
      switch key {
      case "freeze": object[key] = value.arrayValue == nil ? false : []
      case "unfreeze_at", "init_from": object[key] = nil
      case "dropout": object[key] = 0
      case "p" where object["type"] == "dropout": object[key] = 0
      default: object[key] = quiet(value)
      }
    }
    return .object(object)
  }
}

/// The loss of a job's training part as a function of the parameters, flat, as they are stored.
private final class Landscape {
  let examples: Int
  private(set) var center: [Float] = []

  private let plan: JobPlan
  private let part: Part
  private let parameters: Arena
  private let gradients: Arena
  private let executors: [Int: Executor]
  private let filler: BatchFiller
  /// Where a stored float belongs to a parameter, and is no padding.
  private let isUsed: [Bool]

  init(_ plan: JobPlan, _ model: [NamedTensor], limit: Int, threads: Int) throws {
    self.plan = plan
    var rows = Array(plan.split.train.rows.prefix(limit))
    // Batch norm has no statistics of a single example.
    if rows.count > 1, rows.count % plan.dataset.evaluationBatch == 1, !plan.architecture.buffers.isEmpty {
      rows.removeLast()
    }
    part = Part(
      examples: plan.split.train.examples, rows: rows,
      lastStart: plan.split.train.lastStart)
    examples = part.count
    let (pool, kernels) = (ThreadPool(threads: threads), try KernelTable.select())
    filler = BatchFiller(
      standardization: plan.spec.dataset.standardize ? Standardization(plan.split.train) : nil,
      passes: FlatPasses(pool: pool, kernels: kernels))
    let (layout, kept) = (plan.programs.layout, plan.programs.buffers)
    let (parameters, gradients) = (Arena(floats: layout.floats), Arena(floats: layout.floats))
    let buffers = Arena(floats: kept.floats)
    let marks = Arena(floats: layout.floats)
    for (index, entry) in layout.entries.enumerated() {
      guard let tensor = model.first(where: { $0.name == entry.name }), tensor.shape == entry.shape else {
        throw TrainingError(
          step: nil, description: "the checkpoint has no tensor \(entry.name) of shape \(entry.shape)")
      }
      try layout.write(tensor.values, to: index, in: parameters)
      try layout.write(tensor.values.map { _ in 1 }, to: index, in: marks)
    }
    var executors: [Int: Executor] = [:]
    for size in Set(Programs.batches(of: part.count, plan.dataset.evaluationBatch)) {
      let program = try Programs.forGradients(plan.architecture, plan.spec, batch: size)
      executors[size] = try Executor(
        program, parameters: parameters, gradients: gradients, buffers: buffers, pool: pool, kernels: kernels)
    }
    (self.parameters, self.gradients, self.executors) = (parameters, gradients, executors)
    isUsed = (0..<layout.floats).map { marks.pointer[$0] == 1 }
    center = isUsed.indices.filter { isUsed[$0] }.map { parameters.pointer[$0] }
  }

  /// The mean loss over all examples, and its gradient.
  func lossAndGradient(at place: [Float]) -> (loss: Double, gradient: [Float]) {
    var next = 0
    for index in isUsed.indices where isUsed[index] {
      parameters.pointer[index] = place[next]
      next += 1
    }
    var loss = 0.0
    var sum = [Float](repeating: 0, count: place.count)
    var first = 0
    for size in Programs.batches(of: part.count, plan.dataset.evaluationBatch) {
      guard let executor = executors[size] else { continue }
      let rows = part.rows[first..<first + size]
      filler.fill(rows, of: part.examples, features: executor.input, stride: executor.inputStride)
      filler.fillAnswers(
        rows, of: part.examples, labels: executor.labels, targets: executor.targets,
        stride: executor.targetStride)
      executor.run(seed: 0, step: 0)
      let share = Double(size) / Double(part.count)
      loss += executor.loss * share
      next = 0
      for index in isUsed.indices where isUsed[index] {
        sum[next] += Float(share) * gradients.pointer[index]
        next += 1
      }
      first += size
    }
    return (loss, sum)
  }
}
