// A job as the user describes it (`JobSpec` in openapi.json): the only configuration of a run. `decode` fills in every
// default and refuses what it does not know; `encode` gives the full description back.
//
// To add a field, read it in the spec's initializer and write it in `encoded`; to add a method, add its file
// and its row in the family's `MethodTable`.

import JSON

/// A job, whole: decoding has filled in every default.
public struct JobSpec: Sendable {
  /// Experiment of the run.
  public let experiment: String
  /// Name of the run; the data set's when none was given.
  public let name: String
  /// Everything random in the run follows from it: 0 to 2^53.
  public let seed: UInt64
  /// Tags of the run.
  public let tags: [(key: String, value: String)]
  /// Jobs of higher priority start first.
  public let priority: Int

  /// The recipe that has filled in settings; nil for none.
  let recipe: Recipe?
  let dataset: DatasetSpec
  /// What is done to examples before they are trained on, in order.
  let augment: [any Augmentation]
  let model: ModelSpec
  let loss: any Loss
  let penalties: Penalties
  let optimizer: OptimizerSpec
  let schedule: ScheduleSpec
  let train: TrainSpec
  let checkpoint: CheckpointSpec
  let average: (any Average)?

  /// Reads a job and fills in its defaults; throws the first fault with the path of its field.
  public static func decode(_ json: JSON, catalog: DatasetCatalog = .builtin) throws(SpecError) -> JobSpec {
    try JobSpec(FieldReader(Recipe.applied(to: json), at: ""), catalog)
  }

  private init(_ fields: FieldReader, _ catalog: DatasetCatalog) throws(SpecError) {
    experiment = try fields.string("experiment", default: "Default")
    let name = fields.value("name") == nil ? nil : try fields.string("name")
    seed = UInt64(try fields.integer("seed", 0...1 << 53, default: 0))
    tags = try Self.tags(fields)
    priority = try fields.integer("priority", -1_000_000...1_000_000, default: 0)
    recipe = fields.value("preset")?.stringValue.flatMap(Recipe.init(rawValue:))
    for required in ["dataset", "model", "optimizer"] where fields.value(required) == nil {
      throw SpecError(required, "is required")
    }
    dataset = try DatasetSpec(fields.object("dataset"), catalog)
    self.name = name ?? dataset.name
    let task: DatasetTask
    do { task = try catalog.info(dataset.name).task } catch {
      throw SpecError(field: "dataset.name", message: "dataset.name: \(error.reason)")
    }
    var augment: [any Augmentation] = []
    if fields.value("augment") != nil {
      for item in try fields.list("augment", count: 0...32) {
        augment.append(try item.method(.augmentations))
      }
    }
    self.augment = augment
    model = try ModelSpec(fields.object("model"))
    let lossFields = try fields.object("loss")
    penalties = try Penalties(lossFields)
    loss = try lossFields.method(
      .losses, default: task == .classification ? CrossEntropyLoss.type : MeanSquaredLoss.type)
    var optimizer = try OptimizerSpec(fields.object("optimizer"))
    schedule = try ScheduleSpec(fields.object("schedule"))
    if let moved = schedule.firstMomentum, optimizer.method.momentum == 0 {
      optimizer.method.momentum = moved
    }
    self.optimizer = optimizer
    train = try TrainSpec(fields.object("train"))
    checkpoint = try CheckpointSpec(fields.object("checkpoint"), task)
    average = try fields.objectOrNone("average").map { fields throws(SpecError) in
      try fields.method(.averages)
    }
    try fields.finish("a job")
    try checkTogether(task)
  }

  /// What is wrong only because of another field.
  private func checkTogether(_ task: DatasetTask) throws(SpecError) {
    if schedule.schedule.movesMomentum == true, optimizer.method.momentum == nil {
      throw SpecError(
        "schedule.cycle_momentum", "must be false or left out, as the optimizer has no momentum to move")
    }
    for (path, watch) in watches where watch.metric == "val/accuracy" && task != .classification {
      throw SpecError("\(path).metric", "must be val/loss or train/loss, as there are no classes")
    }
    if let snapshots = average as? Snapshots, snapshots.every == nil,
      schedule.endsCycle(after: 1, total: 1) == nil
    {
      throw SpecError(
        "average.every", "is required unless the schedule has cycles: cosine_restarts or cyclic")
    }
  }

