// What runs take in and give out: data sets, and logged models.

/// A data set as a run names it; source, schema and profile are texts that only clients understand.
public struct DatasetRecord: Sendable, Equatable {
  /// Name.
  public var name: String
  /// Tells versions of a set apart.
  public var digest: String
  /// The kind of source.
  public var sourceType: String
  /// Where it came from.
  public var source: String
  /// Its columns; nil when they were not given.
  public var schema: String?
  /// Its statistics; nil when they were not given.
  public var profile: String?

  /// A data set.
  public init(
    name: String, digest: String, sourceType: String, source: String, schema: String? = nil,
    profile: String? = nil
  ) {
    self.name = name
    self.digest = digest
    self.sourceType = sourceType
    self.source = source
    self.schema = schema
    self.profile = profile
  }
}

/// A data set that a run took in.
public struct DatasetInput: Sendable, Equatable {
  /// The data set.
  public var dataset: DatasetRecord
  /// Tags of this use of it, by key.
  public var tags: [KeyValue]

  /// An input.
  public init(dataset: DatasetRecord, tags: [KeyValue] = []) {
    self.dataset = dataset
    self.tags = tags
  }
}

/// A logged model that a run made, at a step.
public struct ModelOutput: Sendable, Equatable {
  /// The model's id.
  public var modelID: String
  /// Step.
  public var step: Int64

  /// An output.
  public init(modelID: String, step: Int64) {
    self.modelID = modelID
    self.step = step
  }
}

/// Everything that went into a run and came out of it.
public struct RunLinks: Sendable, Equatable {
  /// Data sets, in the order in which they were logged.
  public var datasets: [DatasetInput] = []
  /// Ids of models that it used.
  public var inputModels: [String] = []
  /// Models that it made.
  public var outputs: [ModelOutput] = []
}

/// A data set that some run of an experiment took in.
public struct DatasetSummary: Sendable, Equatable {
  /// The experiment's id.
  public var experimentID: Int64
  /// Name.
  public var name: String
  /// Digest.
  public var digest: String
  /// What it was used for; nil when no run said so.
  public var context: String?
}

/// The tag that says what a data set was used for.
let datasetContextTag = "mlflow.data.context"

extension Connection {
  /// Notes what a run takes in. A data set that the run has already stays as it is. Throws `.notFound`.
  public func logInputs(_ datasets: [DatasetInput], models: [String], run uid: String) throws {
    let run = try runID(uid)
    let experiment = try integer("SELECT experiment_id FROM run WHERE id = ?", .integer(run)) ?? 0
    for input in datasets {
      let dataset = try datasetID(input.dataset, experiment: experiment)
      try execute(
        "INSERT OR IGNORE INTO run_dataset(run_id, dataset_id) VALUES (?,?)", .integer(run), .integer(dataset)
      )
      if changes == 0 { continue }
      let id = lastInsertedID
      for tag in input.tags { try putTag(tag, "run_dataset_tag", "input_id", id) }
    }
    for model in models { try link(model, run: run, "input", step: 0) }
  }

  /// Notes the models that a run made; one that is noted already stays as it is. Throws `.notFound`.
  public func logOutputs(_ outputs: [ModelOutput], run uid: String) throws {
    let run = try runID(uid)
    for output in outputs { try link(output.modelID, run: run, "output", step: output.step) }
  }

  /// What went into a run and came out of it. Throws `.notFound`.
  public func links(run uid: String) throws -> RunLinks { try links(run: try runID(uid)) }

  func links(run: Int64) throws -> RunLinks {
    var links = RunLinks()
    let inputs = try all(
      """
      SELECT run_dataset.id, name, digest, source_type, source, schema, profile
      FROM run_dataset JOIN dataset ON dataset.id = dataset_id WHERE run_id = ? ORDER BY run_dataset.id
      """, .integer(run)
    ) { row in
      let dataset = DatasetRecord(
        name: row.text(1), digest: row.text(2), sourceType: row.text(3), source: row.text(4),
        schema: row.optionalText(5), profile: row.optionalText(6))
      return (row.integer(0), dataset)
    }
    links.datasets = try inputs.map { id, dataset in
      DatasetInput(dataset: dataset, tags: try tags("run_dataset_tag", "input_id", id))
    }
    try each("SELECT direction, model_uid, step FROM run_model WHERE run_id = ?", .integer(run)) { row in
      if row.text(0) == "input" {
        links.inputModels.append(row.text(1))
      } else {
        links.outputs.append(ModelOutput(modelID: row.text(1), step: row.integer(2)))
      }
    }
    return links
  }

  /// Data sets that runs of these experiments took in, each with every use of it; at most `limit`.
  public func datasetSummaries(experiments: [Int64], limit: Int) throws -> [DatasetSummary] {
    var summaries: [DatasetSummary] = []
    for experiment in experiments where summaries.count < limit {
      summaries += try all(
        """
        SELECT DISTINCT dataset.name, digest, value FROM dataset
        JOIN run_dataset ON dataset_id = dataset.id JOIN run ON run.id = run_dataset.run_id
        LEFT JOIN run_dataset_tag ON input_id = run_dataset.id AND key = ?
        WHERE dataset.experiment_id = ? AND run.lifecycle = 'active' ORDER BY dataset.name, digest, value LIMIT ?
        """, .text(datasetContextTag), .integer(experiment), .integer(Int64(limit - summaries.count))
      ) { row in
        DatasetSummary(
          experimentID: experiment, name: row.text(0), digest: row.text(1), context: row.optionalText(2))
      }
    }
    return summaries
  }

  private func datasetID(_ dataset: DatasetRecord, experiment: Int64) throws -> Int64 {
    try execute(
      """
      INSERT OR IGNORE INTO dataset(experiment_id, name, digest, source_type, source, schema, profile)
      VALUES (?,?,?,?,?,?,?)
      """, .integer(experiment), .text(dataset.name), .text(dataset.digest), .text(dataset.sourceType),
      .text(dataset.source), .optional(dataset.schema), .optional(dataset.profile))
    return try integer(
      "SELECT id FROM dataset WHERE experiment_id = ? AND name = ? AND digest = ?", .integer(experiment),
      .text(dataset.name), .text(dataset.digest)) ?? lastInsertedID
  }

  private func link(_ model: String, run: Int64, _ direction: String, step: Int64) throws {
    try execute(
      "INSERT OR IGNORE INTO run_model(run_id, direction, model_uid, step) VALUES (?,?,?,?)", .integer(run),
      .text(direction), .text(model), .integer(step))
  }
}
