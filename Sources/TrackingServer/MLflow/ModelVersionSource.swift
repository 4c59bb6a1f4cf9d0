import HTTP
import Storage

// The source of a model version: what MLflow accepts as one, and where its files are.

/// Where a version comes from, after its source was checked.
struct Lineage {
  var source: String
  var storage: String
  var run: String
  var model: String
}

/// Checks a source against the run or model that is said to contain it, and finds where the files are.
func lineage(of source: String, run: String?, model: String?, _ store: Store) throws -> Lineage {
  var lineage = Lineage(source: source, storage: source, run: run ?? "", model: model ?? "")
  if let reference = try ModelReference(source) {
    switch reference {
    case .model(let id):
      guard lineage.model == id, let found = try store.read({ try $0.loggedModel(id) }) else {
        throw unfit(source, "model_id")
      }
      lineage.storage = found.artifactURI
      if lineage.run.isEmpty { lineage.run = found.sourceRunID }
      return lineage
    case .version(let name, let selector):
      let version = try found(name, selector, source, store)
      // A version that came from a logged model is stored below it.
      let isOfModel = model.map { $0.isEmpty || version.storageLocation.contains($0) } ?? true
      if run.map({ $0 != version.runID }) ?? false || !isOfModel {
        throw HTTPFailure.invalidParameter(
          "Invalid model version source: '\(source)'. The run_id and model_id request parameters must match the "
            + "referenced model version.")
      }
      lineage.source = "models:/\(name)/\(version.version)"
      lineage.storage = version.storageLocation
      if run == nil { lineage.run = version.runID }
      return lineage
    }
  }
  try checkSource(source, &lineage, store)
  return lineage
}

/// The rules for sources that are no `models:` URI.
private func checkSource(_ source: String, _ lineage: inout Lineage, _ store: Store) throws {
  let owner = lineage.model.isEmpty ? "run_id" : "model_id"
  let scheme = source.prefix { $0 != ":" }.lowercased()
  let isLocal = !source.contains(":/") || scheme == "file"
  guard !isLocal else {
    throw HTTPFailure.invalidParameter(
      "Invalid model version source: '\(source)'. To use a local path as a model version source, the \(owner) request "
        + "parameter has to be specified and the local path has to be contained within the artifact directory of the "
        + "run specified by the \(owner).")
  }
  guard isPlainLocation(source) else {
    throw HTTPFailure.invalidParameter(
      "Invalid model version source: '\(source)'. If supplying a source as an http, https, local file path, ftp, "
        + "objectstore, or mlflow-artifacts uri, an absolute path must be provided without relative path references "
        + "present. Please provide an absolute path.")
  }
  let model = lineage.model.isEmpty ? nil : try store.read { [id = lineage.model] in try $0.loggedModel(id) }
  guard !hostSchemes.contains(scheme) || ArtifactLocation.folder(ofURI: source) != nil else {
    throw HTTPFailure.invalidParameter(
      "'source' cannot use the '\(scheme)' scheme: it addresses a host other than the artifact storage of this server."
    )
  }
  if scheme == "runs" {
    let run = source.dropFirst(5).drop { $0 == "/" }.prefix { $0 != "/" }
    guard lineage.model.isEmpty, !lineage.run.isEmpty, run == lineage.run else { throw unfit(source, owner) }
  } else if scheme == "mlflow-artifacts" || ArtifactLocation.folder(ofURI: source) != nil {
    var root = model?.artifactURI
    if lineage.model.isEmpty, !lineage.run.isEmpty {
      root = try store.read { [id = lineage.run] in try $0.run(id, withMetrics: false) }?.artifactURI
    }
    guard let root, isWithin(source, root) else { throw unfit(source, owner) }
  }
  if let model, lineage.run.isEmpty { lineage.run = model.sourceRunID }
}

private func unfit(_ source: String, _ field: String) -> HTTPFailure {
  .invalidParameter(
    "Invalid model version source: '\(source)'. The \(field) request parameter must identify the resource that contains "
      + "the source.")
}

/// Schemes whose URIs name the host that whoever reads the model would connect to.
private let hostSchemes: Set<String> = [
  "http", "https", "ftp", "sftp", "hdfs", "viewfs", "r2", "b2", "abfss",
]

/// Whether a URI has an absolute path without `.` and `..`, also behind escapes, and something in it.
private func isPlainLocation(_ uri: String) -> Bool {
  var source = uri
  for _ in 0..<8 {
    let next = ArtifactPaths.percentDecoded(source)
    if next == source { break }
    source = next
  }
  if source.contains("\0") || source.split(separator: "/").contains("..") { return false }
  var path = source.drop { $0 != ":" }.dropFirst()
  if path.hasPrefix("//") { path = path.dropFirst(2).drop { !"/?#".contains($0) } }
  path = path.prefix { $0 != "?" && $0 != "#" }
  let parts = path.split(separator: "/")
  return path.hasPrefix("/") && !parts.isEmpty && !parts.contains(".")
}

/// Whether a URI names something below another, both of one scheme and host.
private func isWithin(_ uri: String, _ root: String) -> Bool {
  func parts(_ uri: String) -> [Substring] { uri.split(separator: "/") }
  let (inner, outer) = (parts(uri), parts(root))
  return inner.count >= outer.count && inner.prefix(outer.count).elementsEqual(outer)
}

/// What a `models:/...` URI names.
private enum ModelReference {
  case model(String)
  case version(name: String, String)

  /// Nil for other URIs.
  init?(_ source: String) throws {
    guard source.lowercased().hasPrefix("models:") else { return nil }
    let rest = source.dropFirst(7)
    if rest.hasPrefix("//"), !rest.hasPrefix("///") {
      throw HTTPFailure.invalidParameter(
        "Invalid model version source: '\(source)'. Registered model sources must use the active model registry."
      )
    }
    let parts = rest.split(separator: "/").map(String.init)
    if parts.count == 1, parts[0].hasPrefix("m-"), !rest.hasSuffix("/") {
      self = .model(parts[0])
    } else if parts.count == 2 {
      self = .version(name: parts[0], parts[1])
    } else if parts.count == 1, let at = parts[0].firstIndex(of: "@") {
      self = .version(name: String(parts[0][..<at]), String(parts[0][at...]))
    } else {
      throw unfit(source, "model_id")
    }
  }
}

/// The version that a selector means: a number, `latest`, a stage or `@alias`.
private func found(_ name: String, _ selector: String, _ source: String, _ store: Store) throws
  -> ModelVersionRecord
{
  let version = try notFound {
    try store.read { connection -> ModelVersionRecord? in
      guard try connection.registeredModel(name) != nil else {
        throw HTTPFailure.mlflow(.resourceDoesNotExist, "Registered Model with name=\(name) not found")
      }
      if let number = Int64(selector) { return try connection.modelVersion(name, number) }
      if selector.hasPrefix("@") {
        let alias = String(selector.dropFirst())
        guard let number = try connection.version(alias: alias, model: name) else {
          throw HTTPFailure.invalidParameter("Registered model alias \(alias) not found.")
        }
        return try connection.modelVersion(name, number)
      }
      let stages =
        selector.lowercased() == "latest" ? ModelStage.allCases : [try RegistryRules.stage(selector)]
      return try connection.latestVersions(model: name, stages: stages).max { $0.version < $1.version }
    }
  }
  guard let version else {
    throw HTTPFailure.mlflow(
      .resourceDoesNotExist, "Model Version (name=\(name), version=\(selector)) not found")
  }
  return version
}
