import HTTP
import JSON
import Storage

/// What the model registry accepts, and the words in which it refuses the rest.
enum RegistryRules {
  /// Characters of a tag's value.
  static let tagValueLength = 100_000
  /// Characters of an alias.
  static let aliasLength = 255

  /// Checks the name of a registered model.
  static func checkName(_ name: String, parameter: String = "name") throws {
    if name.unicodeScalars.allSatisfy({ $0.properties.isWhitespace }) {
      throw HTTPFailure.invalidParameter("Missing value for required parameter '\(parameter)'.")
    }
    if name.contains("/") || name.contains(":") {
      throw HTTPFailure.invalidParameter("Invalid model name '\(name)'. Names cannot contain '/' or ':'.")
    }
    let normal = MLflowRules.normalizedPath(name)
    guard normal == name, normal != ".", !normal.hasPrefix("..") else {
      throw HTTPFailure.invalidValue(
        "name", .string(name),
        "Names may be treated as files in certain cases, and must not resolve to other names when treated as such. "
          + "This name would resolve to '\(normal)'")
    }
  }

  /// The number of a version.
  static func version(_ text: String) throws -> Int64 {
    let plain = text.filter { $0 != " " }
    guard let number = Int64(plain) else {
      throw HTTPFailure.invalidParameter("Parameter 'version' must be an integer, got '\(text)'.")
    }
    return number
  }

  /// Checks an alias.
  static func checkAlias(_ alias: String) throws {
    guard alias.unicodeScalars.allSatisfy({ $0 == "-" || MLflowRules.isWord($0) }) else {
      throw HTTPFailure.invalidParameter(
        "Invalid alias name: '\(alias)'. Names may only contain alphanumerics, underscores (_), and dashes (-)."
      )
    }
    try MLflowRules.checkLength(alias, aliasLength, called: "Registered model alias name")
  }

  /// Checks an alias that is to be given, which some names cannot be.
  static func checkNewAlias(_ alias: String) throws {
    try checkAlias(alias)
    if alias.lowercased() == "latest" {
      throw HTTPFailure.invalidParameter("'latest' alias name (case insensitive) is reserved.")
    }
    let digits = alias.dropFirst()
    if let first = alias.first, first == "v" || first == "V", !digits.isEmpty,
      digits.allSatisfy(\.isWholeNumber)
    {
      throw HTTPFailure.invalidParameter("Version alias name '\(alias)' is reserved.")
    }
  }

  /// Checks a tag of a model or a version.
  static func checkTag(_ tag: KeyValue) throws {
    try MLflowRules.checkKey(tag.key, parameter: "key", called: "key")
    try MLflowRules.checkLength(tag.value, tagValueLength, called: "value")
  }

  /// A stage by its name in any case.
  static func stage(_ text: String) throws -> ModelStage {
    if let stage = ModelStage.allCases.first(where: { $0.rawValue.lowercased() == text.lowercased() }) {
      return stage
    }
    let names = ModelStage.allCases.map(\.rawValue).joined(separator: ", ")
    throw HTTPFailure.invalidParameter("Invalid Model Version stage: \(text). Value must be one of \(names).")
  }
}

/// A registered model as MLflow shows it.
func registeredModelJSON(_ model: RegisteredModelRecord) -> JSON {
  var object: JSONObject = [
    "name": .string(model.name), "creation_timestamp": JSON(model.createdAt),
    "last_updated_timestamp": JSON(model.updatedAt),
  ]
  if let description = model.description, !description.isEmpty {
    object["description"] = .string(description)
  }
  object.set("latest_versions", .array(model.latestVersions.map(modelVersionJSON)))
  object.set("tags", pairsJSON(model.tags))
  object.set(
    "aliases",
    .array(
      model.aliases.map { ["alias": .string($0.alias), "version": .string(String($0.version))] }))
  return .object(object)
}

/// A version as MLflow shows it.
func modelVersionJSON(_ version: ModelVersionRecord) -> JSON {
  var object: JSONObject = [
    "name": .string(version.name), "version": .string(String(version.version)),
    "creation_timestamp": JSON(version.createdAt), "last_updated_timestamp": JSON(version.updatedAt),
    "current_stage": .string(version.stage.rawValue),
    "source": .string(version.source), "run_id": .string(version.runID), "status": "READY",
    "run_link": .string(version.runLink),
  ]
  object.set("description", version.description)
  object.set("tags", pairsJSON(version.tags))
  object.set("aliases", .array(version.aliases.map(JSON.string)))
  return .object(object)
}
