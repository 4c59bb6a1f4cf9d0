// Where artifacts are: the URIs that clients are told, and the folders of this store behind them.

/// URIs of artifacts as MLflow forms them.
public enum ArtifactLocation {
  private static let scheme = "mlflow-artifacts"

  /// Where an experiment's artifacts are: as it was made, or in this store.
  public static func ofExperiment(_ id: Int64, chosen: String?) -> String { chosen ?? "\(scheme):/\(id)" }

  /// A location with a path behind it; a query stays at the end.
  public static func appending(_ path: String, to location: String) -> String {
    let end = location.firstIndex { $0 == "?" || $0 == "#" } ?? location.endIndex
    let base = location[..<end]
    return (base.hasSuffix("/") ? base.dropLast() : base) + "/" + path + location[end...]
  }

  /// The folder of this store that an artifact URI means; nil when the artifacts are somewhere else.
  ///
  /// `mlflow-artifacts:/A/B` and `mlflow-artifacts://host/A/B` are `A/B`, and so is the proxy's own address.
  public static func folder(ofURI uri: String) -> String? {
    let plain = uri.prefix { $0 != "?" && $0 != "#" }
    let name = plain.prefix { $0 != ":" }
    var rest = plain.dropFirst(name.count + 1)
    switch name.lowercased() {
    case scheme:
      if rest.hasPrefix("//") { rest = rest.dropFirst(2).drop { $0 != "/" } }
    case "http", "https":
      guard let start = rest.end(of: "/\(scheme)/artifacts/") else { return nil }
      rest = rest[start...]
    default: return nil
    }
    let parts = rest.split(separator: "/")
    return parts.contains("..") ? nil : parts.joined(separator: "/")
  }

  /// The same of URIs without a host: one that is named need not be this one, so what is there is not ours to remove.
  static func ownFolder(ofURI uri: String) -> String? {
    guard uri.hasPrefix("\(scheme):/"), !uri.hasPrefix("\(scheme)://") else { return nil }
    return folder(ofURI: uri)
  }
}

extension Substring {
  /// The end of the first place of `text`.
  fileprivate func end(of text: String) -> Index? {
    var start = startIndex
    while start < endIndex {
      if self[start...].hasPrefix(text) { return index(start, offsetBy: text.count) }
      start = index(after: start)
    }
    return nil
  }
}

extension RunRecord {
  /// The root of the run's artifacts.
  public var artifactURI: String {
    ArtifactLocation.appending(
      "\(uid)/artifacts", to: ArtifactLocation.ofExperiment(experimentID, chosen: artifactLocation))
  }

  /// The folder of the run's artifacts in this store; nil when they are somewhere else.
  public var artifactFolder: String? { ArtifactLocation.ownFolder(ofURI: artifactURI) }
}
