import HTTP
import JSON
import Storage
import Training
import Tuning

/// The tag of a run that was made for an ensemble: the ensemble's id.
let ensembleTag = "ensemble"

/// What is asked for with `POST /ensembles`.
struct EnsembleRequest {
  /// The models, where they are there already.
  let members: [EnsembleMember]
  /// What is to be trained, where it is to be.
  let design: EnsembleDesign?
  /// The part to evaluate on; nil for all that there are.
  let split: EvaluationSplit?

  private static let memberLimit = 100

  /// Reads a request. A fault names its field; the base job is decoded and checked by `job`.
  init(_ json: JSON, job: (JSON) throws -> JobSpec) throws {
    let object = try Self.object(json, at: nil, fields: ["members", "train", "split"])
    split = try Self.split(object["split"])
    guard (object["members"] == nil) != (object["train"] == nil) else {
      throw HTTPFailure.invalid("members", "members or train must be given, one of the two")
    }
    if let list = object["members"] {
      guard let items = list.arrayValue, (1...Self.memberLimit).contains(items.count) else {
        throw HTTPFailure.invalid("members", "members must be a list of 1 to \(Self.memberLimit) models")
      }
      members = try items.enumerated().map { index, item in
        let path = "members.\(index)"
        let member = try Self.object(item, at: path, fields: ["run_id", "checkpoint"])
        guard let run = member["run_id"]?.stringValue else {
          throw HTTPFailure.invalid("\(path).run_id", "\(path).run_id is required, a run's id")
        }
        return EnsembleMember(
          runUID: run, checkpoint: try Self.checkpoint(member["checkpoint"], "\(path).checkpoint"))
      }
      design = nil
      return
    }
    members = []
    let train = try Self.object(object["train"] ?? .null, at: "train", fields: ["method", "members", "base"])
    let names = EnsembleMethod.allCases.map(\.rawValue)
    guard let method = train["method"]?.stringValue.flatMap(EnsembleMethod.init) else {
      let got = train["method"].map { ", got \($0.text.prefix(60))" } ?? ""
      throw HTTPFailure.invalid(
        "train.method", "train.method must be one of \(names.joined(separator: ", "))\(got)")
    }
    guard let base = train["base"] else {
      throw HTTPFailure.invalid("train.base", "train.base is required, a job spec")
    }
    guard let count = (train["members"] ?? 5).intValue else {
      throw HTTPFailure.invalid("train.members", "train.members must be an integer from 2 to 100")
    }
    do { design = try EnsembleDesign(method, members: count, base: try job(base).encode()) } catch let error
      as EnsembleError
    {
      throw HTTPFailure.invalid(error.field, error.message)
    }
  }

  /// Reads what `stored` gave.
  init(stored text: String) throws {
    let json = try JSON.parse(text)
    split = json["split"]?.stringValue.flatMap(EvaluationSplit.init)
    members = []
    guard let train = json["train"], let base = train["base"],
      let method = train["method"]?.stringValue.flatMap(EnsembleMethod.init),
      let count = train["members"]?.intValue
    else {
      design = nil
      return
    }
    design = try EnsembleDesign(method, members: count, base: base)
  }

  /// As it is kept with the ensemble, whose members have rows of their own.
  var stored: String {
    var object: JSONObject = ["split": split.map { .string($0.rawValue) } ?? .null]
    if let design {
      object["train"] = [
        "method": .string(design.method.rawValue), "members": JSON(design.members), "base": design.base,
      ]
    }
    return JSON.object(object).text
  }

  private static func object(_ json: JSON, at path: String?, fields: [String]) throws -> JSONObject {
    guard let object = json.objectValue else {
      throw HTTPFailure.invalid(path, "\(path ?? "the body") must be an object")
    }
    for (name, _) in object.entries where !fields.contains(name) {
      let field = path.map { "\($0).\(name)" } ?? name
      throw HTTPFailure.invalid(
        field, "\(field) is not a field here (known: \(fields.joined(separator: ", ")))")
    }
    return object
  }

  private static func split(_ value: JSON?) throws -> EvaluationSplit? {
    guard let value, value != .null else { return nil }
    guard let split = value.stringValue.flatMap(EvaluationSplit.init) else {
      throw HTTPFailure.invalid(
        "split", "split must be train, validation or test, got \(value.text.prefix(60))")
    }
    return split
  }

  private static func checkpoint(_ value: JSON?, _ field: String) throws -> String {
    switch value {
    case nil, .null: return "best or latest"
    case .string(let text) where ["latest", "best"].contains(text) || (Int(text) ?? -1) >= 0: return text
    case let value:
      guard let step = value?.intValue, step >= 0 else {
        throw HTTPFailure.invalid(
          field, "\(field) must be a step, latest or best, got \(value?.text.prefix(60) ?? "")")
      }
      return String(step)
    }
  }
}
