import HTTP
import JSON
import Storage
import Training
import Tuning

/// Several models at work together: trained for it, or any that there are.
func ensembleEndpoints(_ context: Context) -> [Endpoint] {
  [
    Endpoint(
      method: .post, pattern: "/api/v1/ensembles", permission: .write,
      summary: "Evaluate the mean prediction of given models, or train the members of an ensemble first.",
      body: "EnsembleRequest", answer: .json("Ensemble", status: 201), failures: [404, 413, 503],
      bodyLimit: 16 << 20
    ) { request in
      let asked = try EnsembleRequest(try body(of: request)) { try baseSpec($0, context) }
      if let design = asked.design { return try made(try begin(asked, design, context), context) }
      try checkMembers(asked, context)
      return context.measurements.answer { goOn in try made(try evaluate(asked, context, goOn), context) }
    },
    Endpoint(
      method: .get, pattern: "/api/v1/ensembles", permission: .read, summary: "Ensembles, newest first.",
      query: [.limit, .pageToken], answer: .json("Ensembles")
    ) { request in
      let query = QueryReader(query: request.query)
      let limit = try query.integer("limit", default: 100, in: 1...1000)
      let found = try context.store.listEnsembles(limit: limit + 1, before: try pageCursor(query))
      let shown = found.prefix(limit)
      return .json(
        page(
          "ensembles", try shown.map { try ensembleJSON($0, context) },
          next: found.count > limit ? shown.last?.id : nil))
    },
    Endpoint(
      method: .get, pattern: "/api/v1/ensembles/{id}", permission: .read, summary: "An ensemble.",
      answer: .json("Ensemble"), failures: [404]
    ) { request in .json(try ensembleJSON(try ensemble(request, context), context)) },
    Endpoint(
      method: .post, pattern: "/api/v1/ensembles/{id}/cancel", permission: .write,
      summary: "End an ensemble for good, and the jobs of its members.", answer: .json("Ensemble"),
      failures: [404, 409], bodyLimit: 1 << 10
    ) { request in
      let before = try ensemble(request, context)
      guard try context.store.endEnsemble(before.id, as: .cancelled, at: now()) else {
        let state = try ensemble(before.id, context).state
        throw HTTPFailure.conflict("ensemble \(before.id) is \(state.rawValue) and cannot be cancelled")
      }
      let after = try ensemble(before.id, context)
      try context.ensembles.cancelJobs(of: after)
      return .json(try ensembleJSON(after, context))
    },
  ]
}

/// The answer to a request that has made an ensemble.
private func made(_ id: Int64, _ context: Context) throws -> HTTPResponse {
  var response = HTTPResponse.json(try ensembleJSON(try ensemble(id, context), context), status: 201)
  response.headers.set("Location", "/api/v1/ensembles/\(id)")
  return response
}

/// Refuses models that are not there.
private func checkMembers(_ asked: EnsembleRequest, _ context: Context) throws {
  for (index, member) in asked.members.enumerated() {
    let path = "members.\(index)"
    guard let run = try context.store.run(member.runUID), try context.store.job(ofRun: run.uid) != nil else {
      throw HTTPFailure(
        status: 404,
        message: "\(path).run_id: there is no run \(quoted(member.runUID)) that was trained here",
        field: "\(path).run_id")
    }
    do { _ = try checkpoint(member.checkpoint, run, context) } catch let failure as HTTPFailure {
      throw HTTPFailure(
        status: failure.status, message: "\(path).checkpoint: \(failure.message)", field: "\(path).checkpoint"
      )
    }
  }
}

/// Evaluates models that are there and stores what was found.
private func evaluate(_ asked: EnsembleRequest, _ context: Context, _ goOn: @escaping LongWork.GoOn) throws
  -> Int64
{
  let evaluator = EnsembleEvaluator(
    store: context.store, catalog: context.catalog, method: nil, splits: asked.split.map { [$0] } ?? [],
    members: asked.members, goOn: goOn)
  let result: JSON
  do { result = try evaluator.result() } catch let fault as EnsembleFault {
    throw HTTPFailure.invalid(fault.field, fault.message)
  }
  let (request, text, members, time) = (asked.stored, result.text, asked.members, now())
  return try context.store.write { db in
    let id = try db.createEnsemble(request: request, createdAt: time)
    for member in members { try db.addMember(member, toEnsemble: id) }
    _ = try db.endEnsemble(id, as: .finished, result: text, at: time)
    return id
  }
}

