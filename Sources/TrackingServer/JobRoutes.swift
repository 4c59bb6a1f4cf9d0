import HTTP
import JSON
import Storage
import Training

/// Submitting, following and steering jobs.
func jobEndpoints(_ context: Context) -> [Endpoint] {
  [
    Endpoint(
      method: .post, pattern: "/api/v1/jobs", permission: .write,
      summary: "Submit a training job; with dry_run, check it and show it whole without storing anything.",
      query: [
        .init(
          name: "dry_run", schema: ["type": "boolean", "default": false], meaning: "Only check and show.")
      ],
      body: "JobSpec", answer: .json("Job", status: 201), failures: [413, 503], bodyLimit: 16 << 20
    ) { request in
      let isDry = try QueryReader(query: request.query).flag("dry_run")
      return try checked(try body(of: request), context) { spec in
        let plan = try jobPlan(spec, context)
        if isDry { return .json(dryRun(spec, plan)) }
        let job = try submit(spec, plan, context)
        var response = HTTPResponse.json(jobJSON(job, context.scheduler.progress(of: job.id)), status: 201)
        response.headers.set("Location", "/api/v1/jobs/\(job.id)")
        return response
      }
    },
    Endpoint(
      method: .post, pattern: "/api/v1/jobs/check", permission: .read,
      summary:
        "Check a job that is being written: what dry_run answers, or the fault and where it is, with 200.",
      query: [
        .init(
          name: "caret", schema: ["type": "integer", "minimum": 0],
          meaning: "An offset in the text, in UTF-16 units, for which to propose what may stand there.")
      ],
      body: "JobSpec", answer: .json("JobCheck"), failures: [413, 503], bodyLimit: 1 << 20
    ) { request in
      let bytes = try request.body.readAll()
      let caret = try QueryReader(query: request.query).optionalInteger("caret").map { Int(clamping: $0) }
      let text = JobText(String(decoding: bytes, as: UTF8.self), caret: caret ?? 0)
      var answer: JSONObject = ["plan": .null, "error": .null, "range": .null, "proposals": .null]
      if caret != nil { answer["proposals"] = proposalsJSON(text) }
      // A page asks this after each edit; browsers report every answer of 400 as an error of the page.
      @Sendable func note(_ error: any Error, in answer: inout JSONObject) throws {
        guard let fault = error as? HTTPFailure, fault.status == 400 else { throw error }
        answer["error"] = fault.json
        answer["range"] = (fault.field.flatMap(text.range) ?? breakRange(bytes)).map(rangeJSON) ?? .null
      }
      do {
        return try checked(try parsed(bytes), context) { [answer] spec in
          var answer = answer
          do { answer["plan"] = dryRun(spec, try jobPlan(spec, context)) } catch {
            try note(error, in: &answer)
          }
          return .json(.object(answer))
        }
      } catch {
        try note(error, in: &answer)
        return .json(.object(answer))
      }
    },
    Endpoint(
      method: .get, pattern: "/api/v1/jobs", permission: .read, summary: "Jobs, newest first.",
      query: [
        .init(
          name: "state", schema: ["type": "string", "enum": .array(jobStateNames.map(JSON.string))],
          meaning: "Only jobs in this state."), .limit, .pageToken,
      ], answer: .json("Jobs")
    ) { request in
      let query = QueryReader(query: request.query)
      let state = try query.choice("state", jobStateNames).flatMap(JobState.init(rawValue:))
      let limit = try query.integer("limit", default: 100, in: 1...1000)
      let jobs = try context.store.listJobs(state: state, limit: limit + 1, before: try pageCursor(query))
      let shown = jobs.prefix(limit)
      return .json(
        page(
          "jobs", shown.map { jobJSON($0, context.scheduler.progress(of: $0.id)) },
          next: jobs.count > limit ? shown.last?.id : nil))
    },
    Endpoint(
      method: .get, pattern: "/api/v1/jobs/{id}", permission: .read, summary: "A job.", answer: .json("Job"),
      failures: [404]
    ) { request in try answer(try job(request, context), context) },
    action("cancel", "End a job for good; a running one keeps its newest checkpoint.", context, cancel),
    action("pause", "Hold a job; a running one is checkpointed at its step.", context, pause),
    action("resume", "Put a paused job back into the queue.", context, resume),
  ]
}

