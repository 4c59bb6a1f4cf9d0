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
      body: "PredictRequest", answer: .json("Prediction"), failures: [404, 409, 413, 503], bodyLimit: 64 << 20
    ) { request in
      let run = try run(request, context)
      let question = try PredictRequest(try body(of: request))
      return context.predictions.answer { goOn in
        let predictor = try predictor(of: run, question.checkpoint, context)
        do { return .json(try question.answer(predictor, goOn)) } catch let error as SpecError {
          throw HTTPFailure.invalid(error.field, error.message)
        }
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
  let bytes = checkpointBytes(context.store, run.uid, checkpoint)
  do {
    let spec = try JobSpec.decode(try JSON.parse(job.spec), catalog: context.catalog)
    return try Predictor(spec: spec, catalog: context.catalog, checkpoint: bytes, readsText: false)
  } catch let error as SpecError {
    throw HTTPFailure.conflict("the model of run \(run.uid) cannot be made again: \(error.message)")
  }
}

/// What is asked of a model.
private struct PredictRequest {
  let checkpoint: String
  let inputs: [Input]?
  /// The inputs where they are texts.
  let texts: [String]?
  let prompt: String
  let tokens: Int
  let temperature: Double
  let seed: UInt64

  private static let inputLimit = 100_000
  private static let tokenLimit = 10_000
  private static let promptLimit = 1 << 20

  init(_ json: JSON) throws {
    self = try fields(of: json, "a prediction") { try PredictRequest($0) }
  }

  private init(_ fields: FieldReader) throws {
    checkpoint = try fields.checkpoint("checkpoint", default: "best or latest")
    let list = fields.value("inputs")
    let given = fields.value("prompt")
    guard list != nil || given != nil else {
      throw HTTPFailure.invalid("inputs", "inputs, or for models of text prompt, is required")
    }
    guard list == nil || given == nil else {
      throw fields.error("prompt", must: "left out when inputs are given")
    }
    (inputs, texts) = try list.map { try Self.examples($0, fields) } ?? (nil, nil)
    guard let prompt = (given ?? "").stringValue, prompt.utf8.count <= Self.promptLimit else {
      throw fields.error("prompt", must: "a string of at most \(Self.promptLimit) bytes")
    }
    self.prompt = prompt
    tokens = try fields.integer("tokens", 1...Self.tokenLimit, default: 100)
    temperature = try fields.number("temperature", .notNegative, default: 1)
    seed = UInt64(try fields.integer("seed", 0...1 << 53, default: 0))
  }

  /// Examples of numbers, or of texts.
  private static func examples(_ list: JSON, _ fields: FieldReader) throws -> ([Input]?, [String]?) {
    guard let rows = list.arrayValue, (1...inputLimit).contains(rows.count) else {
      throw fields.error("inputs", must: "a list of 1 to \(inputLimit) examples")
    }
    let words = rows.compactMap(\.stringValue)
    guard words.count < rows.count else { return ([], words) }
    let inputs = try rows.enumerated().map { index, row in
      guard row.arrayValue != nil, let input = Input(row) else {
        throw HTTPFailure.invalid(
          "inputs.\(index)",
          "inputs.\(index) must be a list of finite numbers, or lists of them of equal length")
      }
      return input
    }
    return (inputs, nil)
  }

  func answer(_ predictor: Predictor, _ goOn: () throws -> Void) throws -> JSON {
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
          try predictor.continueText(prompt, tokens: tokens, temperature: temperature, seed: seed, goOn: goOn)
        )
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
    for (index, input) in inputs.enumerated() where !input.fits(predictor.inputShape) {
      throw SpecError(
        field: "inputs.\(index)",
        message:
          """
          inputs.\(index) must be the numbers of an example, in one list or of shape \(predictor.inputShape), got shape \
          \(input.shape)
          """
      )
    }
    let outputs =
      try texts.map { try predictor.outputs(texts: $0) } ?? predictor.outputs(inputs.map(\.numbers))
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

/// An example as it was sent: numbers in lists in lists.
private struct Input {
  /// How long the lists are, the outermost first.
  let shape: [Int]
  private(set) var numbers: [Float] = []

  private static let maxDepth = 4

  /// Nil where a list holds something else than finite numbers, or lists of different lengths.
  init?(_ json: JSON) {
    var shape: [Int] = []
    var inner = json
    while let items = inner.arrayValue, shape.count < Self.maxDepth {
      shape.append(items.count)
      guard let first = items.first else { break }
      inner = first
    }
    self.shape = shape
    guard collect(json, depth: 0) else { return nil }
  }

  private mutating func collect(_ json: JSON, depth: Int) -> Bool {
    if let items = json.arrayValue {
      return depth < shape.count && items.count == shape[depth]
        && items.allSatisfy { collect($0, depth: depth + 1) }
    }
    guard depth == shape.count, let number = json.doubleValue, Float(number).isFinite else { return false }
    numbers.append(Float(number))
    return true
  }

  /// Whether it is an example of that shape: as such, in one list, or a picture of one channel without the axis of it.
  func fits(_ example: [Int]) -> Bool {
    shape == example || shape == [example.reduce(1, *)] || [1] + shape == example
  }
}