/// Stores an ensemble and the jobs of those members that need not wait, in one transaction.
private func begin(_ asked: EnsembleRequest, _ design: EnsembleDesign, _ context: Context) throws -> Int64 {
  let base = try plan(design.base, context)
  var jobs: [NewJob] = []
  let steps: [Int]
  do {
    steps = design.method == .snapshots ? try design.snapshotSteps(totalSteps: base.totalSteps) : []
  } catch {
    throw HTTPFailure.invalid(error.field, error.message)
  }
  for number in 0..<design.jobsAtOnce {
    let member = try plan(design.job(number, after: [], totalSteps: base.totalSteps), context)
    guard member.has(asked.split) else {
      throw HTTPFailure.invalid(
        asked.split == nil ? "train.base.dataset.validation" : "split",
        asked.split == nil
          ? "train.base.dataset.validation must leave something to evaluate the ensemble on"
          : "split must be a part that the members' jobs have")
    }
    jobs.append(newJob(member.spec, member, tags: []))
  }
  if design.method == .boosting, !base.isClassification {
    throw HTTPFailure.invalid("train.method", "train.method must not be boosting where there are no classes")
  }
  let (request, time, made) = (asked.stored, now(), jobs)
  let (id, records) = try context.store.write { db -> (Int64, [JobRecord]) in
    let id = try db.createEnsemble(request: request, createdAt: time)
    let records = try made.map { job in
      var job = job
      job.run.tags.append(KeyValue(ensembleTag, "\(id)"))
      return try db.createJob(job)
    }
    for record in records {
      let checkpoints = steps.isEmpty ? ["latest"] : steps.map(String.init)
      for checkpoint in checkpoints {
        try db.addMember(EnsembleMember(runUID: record.runUID, checkpoint: checkpoint), toEnsemble: id)
      }
    }
    return (id, records)
  }
  for record in records { context.scheduler.announce(record) }
  context.scheduler.wake()
  return id
}

/// Checks a member's job whole; a fault is the base's.
private func plan(_ job: JSON, _ context: Context) throws -> JobPlan {
  do {
    let spec = try JobSpec.decode(job, catalog: context.catalog)
    return try JobPlan.make(
      spec, catalog: context.catalog, checkpoints: checkpointSource(context.store, context.weights),
      forRunning: false)
  } catch {
    throw baseFailure(error)
  }
}

private func baseSpec(_ json: JSON, _ context: Context) throws -> JobSpec {
  do { return try JobSpec.decode(json, catalog: context.catalog) } catch { throw baseFailure(error) }
}

private func baseFailure(_ error: SpecError) -> HTTPFailure {
  guard !error.field.isEmpty else { return .invalid("train.base", "train.base: \(error.message)") }
  return .invalid("train.base.\(error.field)", "train.base.\(error.message)")
}

private func ensemble(_ request: HTTPRequest, _ context: Context) throws -> EnsembleRecord {
  let text = request.parameters["id"] ?? ""
  guard let id = Int64(text), id > 0 else {
    throw HTTPFailure.notFound("there is no ensemble \(quoted(text))")
  }
  return try ensemble(id, context)
}

private func ensemble(_ id: Int64, _ context: Context) throws -> EnsembleRecord {
  guard let found = try context.store.ensemble(id) else {
    throw HTTPFailure.notFound("there is no ensemble \(id)")
  }
  return found
}

/// An ensemble as the API shows it: what was asked, its members with their jobs, and once it is finished their metrics and
/// those of the mean prediction.
private func ensembleJSON(_ ensemble: EnsembleRecord, _ context: Context) throws -> JSON {
  let request = try EnsembleRequest(stored: ensemble.request)
  let result = try ensemble.result.map { try JSON.parse($0).objectValue ?? [:] } ?? [:]
  let found = result["members"]?.arrayValue ?? []
  let members = try ensemble.members.enumerated().map { index, member -> JSON in
    let job = try context.store.job(ofRun: member.runUID)
    var object: JSONObject = [
      "run_id": .string(member.runUID), "job_id": job.map { JSON($0.id) } ?? .null,
      "state": job.map { .string($0.state.rawValue) } ?? .null,
      "checkpoint": Int(member.checkpoint).map { JSON($0) } ?? .string(member.checkpoint), "metrics": [:],
    ]
    if index < found.count {
      for (key, value) in found[index].objectValue?.entries ?? [] { object[key] = value }
    }
    return .object(object)
  }
  var object: JSONObject = [
    "id": JSON(ensemble.id), "state": .string(ensemble.state.rawValue),
    "error": ensemble.error.map(JSON.string) ?? .null,
    "method": .string(request.design?.method.rawValue ?? "members"),
    "split": request.split.map { .string($0.rawValue) } ?? .null,
    "created_at": JSON(ensemble.createdAt), "ended_at": ensemble.endedAt.map { JSON($0) } ?? .null,
    "members": .array(members), "ensemble": [:],
  ]
  for (key, value) in result.entries where key != "members" { object[key] = value }
  return .object(object)
}