/// An answer about a job: at once, or beside the handlers where its text may have to be gone through for it.
private func checked(
  _ json: JSON, _ context: Context, _ answer: @escaping @Sendable (JobSpec) throws -> HTTPResponse
) throws -> HTTPResponse {
  let spec = try jobSpec(json, context)
  guard spec.readsText else { return try answer(spec) }
  return context.checks.answer { _ in try answer(spec) }
}

/// Decodes a job; a fault names its field.
func jobSpec(_ json: JSON, _ context: Context) throws -> JobSpec {
  do { return try JobSpec.decode(json, catalog: context.catalog) } catch {
    throw HTTPFailure.invalid(error.field.isEmpty ? nil : error.field, error.message)
  }
}

/// Checks a job whole: shapes, sizes, memory.
func jobPlan(_ spec: JobSpec, _ context: Context) throws -> JobPlan {
  do {
    return try JobPlan.make(
      spec, catalog: context.catalog, checkpoints: checkpointSource(context.store, context.weights),
      forRunning: false)
  } catch {
    throw HTTPFailure.invalid(error.field.isEmpty ? nil : error.field, error.message)
  }
}

/// Checks a job and stores it.
func submitJob(_ json: JSON, _ context: Context) throws -> JobRecord {
  let spec = try jobSpec(json, context)
  return try submit(spec, try jobPlan(spec, context), context)
}

/// Stores a checked job with its run and tells the workers.
private func submit(_ spec: JobSpec, _ plan: JobPlan, _ context: Context) throws -> JobRecord {
  let job = try context.store.createJob(newJob(spec, plan, tags: []))
  context.scheduler.announce(job)
  context.scheduler.wake()
  return job
}

/// A checked job and its run as they are to be stored, the run with further tags.
func newJob(_ spec: JobSpec, _ plan: JobPlan, tags: [KeyValue]) -> NewJob {
  let run = NewRun(
    uid: newRunID(), experimentID: 0, name: spec.name, status: .scheduled,
    params: spec.leaves.map { KeyValue($0.path, $0.value) },
    // A run's name is also a tag, which MLflow's clients search by.
    tags: spec.tags.map { KeyValue($0.key, $0.value) } + [KeyValue(runNameTag, spec.name)] + tags)
  return NewJob(
    experiment: spec.experiment, run: run, spec: spec.encode().text, priority: Int64(spec.priority),
    totalSteps: Int64(plan.totalSteps), createdAt: now())
}

/// A job as the API shows it; `progress` is that of the trainer when it is at work.
func jobJSON(_ job: JobRecord, _ progress: JobProgress?) -> JSON {
  let progress = progress ?? JobProgress(job)
  return [
    "id": JSON(job.id), "run_id": .string(job.runUID), "name": .string(job.runName),
    "state": .string(job.state.rawValue),
    "error": job.error.map(JSON.string) ?? .null, "priority": JSON(job.priority),
    "created_at": JSON(job.createdAt),
    "started_at": job.startedAt.map { JSON($0) } ?? .null, "ended_at": job.endedAt.map { JSON($0) } ?? .null,
    "progress": [
      "step": JSON(progress.step), "total_steps": JSON(progress.totalSteps), "epoch": JSON(progress.epoch),
      "eta_seconds": progress.etaSeconds.map { JSON($0) } ?? .null,
    ],
  ]
}

private func dryRun(_ spec: JobSpec, _ plan: JobPlan) -> JSON {
  [
    "spec": spec.encode(), "parameters": JSON(plan.parameters),
    "layers": .array(plan.layers.map(layerJSON)),
    "stages": .array(
      plan.stages.map { stage in
        ["layers": .array(stage.layers.map(JSON.string)), "parameters": JSON(stage.parameters)]
      }),
    "steps_per_epoch": JSON(plan.stepsPerEpoch), "total_steps": JSON(plan.totalSteps),
    "memory_bytes": JSON(plan.memoryBytes),
  ]
}

