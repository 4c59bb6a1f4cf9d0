import HTTP
import JSON
import Storage

/// The stream of everything that happens.
func eventsEndpoint(_ context: Context) -> Endpoint {
  Endpoint(
    method: .get, pattern: "/api/v1/events", permission: .read,
    summary: "Server-sent events: metric, run, job, checkpoint, log; Last-Event-ID resumes.",
    query: [
      .init(name: "run", schema: ["type": "string"], meaning: "Only events of these runs.", repeats: true),
      .init(
        name: "experiment", schema: ["type": "string"], meaning: "Or of these experiments.", repeats: true),
    ], answer: .text("text/event-stream")
  ) { request in
    let filter = LiveFilter(
      runs: Set(request.query.all("run")), experiments: Set(request.query.all("experiment")))
    return .events(context.hub.subscribe(filter, after: request.headers["Last-Event-ID"]))
  }
}

func publishJob(_ job: JobRecord, progress: JobProgress?, to hub: LiveHub) {
  hub.publish(.job, run: job.runUID, experiment: job.experimentName, data: jobJSON(job, progress).encoded)
}

func publishRun(_ job: JobRecord, to hub: LiveHub) {
  let data: JSON = [
    "run_id": .string(job.runUID), "name": .string(job.runName), "experiment": .string(job.experimentName),
    "status": .string(job.state.runStatus.rawValue), "job_id": JSON(job.id),
  ]
  hub.publish(.run, run: job.runUID, experiment: job.experimentName, data: data.encoded)
}
