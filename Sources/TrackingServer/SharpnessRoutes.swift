import HTTP
import JSON
import Storage
import Training

/// How flat the minimum is that a run has found.
func sharpnessEndpoints(_ context: Context) -> [Endpoint] {
  [
    Endpoint(
      method: .post, pattern: "/api/v1/runs/{run_id}/sharpness", permission: .read,
      summary:
        "The largest training loss in a small box around a run's parameters, and the sharpness that follows "
        + "(Keskar et al. 2017).",
      body: "SharpnessRequest", answer: .json("Sharpness"), failures: [404, 409, 413], bodyLimit: 1 << 16
    ) { request in
      let run = try run(request, context)
      let asked = try SharpnessRequest(try body(of: request))
      guard let job = try context.store.job(ofRun: run.uid) else {
        throw HTTPFailure.notFound("run \(run.uid) was not trained here, so there is no model of it")
      }
      let checkpoint = try checkpoint(asked.checkpoint, run, context)
      let bytes = try context.store.readCheckpoint(
        run: run.uid, step: checkpoint.step, offset: 0, count: checkpoint.bytes)
      do {
        let found = try Sharpness.measure(
          spec: try JobSpec.decode(try JSON.parse(job.spec), catalog: context.catalog),
          catalog: context.catalog, checkpoint: bytes, epsilon: asked.epsilon, steps: asked.steps,
          starts: asked.starts, limit: asked.limit, seed: asked.seed)
        return .json([
          "run_id": .string(run.uid), "checkpoint": JSON(checkpoint.step), "epsilon": JSON(asked.epsilon),
          "steps": JSON(asked.steps), "starts": JSON(asked.starts), "examples": JSON(found.examples),
          "loss": JSON(found.loss), "max_loss": JSON(found.maximum), "sharpness": JSON(found.sharpness),
        ])
      } catch let error as SpecError {
        throw HTTPFailure.conflict("the model of run \(run.uid) cannot be made again: \(error.message)")
      }
    }
  ]
}

/// Which model, which box, and how long to look.
private struct SharpnessRequest {
  let checkpoint: String
  let epsilon: Double
  let steps: Int
  let starts: Int
  let limit: Int?
  let seed: UInt64

  private static let fields = ["checkpoint", "epsilon", "steps", "starts", "limit", "seed"]

  init(_ json: JSON) throws {
    guard let object = json.objectValue else { throw HTTPFailure.invalid(nil, "the body must be an object") }
    for (name, _) in object.entries where !Self.fields.contains(name) {
      throw HTTPFailure.invalid(
        name, "\(name) is not a field here (known: \(Self.fields.joined(separator: ", ")))")
    }
    func fault(_ name: String, _ must: String) -> HTTPFailure {
      HTTPFailure.invalid(name, "\(name) must be \(must), got \(object[name]?.text.prefix(60) ?? "")")
    }
    func integer(_ name: String, _ range: ClosedRange<Int>, default fallback: Int) throws -> Int {
      guard let value = (object[name] ?? JSON(fallback)).intValue, range.contains(value) else {
        throw fault(name, "an integer from \(range.lowerBound) to \(range.upperBound)")
      }
      return value
    }
    switch object["checkpoint"] {
    case nil: checkpoint = "latest"
    case .string(let label): checkpoint = label
    case let value:
      guard let step = value?.intValue, step >= 0 else { throw fault("checkpoint", "a step, latest or best") }
      checkpoint = String(step)
    }
    guard let epsilon = (object["epsilon"] ?? 1e-3).doubleValue, epsilon > 0, epsilon <= 1 else {
      throw fault("epsilon", "a number above 0 and at most 1")
    }
    self.epsilon = epsilon
    steps = try integer("steps", 1...100, default: 10)
    starts = try integer("starts", 1...20, default: 3)
    limit = try object["limit"] == nil ? nil : integer("limit", 1...100_000, default: 1)
    seed = UInt64(try integer("seed", 0...1 << 53, default: 0))
  }
}
