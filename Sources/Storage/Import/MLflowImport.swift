// Bringing an MLflow store over: experiments, runs with all that is theirs, logged models, the registry, artifacts.
//
// Runs and logged models keep their ids, experiments and registered models are found by name, points are a set and
// artifacts replace themselves, so a second import, or one after an import that was cut off, changes nothing that is
// there already. Models and the registry are in MLflowImportModels.swift.

import Glibc

/// What an import brought over.
public struct ImportSummary: Sendable, Equatable {
  /// Experiments that were made.
  public var experiments = 0
  /// Runs that were made.
  public var runs = 0
  /// Runs that were there already.
  public var knownRuns = 0
  /// Points that were read.
  public var points = 0
  /// Logged models that were made.
  public var loggedModels = 0
  /// Registered models that were made.
  public var registeredModels = 0
  /// Versions of registered models that were made.
  public var modelVersions = 0
  /// Artifacts that were written.
  public var artifacts = 0
  /// What could not be brought over, in sentences.
  public var problems: [String] = []

  /// Nothing yet.
  public init() {}
}

/// An experiment of a store that is imported.
struct ImportedExperiment {
  var id: String
  var name: String
  var location: String?
  var isDeleted: Bool
  var createdAt: Int64
  var updatedAt: Int64
  var tags: [KeyValue]
}

/// A run of a store that is imported.
struct ImportedRun {
  var run: NewRun
  var endTime: Int64?
  var isDeleted: Bool
  var artifacts: String?
}

/// A store that can be imported.
protocol ImportSource {
  func experiments() throws -> [ImportedExperiment]
  func runs(of experiment: ImportedExperiment) throws -> [ImportedRun]
  /// Gives the points of a run in parts.
  func eachBatch(of run: String, body: (MetricBatch) throws -> Void) throws
  /// What went into a run and came out of it.
  func links(of run: String) throws -> RunLinks
  func loggedModels(of experiment: ImportedExperiment) throws -> [ImportedLoggedModel]
  func registeredModels() throws -> [ImportedRegisteredModel]
  /// The folder on this machine behind an artifact location; nil when the artifacts are elsewhere.
  func folder(of location: String) -> String?
}

extension Store {
  /// Imports `path`, an MLflow database or a folder of its file store; `artifacts` is where the server of a database
  /// kept what it proxied. `progress` is told the runs done and their number. Throws `StoreError`.
  public func importMLflow(
    _ path: String, artifacts: String? = nil, progress: (Int, Int) -> Void = { _, _ in }
  ) throws -> ImportSummary {
    var information = stat()
    guard stat(path, &information) == 0 else { throw StoreError.notFound(path) }
    let source: any ImportSource
    if information.st_mode & S_IFMT == S_IFDIR {
      source = MLflowFolder(path: path)
    } else {
      source = try MLflowDatabase(path: path, artifacts: artifacts)
    }
    return try bring(source, progress)
  }

  private func bring(_ source: any ImportSource, _ progress: (Int, Int) -> Void) throws -> ImportSummary {
    var summary = ImportSummary()
    var places = ImportedPlaces()
    let experiments = try source.experiments()
    let runs = try experiments.map { try source.runs(of: $0) }
    let total = runs.reduce(0) { $0 + $1.count }
    for (experiment, runs) in zip(experiments, runs) {
      let id = try bring(experiment, &summary)
      for run in runs {
        try bring(run, into: id, source, &places, &summary)
        progress(summary.runs + summary.knownRuns, total)
      }
      for model in try source.loggedModels(of: experiment) {
        try bring(model, into: id, source, &places, &summary)
      }
      try bringState(of: experiment, id)
    }
    for model in try source.registeredModels() { try bring(model, places, &summary) }
    return summary
  }

  private func bring(_ experiment: ImportedExperiment, _ summary: inout ImportSummary) throws -> Int64 {
    if let found = try self.experiment(named: experiment.name) { return found.id }
    summary.experiments += 1
    // The old place of proxied artifacts is not ours: they get a new one.
    let location = experiment.location.flatMap { location in
      location.hasPrefix("mlflow-artifacts:") || location.hasPrefix("/") || location.hasPrefix("file:")
        || !location.contains(":") ? nil : location
    }
    return try write { db in
      try db.createExperiment(
        name: experiment.name, time: experiment.createdAt, artifactLocation: location, tags: experiment.tags)
    }
  }