private func layerJSON(_ layer: LayerSummary) -> JSON {
  [
    "name": .string(layer.name), "output_shape": .array(layer.outputShape.map { JSON($0) }),
    "parameters": JSON(layer.parameters), "settings": .object(layer.settings),
    "layers": .array(layer.layers.map(layerJSON)),
  ]
}

private let jobSchema = JobSpec.schema

private func proposalsJSON(_ text: JobText) -> JSON {
  [
    "range": rangeJSON(text.place.range),
    "items": .array(
      text.proposals(jobSchema).map { ["text": .string($0.text), "insert": .string($0.insert)] }),
  ]
}

/// Where a text that is not JSON goes wrong, in UTF-16 units.
private func breakRange(_ bytes: [UInt8]) -> Range<Int>? {
  do {
    _ = try JSON.parse(bytes)
    return nil
  } catch {
    let start = String(decoding: bytes.prefix(error.offset), as: UTF8.self).utf16.count
    return start..<start + 1
  }
}

private func rangeJSON(_ range: Range<Int>) -> JSON { [JSON(range.lowerBound), JSON(range.upperBound)] }

func body(of request: HTTPRequest) throws -> JSON { try parsed(try request.body.readAll()) }

private func parsed(_ bytes: [UInt8]) throws -> JSON {
  do { return try JSON.parse(bytes) } catch { throw HTTPFailure.invalid(nil, error.message) }
}

// MARK: steering

private func action(
  _ name: String, _ summary: String, _ context: Context,
  _ carryOut: @escaping @Sendable (JobRecord, Context) throws -> Void
) -> Endpoint {
  Endpoint(
    method: .post, pattern: "/api/v1/jobs/{id}/\(name)", permission: .write, summary: summary,
    answer: .json("Job"),
    failures: [404, 409], bodyLimit: 1 << 10
  ) { request in
    let before = try job(request, context)
    try carryOut(before, context)
    return try answer(try context.store.job(before.id) ?? before, context)
  }
}

/// Seconds that an answer waits for a running job to come to its end; training steps are far shorter.
private let patience = 5.0

@Sendable private func cancel(_ job: JobRecord, _ context: Context) throws {
  if try context.store.transition(job: job.id, from: [.queued, .paused], to: .cancelled, endedAt: now()) {
    return announce(job, context)
  }
  try end(job, by: .cancel, as: .cancelled, context)
}

@Sendable private func pause(_ job: JobRecord, _ context: Context) throws {
  if try context.store.transition(job: job.id, from: [.queued], to: .paused) { return announce(job, context) }
  try end(job, by: .pause, as: .paused, context)
}

/// Asks the trainer of a running job to end and waits until it has; 409 where the job came to another end first.
private func end(
  _ job: JobRecord, by request: RunControl.Request, as wanted: JobState, _ context: Context
) throws {
  guard context.scheduler.request(request, of: job.id) else { throw conflict(job, wanted.rawValue, context) }
  context.scheduler.waitUntilIdle(job.id, seconds: patience)
  if let state = try context.store.job(job.id)?.state, state.isFinal, state != wanted {
    throw conflict(job, wanted.rawValue, context)
  }
}

@Sendable private func resume(_ job: JobRecord, _ context: Context) throws {
  guard try context.store.transition(job: job.id, from: [.paused], to: .queued) else {
    throw conflict(job, "resumed", context)
  }
  announce(job, context)
  context.scheduler.wake()
}

private func announce(_ job: JobRecord, _ context: Context) {
  if let changed = try? context.store.job(job.id) { context.scheduler.announce(changed) }
}

private func conflict(_ job: JobRecord, _ participle: String, _ context: Context) -> HTTPFailure {
  let state = (try? context.store.job(job.id))?.state ?? job.state
  return .conflict("job \(job.id) is \(state.rawValue) and cannot be \(participle)")
}

private func job(_ request: HTTPRequest, _ context: Context) throws -> JobRecord {
  let text = request.parameters["id"] ?? ""
  guard let id = Int64(text), let job = try context.store.job(id) else {
    throw HTTPFailure.notFound("there is no job \(quoted(text))")
  }
  return job
}

private func answer(_ job: JobRecord, _ context: Context) throws -> HTTPResponse {
  .json(jobJSON(job, context.scheduler.progress(of: job.id)))
}
