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
      body: "SharpnessRequest", answer: .json("Sharpness"), failures: [404, 409, 413, 503], bodyLimit: 1 << 16
    ) { request in
      let run = try run(request, context)
      let asked = try SharpnessRequest(try body(of: request))
      guard let job = try context.store.job(ofRun: run.uid) else {
        throw HTTPFailure.notFound("run \(run.uid) was not trained here, so there is no model of it")
      }
      let checkpoint = try checkpoint(asked.checkpoint, run, context)
      let bytes = checkpointBytes(context.store, run.uid, checkpoint)
      return context.measurements.answer { goOn in
        do {
          let found = try Sharpness.measure(
            spec: try JobSpec.decode(try JSON.parse(job.spec), catalog: context.catalog),
            catalog: context.catalog, checkpoint: bytes, epsilon: asked.epsilon, steps: asked.steps,
            starts: asked.starts, limit: asked.limit, seed: asked.seed, goOn: goOn)
          return .json([
            "run_id": .string(run.uid), "checkpoint": JSON(checkpoint.step), "epsilon": JSON(asked.epsilon),
            "steps": JSON(asked.steps), "starts": JSON(asked.starts), "examples": JSON(found.examples),
            "loss": JSON(found.loss), "max_loss": JSON(found.maximum), "sharpness": JSON(found.sharpness),
          ])
        } catch let error as SpecError {
          throw HTTPFailure.conflict("the model of run \(run.uid) cannot be made again: \(error.message)")
        }
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

  init(_ json: JSON) throws {
    self = try fields(of: json, "a question of sharpness") { try SharpnessRequest($0) }
  }

  private init(_ fields: FieldReader) throws {
    checkpoint = try fields.checkpoint("checkpoint", default: "latest")
    epsilon = try fields.number("epsilon", .positiveShare, default: 1e-3)
    steps = try fields.integer("steps", 1...100, default: 10)
    starts = try fields.integer("starts", 1...20, default: 3)
    limit = try fields.integerOrNone("limit", 1...100_000)
    seed = UInt64(try fields.integer("seed", 0...1 << 53, default: 0))
  }
}