  /// Whether its data are texts, which may have to be gone through before it can be checked.
  public var readsText: Bool { dataset.text != nil }

  /// The deviation of all noise on the parameters.
  var weightNoise: Double {
    augment.compactMap { $0 as? WeightNoise }.reduce(0) { $0 + $1.std * $1.std }.squareRoot()
  }

  /// What mixes the examples of an update with each other.
  var mixing: (any Mixing)? { augment.lazy.compactMap { $0 as? any Mixing }.first }

  /// The metrics that decide something in a run, with the paths of what they decide.
  var watches: [(path: String, watch: Watch)] {
    (schedule.plateau.map { [("schedule", $0.watch)] } ?? [])
      + (train.earlyStopping.map { [("train.early_stopping", $0.watch)] } ?? [])
  }

  /// `loss` with its penalties.
  private var encodedLoss: JSONObject {
    var object = loss.encoded
    object["l1"] = .number(penalties.l1)
    object["l2"] = .number(penalties.l2)
    return object
  }

  /// The full job: decoding it again gives the same job.
  public func encode() -> JSON {
    var tags: JSONObject = [:]
    for (key, value) in self.tags { tags[key] = .string(value) }
    var object: JSONObject = [
      "experiment": .string(experiment), "name": .string(name), "seed": JSON(Int(seed)),
      "tags": .object(tags), "priority": JSON(priority), "dataset": dataset.encoded,
      "augment": .array(augment.map { .object($0.encoded) }), "model": model.encoded,
      "loss": .object(encodedLoss), "optimizer": .object(optimizer.encoded),
      "schedule": .object(schedule.encoded), "train": train.encoded, "checkpoint": checkpoint.encoded,
      "average": average.map { .object($0.encoded) } ?? .null,
    ]
    if let recipe { object["preset"] = .string(recipe.rawValue) }
    return .object(object)
  }

  /// What decides the numbers of a run: the job without what only names, sorts or speeds it. Kept in every
  /// checkpoint, so that equal training makes equal files.
  var training: JSON {
    guard var object = encode().objectValue else { return .null }
    for label in ["experiment", "name", "tags", "priority"] { object[label] = nil }
    if var train = object["train"]?.objectValue {
      // Who computes what changes no bit.
      train["threads"] = nil
      train["stages"] = nil
      object["train"] = .object(train)
    }
    return .object(object)
  }

  /// Every setting as a path and its text, as in ("optimizer.lr", "0.001"): the params of the run. Tags are
  /// not settings, and what is switched off (null) is left out.
  public var leaves: [(path: String, value: String)] {
    var leaves: [(path: String, value: String)] = []
    guard var object = encode().objectValue else { return leaves }
    object["tags"] = nil
    Self.collect(.object(object), "", into: &leaves)
    return leaves
  }

  private static func collect(
    _ json: JSON, _ path: String, into leaves: inout [(path: String, value: String)]
  ) {
    func below(_ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }
    switch json {
    case .null: break
    case .object(let object):
      for (key, value) in object.entries { collect(value, below(key), into: &leaves) }
    case .array(let items):
      for (index, item) in items.enumerated() { collect(item, below("\(index)"), into: &leaves) }
    case .string(let text): leaves.append((path, text))
    default: leaves.append((path, json.text))
    }
  }

  private static func tags(_ fields: FieldReader) throws(SpecError) -> [(key: String, value: String)] {
    guard let value = fields.value("tags") else { return [] }
    guard let object = value.objectValue, object.entries.count <= 100 else {
      throw fields.error("tags", must: "an object of at most 100 strings")
    }
    var tags: [(key: String, value: String)] = []
    for (key, value) in object.entries {
      guard let text = value.stringValue, (1...250).contains(key.count), text.count <= 5000 else {
        throw SpecError(
          "tags.\(key.prefix(60))",
          "must be a string of at most 5000 characters under a key of 1 to 250, got \(FieldReader.show(value))"
        )
      }
      tags.append((key, text))
    }
    return tags
  }
}

extension JobSpec: Equatable {
  /// Two jobs are equal when their full descriptions are.
  public static func == (a: JobSpec, b: JobSpec) -> Bool { a.encode() == b.encode() }
}