  private func bringState(of experiment: ImportedExperiment, _ id: Int64) throws {
    guard experiment.isDeleted, id != 0 else { return }
    try write { try $0.setExperiment(id, lifecycle: .deleted, time: experiment.updatedAt) }
  }

  private func bring(
    _ imported: ImportedRun, into experiment: Int64, _ source: any ImportSource,
    _ places: inout ImportedPlaces, _ summary: inout ImportSummary
  ) throws {
    var run = imported.run
    run.experimentID = experiment
    let uid = run.uid
    let isKnown = try self.run(uid) != nil
    let isHidden = try !isKnown || isUnfinished(uid)
    if isKnown { summary.knownRuns += 1 } else { summary.runs += 1 }
    if !isKnown {
      // Hidden until all of it is there: an import that is cut off shows no half runs.
      try write { [run] db in
        try db.createRun(run)
        try db.setRun(uid, endTime: imported.endTime, lifecycle: .deleted)
      }
    }
    try source.eachBatch(of: uid) { batch in
      summary.points += batch.count
      try append(batch, run: uid)
    }
    let links = try source.links(of: uid)
    try write { db in
      try db.logInputs(links.datasets, models: links.inputModels, run: uid)
      try db.logOutputs(links.outputs, run: uid)
    }
    if let location = imported.artifacts, let folder = source.folder(of: location) {
      let stored = try read { try $0.run(uid, withMetrics: false) }
      try bringFiles(in: folder, to: stored?.artifactFolder ?? "\(experiment)/\(uid)/artifacts", &summary)
      places.note(location, is: stored?.artifactURI)
    }
    if isHidden && !imported.isDeleted { try write { try $0.setRun(uid, lifecycle: .active) } }
  }

  /// Whether an import that was cut off has left the run as it makes them: hidden, and at no time. One that a client has
  /// deleted since stays deleted.
  private func isUnfinished(_ uid: String) throws -> Bool {
    let sql = "SELECT 1 FROM run WHERE uid = ? AND lifecycle = 'deleted' AND deleted_at IS NULL"
    return try read { try $0.integer(sql, .text(uid)) } != nil
  }

  func bringFiles(in folder: String, to place: String, _ summary: inout ImportSummary) throws {
    for name in Folder.names(in: folder) {
      var information = stat()
      let path = "\(folder)/\(name)"
      // Links are not followed: they may lead out of the store.
      guard lstat(path, &information) == 0 else { continue }
      switch information.st_mode & S_IFMT {
      case S_IFDIR: try bringFiles(in: path, to: "\(place)/\(name)", &summary)
      case S_IFREG:
        if try read({ try $0.artifact("\(place)/\(name)") })?.bytes == Int(information.st_size) { continue }
        let writer = try beginArtifact()
        try Folder.eachBlock(of: path) { try writer.append($0) }
        try writer.finish(path: "\(place)/\(name)", time: wallMilliseconds())
        summary.artifacts += 1
      default: summary.problems.append("\(path) is neither file nor folder and was left out")
      }
    }
  }
}

extension Folder {
  /// The names in a folder in order of their bytes, without `.` and `..`; none when it cannot be read.
  static func names(in path: String) -> [String] {
    guard let folder = opendir(path) else { return [] }
    defer { closedir(folder) }
    var names: [String] = []
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  /// Gives a file in blocks of a MiB at most. Throws `.notWritable` when it cannot be read.
  static func eachBlock(of path: String, body: ([UInt8]) throws -> Void) throws {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    guard descriptor >= 0 else { throw refusal(path) }
    defer { Glibc.close(descriptor) }
    var block = [UInt8](repeating: 0, count: 1 << 20)
    while true {
      let count = Glibc.read(descriptor, &block, block.count)
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw refusal(path) }
      if count == 0 { return }
      try body(Array(block[..<count]))
    }
  }

  /// The text of a small file; nil when it cannot be read.
  static func text(of path: String) -> String? {
    var bytes: [UInt8] = []
    guard (try? eachBlock(of: path, body: { bytes += $0 })) != nil else { return nil }
    return String(decoding: bytes, as: UTF8.self)
  }
}
