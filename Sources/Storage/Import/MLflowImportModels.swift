// Bringing an MLflow store over: logged models and the registry.

/// A logged model of a store that is imported; the model's `artifactURI` is the one it has there.
struct ImportedLoggedModel {
  var model: NewLoggedModel
  var createdAt: Int64
  var updatedAt: Int64
  var status: LoggedModelStatus
  var isDeleted: Bool
  var metrics: [LoggedModelMetric]
}

/// A registered model of a store that is imported.
struct ImportedRegisteredModel {
  var name: String
  var description: String?
  var createdAt: Int64
  var updatedAt: Int64
  var tags: [KeyValue]
  var aliases: [ModelAlias]
  /// By version.
  var versions: [ImportedModelVersion]
}

/// A version of such a model; a deleted one only keeps its number from being used again.
struct ImportedModelVersion {
  var version: Int64
  var new: NewModelVersion
  var createdAt: Int64
  var updatedAt: Int64
  var stage: ModelStage
  var isDeleted: Bool
}

/// Where the artifacts that were brought over are now.
struct ImportedPlaces {
  private var now: [String: String] = [:]

  mutating func note(_ old: String, is new: String?) { now[Self.plain(old)] = new }

  /// A location in the old store as it is now; what was not brought over stays what it is.
  func moved(_ location: String) -> String {
    var folder = Self.plain(location)
    var rest: [Substring] = []
    while !folder.isEmpty {
      if let new = now[folder] {
        return rest.isEmpty
          ? new : ArtifactLocation.appending(rest.reversed().joined(separator: "/"), to: new)
      }
      guard let slash = folder.lastIndex(of: "/") else { break }
      rest.append(folder[folder.index(after: slash)...])
      folder = String(folder[..<slash])
    }
    return location
  }

  /// `file:///a/b/` and `/a/b` are one place.
  private static func plain(_ location: String) -> String {
    var text = location[...]
    if text.hasPrefix("file://") { text = text.dropFirst("file://".count) }
    while text.count > 1, text.hasSuffix("/") { text.removeLast() }
    return String(text)
  }
}

extension Store {
  func bring(
    _ imported: ImportedLoggedModel, into experiment: Int64, _ source: any ImportSource,
    _ places: inout ImportedPlaces, _ summary: inout ImportSummary
  ) throws {
    var model = imported.model
    model.experimentID = experiment
    let old = model.artifactURI
    let folder = source.folder(of: old)
    if folder != nil {
      let root = ArtifactLocation.ofExperiment(
        experiment, chosen: try self.experiment(experiment)?.artifactLocation)
      model.artifactURI = ArtifactLocation.appending("models/\(model.uid)/artifacts", to: root)
    }
    let place = ArtifactLocation.folder(ofURI: model.artifactURI)
    // The files first: a model is not shown before it can be loaded.
    if let folder, let place { try bringFiles(in: folder, to: place, &summary) }
    places.note(old, is: model.artifactURI)
    guard try read({ try $0.loggedModel(model.uid, deletedAllowed: true) }) == nil else { return }
    try write { [model] db in
      try db.createLoggedModel(model, time: imported.createdAt)
      try db.logModelMetrics(imported.metrics.map { (model: model.uid, metric: $0) })
      try db.finishLoggedModel(model.uid, status: imported.status, time: imported.updatedAt)
      if imported.isDeleted { try db.deleteLoggedModel(model.uid, time: imported.updatedAt) }
    }
    summary.loggedModels += 1
  }

  /// A registered model that is there gets the versions with higher numbers than it ever had; nothing else changes.
  func bring(
    _ imported: ImportedRegisteredModel, _ places: ImportedPlaces, _ summary: inout ImportSummary
  ) throws {
    let (isNew, versions) = try write { db in
      let isNew = try db.registeredModel(imported.name) == nil
      if isNew {
        _ = try db.createRegisteredModel(
          name: imported.name, description: imported.description, tags: imported.tags,
          time: imported.createdAt)
      }
      let made = try imported.versions.filter { try db.bring($0, places) && !$0.isDeleted }
      if isNew {
        for alias in imported.aliases {
          try db.setAlias(alias.alias, model: imported.name, version: alias.version)
        }
      }
      if isNew || !made.isEmpty { try db.setTime(ofModel: imported.name, imported.updatedAt) }
      return (isNew, made.count)
    }
    summary.registeredModels += isNew ? 1 : 0
    summary.modelVersions += versions
  }
}

extension Connection {
  /// Makes a version under its number; false when that number was used here.
  fileprivate func bring(_ imported: ImportedModelVersion, _ places: ImportedPlaces) throws -> Bool {
    let model = try modelID(imported.new.model)
    let next = try integer("SELECT next_version FROM registered_model WHERE id = ?", .integer(model)) ?? 1
    guard imported.version >= next else { return false }
    try execute(
      "UPDATE registered_model SET next_version = ? WHERE id = ?",
      .integer(imported.isDeleted ? imported.version + 1 : imported.version), .integer(model))
    if imported.isDeleted { return true }
    var new = imported.new
    let isReference = ["models:", "runs:"].contains { new.source.hasPrefix($0) }
    if !isReference { new.source = places.moved(new.source) }
    new.storageLocation = places.moved(new.storageLocation)
    let made = try createModelVersion(new, time: imported.createdAt)
    try execute(
      "UPDATE model_version SET stage = ?, updated_at = ? WHERE id = ?", .text(imported.stage.rawValue),
      .integer(imported.updatedAt), .integer(made.id))
    return true
  }

  fileprivate func setTime(ofModel name: String, _ time: Int64) throws {
    try execute(
      "UPDATE registered_model SET updated_at = ? WHERE id = ?", .integer(time), .integer(try modelID(name)))
  }
}
