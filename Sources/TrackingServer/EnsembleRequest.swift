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
    self = try fields(of: json, "an ensemble") { try EnsembleRequest($0, job: job) }
  }

  private init(_ fields: FieldReader, job: (JSON) throws -> JobSpec) throws {
    let parts = EvaluationSplit.allCases.map(\.rawValue)
    let part = fields.value("split") == nil ? nil : try fields.choice("split", parts)
    split = part.flatMap(EvaluationSplit.init)
    let train = try fields.objectOrNone("train")
    guard (fields.value("members") == nil) != (train == nil) else {
      throw HTTPFailure.invalid("members", "members or train must be given, one of the two")
    }
    guard let train else {
      members = try fields.list("members", count: 1...Self.memberLimit).map { member in
        let run = try member.string("run_id")
        let checkpoint = try member.checkpoint("checkpoint", default: "best or latest")
        try member.finish("a member")
        return EnsembleMember(runUID: run, checkpoint: checkpoint)
      }
      design = nil
      return
    }
    members = []
    let name = try train.choice("method", EnsembleMethod.allCases.map(\.rawValue))
    let count = try train.integer("members", EnsembleDesign.memberRange, default: 5)
    guard let base = train.value("base"), let method = EnsembleMethod(rawValue: name) else {
      throw HTTPFailure.invalid("train.base", "train.base is required, a job spec")
    }
    try train.finish("train")
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
}
