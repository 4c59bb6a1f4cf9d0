// A job checked whole: everything that can be known before the first step is known here, and nothing has been
// computed or allocated for it.

import Autodiff
import JSON

/// A job that will run: its data cut, its model's shapes and its memory known.
public struct JobPlan: Sendable {
  /// What a job may use at most, when nobody says otherwise: 2 GiB.
  public static let defaultMemoryLimit = 2 << 30

  /// The full job.
  public let spec: JobSpec
  /// One row a layer.
  public let layers: [LayerSummary]
  /// How many numbers are trained.
  public let parameters: Int
  /// Updates in an epoch.
  public let stepsPerEpoch: Int
  /// Updates in the whole run.
  public let totalSteps: Int
  /// Bytes of parameters, gradients, optimizer state and activations together.
  public let memoryBytes: Int

  let dataset: Dataset
  let split: Split
  let architecture: Architecture
  let programs: Programs
  /// Examples of a full batch: `batch_size`, or the whole training part where that is smaller.
  let batchSize: Int

  /// Checks a job against its data and a limit of memory; throws the first fault with the path of its field.
  public static func make(
    _ spec: JobSpec, catalog: DatasetCatalog = .builtin, memoryLimit: Int = defaultMemoryLimit
  ) throws(SpecError) -> JobPlan {
    try JobPlan(spec, catalog, memoryLimit)
  }

  private init(_ spec: JobSpec, _ catalog: DatasetCatalog, _ memoryLimit: Int) throws(SpecError) {
    self.spec = spec
    do { dataset = try catalog.load(spec.dataset.name) } catch {
      throw SpecError(field: "dataset.name", message: "dataset.name: \(error.reason)")
    }
    guard spec.loss.task == dataset.info.task else {
      throw SpecError(
        "loss.type",
        "is for \(spec.loss.task.rawValue), but \(dataset.name) asks for \(dataset.info.task.rawValue)")
    }
    split = try Split(dataset, spec.dataset, seed: spec.seed)
    let slots = spec.optimizer.slots.count
    architecture = try Architecture(spec.model, dataset, memoryLimit: memoryLimit, copies: 2 + slots)
    layers = architecture.summaries
    parameters = layers.reduce(0) { $0 + $1.parameters }
    guard parameters > 0 else { throw SpecError("model.layers", "have nothing to train") }

    let train = spec.train
    batchSize = min(train.batchSize, split.train.count)
    let rest = split.train.count % batchSize
    stepsPerEpoch = split.train.count / batchSize + (rest > 0 && !train.dropLast ? 1 : 0)
    switch train.length {
    case .steps(let steps): totalSteps = steps
    case .epochs(let epochs):
      let (steps, overflow) = epochs.multipliedReportingOverflow(by: stepsPerEpoch)
      guard !overflow, steps <= TrainSpec.maxSteps else {
        throw SpecError("train.epochs", "makes more than \(TrainSpec.maxSteps) steps")
      }
      totalSteps = steps
    }
    programs = try Programs(
      architecture, spec, dataset, split, batchSize: batchSize,
      shortBatch: rest > 0 && !train.dropLast && totalSteps >= stepsPerEpoch ? rest : nil)
    memoryBytes = programs.memoryBytes(slots: slots)
    guard memoryBytes <= memoryLimit else {
      throw SpecError(
        "train.batch_size",
        "of \(batchSize) makes the job need \(memoryBytes >> 20) MiB, more than the \(memoryLimit >> 20) MiB it may use"
      )
    }
  }

  /// One line for the run's log.
  var summary: String {
    let parts = [("validating on", split.validation), ("testing on", split.test)].compactMap { what, part in
      part.map { ", \(what) \($0.count)" }
    }
    return
      "training on \(split.train.count) examples of \(dataset.name)\(parts.joined()); \(parameters) parameters, "
      + "\(stepsPerEpoch) steps an epoch, \(totalSteps) steps"
  }
}
