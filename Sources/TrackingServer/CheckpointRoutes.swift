import HTTP
import JSON
import Storage
import Training

/// Listing, downloading and deleting checkpoints.
func checkpointEndpoints(_ context: Context) -> [Endpoint] {
  [
    Endpoint(
      method: .get, pattern: "/api/v1/runs/{run_id}/checkpoints", permission: .read,
      summary: "The checkpoints of a run, by step.", answer: .json("Checkpoints"), failures: [404]
    ) { request in
      let run = try run(request, context)
      return .json([
        "checkpoints": .array(try context.store.listCheckpoints(run: run.uid).map(checkpointJSON))
      ])
    },
    Endpoint(
      method: .get, pattern: "/api/v1/runs/{run_id}/checkpoints/{step}", permission: .read,
      summary: "A checkpoint as a safetensors file; step is a number, latest or best.",
      query: [
        .init(
          name: "part", schema: ["type": "string", "enum": ["all", "model"], "default": "all"],
          meaning: "all: everything that resuming needs; model: the model's tensors under PyTorch's names.")
      ], answer: .bytes("application/octet-stream"), failures: [404]
    ) { request in
      let run = try run(request, context)
      let checkpoint = try checkpoint(request, run, context)
      let part = try QueryReader(query: request.query).choice("part", ["all", "model"]) ?? "all"
      return try download(checkpoint, of: run, modelOnly: part == "model", context)
    },
    Endpoint(
      method: .delete, pattern: "/api/v1/runs/{run_id}/checkpoints/{step}", permission: .write,
      summary: "Delete a checkpoint.", answer: .nothing, failures: [404]
    ) { request in
      let run = try run(request, context)
      let checkpoint = try checkpoint(request, run, context)
      try context.store.deleteCheckpoint(run: run.uid, step: checkpoint.step)
      return .noContent
    },
  ]
}

func checkpointJSON(_ checkpoint: CheckpointRecord) -> JSON {
  [
    "step": JSON(checkpoint.step), "epoch": JSON(checkpoint.epoch), "created_at": JSON(checkpoint.createdAt),
    "bytes": JSON(checkpoint.bytes), "labels": .array(checkpoint.labels.map(JSON.string)),
    "metrics": JSON(checkpoint.metrics.map { ($0.key, JSON($0.value)) }),
  ]
}

private func checkpoint(_ request: HTTPRequest, _ run: RunRecord, _ context: Context) throws
  -> CheckpointRecord
{
  try checkpoint(request.parameters["step"] ?? "", run, context)
}

/// The checkpoint of a step or a label; "best or latest" is the best where there is one.
func checkpoint(_ text: String, _ run: RunRecord, _ context: Context) throws -> CheckpointRecord {
  let all = try context.store.listCheckpoints(run: run.uid)
  if text == "best or latest" {
    let labelled = ["best", "latest"].compactMap { label in all.last { $0.labels.contains(label) } }
    guard let found = labelled.first else {
      throw HTTPFailure.notFound("run \(run.uid) has no checkpoint yet")
    }
    return found
  }
  if text == "latest" || text == "best" {
    guard let found = all.last(where: { $0.labels.contains(text) }) else {
      throw HTTPFailure.notFound("run \(run.uid) has no \(text) checkpoint")
    }
    return found
  }
  guard let step = Int64(text), step >= 0 else {
    throw HTTPFailure.invalid("step", "step must be a step, latest or best, got \(quoted(text))")
  }
  guard let found = all.first(where: { $0.step == step }) else {
    throw HTTPFailure.notFound("run \(run.uid) has no checkpoint of step \(step)")
  }
  return found
}

/// Bytes that are read from the store and sent at a time.
private let pieceSize = 1 << 20

private func download(
  _ checkpoint: CheckpointRecord, of run: RunRecord, modelOnly: Bool, _ context: Context
) throws -> HTTPResponse {
  let spec = try context.store.job(ofRun: run.uid).map { try JSON.parse($0.spec) } ?? .null
  let name = Checkpoint.suggestedName(
    spec: spec, epoch: Int(checkpoint.epoch), metrics: checkpoint.metrics.map { ($0.key, $0.value) })
  let headers: HTTPHeaders = [
    "Content-Type": "application/octet-stream", "Content-Disposition": "attachment; filename=\"\(name)\"",
    "Cache-Control": "no-store",
  ]
  if modelOnly {
    let model = try Checkpoint.modelPart(of: checkpointBytes(context.store, run.uid, checkpoint))
    return HTTPResponse(
      status: 200, headers: headers,
      body: .stream(length: model.count) { writer in try model.write { try writer.write($0) } })
  }
  return HTTPResponse(
    status: 200, headers: headers,
    body: .stream(length: checkpoint.bytes) { writer in
      var offset = 0
      while offset < checkpoint.bytes {
        let piece = try context.store.readCheckpoint(
          run: run.uid, step: checkpoint.step, offset: offset,
          count: min(pieceSize, checkpoint.bytes - offset))
        try writer.write(piece)
        offset += piece.count
      }
    })
}
