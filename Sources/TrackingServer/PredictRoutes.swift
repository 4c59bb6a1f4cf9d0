import HTTP
import JSON
import Storage
import Training

/// Using a trained model.
func predictEndpoints(_ context: Context) -> [Endpoint] {
  [
    Endpoint(
      method: .post, pattern: "/api/v1/runs/{run_id}/predict", permission: .read,
      summary: "The outputs of a run's model for inputs, or the text with which it continues a prompt.",
      body: "PredictRequest", answer: .json("Prediction"), failures: [404, 409, 413], bodyLimit: 64 << 20
    ) { request in
      let run = try run(request, context)
      let question = try PredictRequest(try body(of: request))
      let predictor = try predictor(of: run, question.checkpoint, context)
      do { return .json(try question.answer(predictor)) } catch let error as SpecError {
        throw HTTPFailure.invalid(error.field, error.message)
      }
    }
  ]
}

/// The model of a run as a checkpoint has it.
private func predictor(of run: RunRecord, _ label: String, _ context: Context) throws -> Predictor {
  guard let job = try context.store.job(ofRun: run.uid) else {
    throw HTTPFailure.notFound("run \(run.uid) was not trained here, so there is no model of it")
  }
  let checkpoint = try checkpoint(label, run, context)
  let bytes = try context.store.readCheckpoint(
    run: run.uid, step: checkpoint.step, offset: 0, count: checkpoint.bytes)
  do {
    let spec = try JobSpec.decode(try JSON.parse(job.spec), catalog: context.catalog)
    return try Predictor(spec: spec, catalog: context.catalog, checkpoint: bytes)
  } catch let error as SpecError {
    throw HTTPFailure.conflict("the model of run \(run.uid) cannot be made again: \(error.message)")
  }
}

/// What is asked of a model.
private struct PredictRequest {
  let checkpoint: String
  let inputs: [[Float]]?
  /// The inputs where they are texts.
  let texts: [String]?
  let prompt: String
  let tokens: Int
  let temperature: Double
  let seed: UInt64

  private static let fields = ["checkpoint", "inputs", "prompt", "tokens", "temperature", "seed"]
  private static let inputLimit = 100_000
  private static let tokenLimit = 10_000

  init(_ json: JSON) throws {
    guard let object = json.objectValue else { throw HTTPFailure.invalid(nil, "the body must be an object") }
    for (name, _) in object.entries where !Self.fields.contains(name) {
      throw HTTPFailure.invalid(
        name, "\(name) is not a field here (known: \(Self.fields.joined(separator: ", ")))")
    }
    func fault(_ name: String, _ must: String) -> HTTPFailure {
      let got = object[name].map { ", got \(String($0.text.prefix(60)))" } ?? ""
      return HTTPFailure.invalid(name, "\(name) must be \(must)\(got)")
    }
    switch object["checkpoint"] {
    case nil: checkpoint = "best or latest"
    case .string(let label): checkpoint = label
    case let value:
      guard let step = value?.intValue, step >= 0 else { throw fault("checkpoint", "a step, latest or best") }
      checkpoint = String(step)
    }
    if let list = object["inputs"] {
      guard object["prompt"] == nil else { throw fault("prompt", "left out when inputs are given") }
      guard let rows = list.arrayValue, (1...Self.inputLimit).contains(rows.count) else {
        throw fault("inputs", "a list of 1 to \(Self.inputLimit) examples")
      }
      let words = rows.compactMap(\.stringValue)
      texts = words.count == rows.count ? words : nil
      inputs =
        texts != nil
        ? []
        : try rows.enumerated().map { index, row in
          var numbers: [Float] = []
          guard row.arrayValue != nil, Self.collect(row, depth: 0, into: &numbers) else {
            throw HTTPFailure.invalid(
              "inputs.\(index)", "inputs.\(index) must be a list of finite numbers, or lists of them")
          }
          return numbers
        }
    } else {
      (inputs, texts) = (nil, nil)
    }
    guard let prompt = (object["prompt"] ?? "").stringValue else { throw fault("prompt", "a string") }
    guard prompt.utf8.count <= 1 << 20 else { throw fault("prompt", "at most 1 MiB") }
    guard inputs != nil || object["prompt"] != nil else {
      throw HTTPFailure.invalid("inputs", "inputs, or for models of text prompt, is required")
    }
    self.prompt = prompt
    guard let tokens = (object["tokens"] ?? 100).intValue, (1...Self.tokenLimit).contains(tokens) else {
      throw fault("tokens", "an integer from 1 to \(Self.tokenLimit)")
    }
    self.tokens = tokens
    guard let temperature = (object["temperature"] ?? 1).doubleValue, temperature.isFinite, temperature >= 0
    else {
      throw fault("temperature", ">= 0")
    }
    self.temperature = temperature
    guard let seed = (object["seed"] ?? 0).intValue, (0...1 << 53).contains(seed) else {
      throw fault("seed", "an integer from 0 to 9007199254740992")
    }
    self.seed = UInt64(seed)
  }

  /// All numbers of lists in lists; false where there is something else.
  private static func collect(_ json: JSON, depth: Int, into numbers: inout [Float]) -> Bool {
    if let items = json.arrayValue {
      return depth < 4 && items.allSatisfy { collect($0, depth: depth + 1, into: &numbers) }
    }
    guard let number = json.doubleValue, Float(number).isFinite else { return false }
    numbers.append(Float(number))
    return true
  }

  func answer(_ predictor: Predictor) throws -> JSON {
    guard !predictor.fillsMasks else {
      throw SpecError(
        field: "prompt", message: "prompt: this model predicts hidden tokens; it is there to be fine-tuned")
    }
    guard !predictor.isText else {
      guard inputs == nil else {
        throw SpecError(field: "inputs", message: "inputs: a model of text takes a prompt")
      }
      return [
        "text": .string(
          try predictor.continueText(prompt, tokens: tokens, temperature: temperature, seed: seed))
      ]
    }
    guard let inputs else {
      throw SpecError(field: "prompt", message: "prompt: this model takes inputs, it is no model of text")
    }
    guard (texts != nil) == predictor.takesTexts else {
      throw SpecError(
        field: "inputs.0",
        message: predictor.takesTexts
          ? "inputs.0 must be a string, as the model reads texts" : "inputs.0 must be a list of numbers")
    }
    let outputs = try texts.map { try predictor.outputs(texts: $0) } ?? predictor.outputs(inputs)
    var answer: JSONObject = ["outputs": .array(outputs.map(row))]
    if predictor.isClassifier {
      let probabilities = outputs.map(predictor.probabilities)
      answer["probabilities"] = .array(probabilities.map(row))
      answer["classes"] = .array(
        probabilities.map { row in JSON(row.indices.max { (row[$0], -$0) < (row[$1], -$1) } ?? 0) })
    }
    return .object(answer)
  }

  private func row(_ numbers: [Float]) -> JSON { .array(numbers.map { JSON(Double($0)) }) }
  private func row(_ numbers: [Double]) -> JSON { .array(numbers.map { JSON($0) }) }
}
