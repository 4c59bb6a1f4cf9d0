// Experiments, runs, jobs, logs, checkpoints.

import Testing

@testable import Storage

@Suite struct ResourceTests {
  @Test func experiments() throws {
    let folder = try TemporaryFolder()
    let store = try folder.open()
    let id = try store.createExperiment(name: "fashion", time: 5)
    #expect(id == 1)
    #expect(throws: StoreError.conflict("experiment 'fashion' exists already")) {
      try store.createExperiment(name: "fashion", time: 6)
    }
    #expect(try store.ensureExperiment("fashion", time: 7) == id)
    #expect(try store.ensureExperiment("digits", time: 7) == 2)
    try store.write { connection in
      try connection.setExperimentTags([KeyValue("a", "1"), KeyValue("a", "2")], id: id, time: 8)
      try connection.setExperiment(id, name: "clothes", lifecycle: .deleted, time: 9)
    }
    #expect(try store.listExperiments().map(\.id) == [0, 2])
    let found = try #require(try store.experiment(named: "clothes"))
    #expect(found.tags == [KeyValue("a", "2")] && found.lifecycle == .deleted && found.updatedAt == 9)
    #expect(try store.ensureExperiment("clothes", time: 10) == id)
    #expect(try store.experiment(id)?.lifecycle == .active)
    #expect(throws: StoreError.notFound("experiment 99")) {
      try store.createRun(NewRun(experimentID: 99, name: "x"))
    }
  }

  @Test func runs() throws {
    let folder = try TemporaryFolder()
    let store = try folder.open()
    let run = NewRun(
      name: "first", userID: "ada", startTime: 3, params: [KeyValue("lr", "0.1")],
      tags: [KeyValue("why", "a"), KeyValue("why", "b")])
    #expect(run.uid.count == 32 && run.uid.allSatisfy(\.isHexDigit))
    try store.createRun(run)
    #expect(throws: StoreError.self) { try store.createRun(run) }
    try store.logParams([KeyValue("lr", "0.1"), KeyValue("batch", "64")], run: run.uid)
    #expect(throws: StoreError.parameterChanged(key: "lr", was: "0.1", new: "0.2")) {
      try store.logParams([KeyValue("new", "1"), KeyValue("lr", "0.2")], run: run.uid)
    }
    // Two spellings of one letter are two values.
    try store.logParams([KeyValue("e", "\u{e9}")], run: run.uid)
    #expect(throws: StoreError.self) { try store.logParams([KeyValue("e", "e\u{301}")], run: run.uid) }
    try store.setRun(run.uid, status: .finished, end: 9)
    let found = try #require(try store.run(run.uid))
    #expect(found.params.map(\.key) == ["batch", "e", "lr"], "nothing of a refused call is stored")
    #expect(found.tags == [KeyValue("why", "b")])
    #expect(found.status == .finished && found.startTime == 3 && found.endTime == 9)
    #expect(found.experimentName == "Default" && found.userID == "ada")
    #expect(try store.write { try $0.deleteTag("why", run: run.uid) })
    #expect(try !store.write { try $0.deleteTag("why", run: run.uid) })
    let other = try store.createExperiment(name: "other", time: 1)
    for index in 0..<5 {
      try store.createRun(NewRun(uid: "u\(index)", experimentID: Int64(index % 2) * other, name: "n"))
    }
    #expect(try store.listRuns(limit: 3).map(\.uid) == ["u4", "u3", "u2"])
    let cursor = try #require(try store.listRuns(limit: 3).last?.number)
    #expect(try store.listRuns(limit: 9, before: cursor).map(\.uid) == ["u1", "u0", run.uid])
    #expect(try store.listRuns(experiment: other, limit: 9).map(\.uid) == ["u3", "u1"])
    try store.write { try $0.setRun("u3", lifecycle: .deleted) }
    #expect(try store.listRuns(experiment: other, limit: 9).map(\.uid) == ["u1"])
    #expect(throws: StoreError.notFound("run 'none'")) { try store.setRun("none", status: .failed) }
  }

  @Test func deletingARunGivesItsPagesBack() throws {
    let folder = try TemporaryFolder()
    let store = try folder.open(limits: .eager)
    let job = try store.createJob(
      NewJob(experiment: "e", run: NewRun(uid: "big", name: "b"), spec: "{}", totalSteps: 1, createdAt: 1))
    try store.createRun(NewRun(uid: "kept", name: "k"))
    #expect(store.eventually { store.gauges.walBytes == 0 })
    let small = Folder.size(folder.path + "/cairn.db")
    for part in 0..<60 {
      let points = (0..<1000).map {
        MetricPoint(key: "m\($0 % 3)", step: Int64(part * 1000 + $0), timestamp: 1, value: Double($0) / 7)
      }
      try store.append(points, run: "big")
    }
    let line = NewLogLine(time: 1, text: "text")
    try store.appendLog([NewLogLine](repeating: line, count: 5000), run: "big")
    let bytes = [UInt8](repeating: 1, count: 9 << 20)
    try store.putCheckpoint(
      NewCheckpoint(step: 1, epoch: 1, createdAt: 1, labels: ["latest"]), bytes: bytes, run: "big")
    try store.append([MetricPoint(key: "m0", step: 1, timestamp: 1, value: 1)], run: "kept")
    #expect(store.eventually { Folder.size(folder.path + "/cairn.db") > 9 << 20 })
    try store.deleteRun("big")
    #expect(try store.read { try $0.integer("SELECT count(*) FROM chunk_data") } ?? 9 <= 1)
    #expect(try store.run("big") == nil && store.job(job.id) == nil)
    #expect(throws: StoreError.notFound("run 'big'")) { try store.append([], run: "big") }
    #expect(throws: StoreError.notFound("run 'big'")) { try store.deleteRun("big") }
    let shrunk = store.eventually { Folder.size(folder.path + "/cairn.db") < small + 64 * 4096 }
    #expect(shrunk, "\(Folder.size(folder.path + "/cairn.db")) bytes left, \(small) at first")
    #expect(try store.run("kept")?.metrics.first?.count == 1)
    #expect(try store.check() == [])
  }

  @Test func jobs() throws {
    let folder = try TemporaryFolder()
    let store = try folder.open()
    func make(_ uid: String, priority: Int64) throws -> JobRecord {
      try store.createJob(
        NewJob(
          experiment: "fashion", run: NewRun(uid: uid, name: uid, params: [KeyValue("lr", "1")]), spec: "{}",
          priority: priority, totalSteps: 100, createdAt: 50))
    }
    let jobs = try [make("a", priority: 0), make("b", priority: 5), make("c", priority: 5)]
    #expect(jobs.map(\.id) == [1, 2, 3] && jobs[0].state == .queued)
    #expect(try store.run("a")?.status == .scheduled && store.run("a")?.experimentName == "fashion")
    #expect(throws: StoreError.self) { try make("a", priority: 0) }
    #expect(try store.listJobs(limit: 9).count == 3, "a refused job leaves nothing")
    #expect(try store.nextQueued()?.runUID == "b")
    #expect(try store.claimNextJob()?.id == 2)
    #expect(try store.claimNextJob()?.id == 3)
    #expect(try store.claimNextJob()?.id == 1)
    #expect(try store.claimNextJob() == nil)
    #expect(try store.run("a")?.status == .running)
    try store.updateProgress(job: 1, step: 1, epoch: 0, etaSeconds: .infinity, startedAt: 70)
    try store.updateProgress(job: 1, step: 40, epoch: 2, etaSeconds: 1.5, startedAt: 99)
    let running = try #require(try store.job(ofRun: "a"))
    #expect(running.startedAt == 70 && running.step == 40 && running.epoch == 2 && running.etaSeconds == 1.5)
    #expect(try store.run("a")?.startTime == 70)
    #expect(try !store.transition(job: 1, from: [.queued, .paused], to: .running))
    #expect(try store.transition(job: 1, from: [.running], to: .failed, error: "loss is NaN", endedAt: 80))
    #expect(try !store.transition(job: 1, from: [.running], to: .finished, endedAt: 81))
    let failed = try #require(try store.job(1))
    #expect(failed.state == .failed && failed.error == "loss is NaN" && failed.endedAt == 80)
    #expect(try store.run("a")?.status == .failed && store.run("a")?.endTime == 80)
    #expect(throws: StoreError.notFound("job 9")) {
      try store.transition(job: 9, from: [.running], to: .paused)
    }
    #expect(throws: StoreError.notFound("job 9")) { try store.updateProgress(job: 9, step: 1, epoch: 1) }
    #expect(try store.listJobs(state: .running, limit: 9).map(\.id) == [3, 2])
    #expect(try store.listJobs(limit: 1, before: 3).map(\.id) == [2])
  }

  @Test func oneWorkerWinsEachJob() throws {
    let folder = try TemporaryFolder()
    let store = try folder.open()
    for index in 0..<20 {
      _ = try store.createJob(
        NewJob(
          experiment: "e", run: NewRun(uid: "\(index)", name: ""), spec: "{}", totalSteps: 1, createdAt: 1))
    }
    let claims = Results()
    try onThreads(4) { _ in
      while let job = try? store.claimNextJob() {
        let number = Int(job.id)
        claims.note(number, claims[number] == nil ? .success(1) : .failure(StoreError.conflict("twice")))
      }
    }
    for number in 1...20 { #expect(try claims[number]?.get() == 1) }
  }

  @Test func logs() throws {
    let folder = try TemporaryFolder()
    let store = try folder.open()
    try store.createRun(NewRun(uid: "r", name: "run"))
    #expect(
      try store.appendLog([NewLogLine(time: 1, text: "a"), NewLogLine(time: 2, text: "")], run: "r") == 2)
    #expect(try store.appendLog([NewLogLine(time: 3, text: "c\u{0}d")], run: "r") == 3)
    #expect(try store.log(run: "r", limit: 2).map(\.number) == [1, 2])
    #expect(try store.log(run: "r", from: 3, limit: 9) == [LogLine(number: 3, time: 3, text: "c\u{0}d")])
    #expect(throws: StoreError.notFound("run 'x'")) { try store.log(run: "x", limit: 1) }
  }

  // MARK: Checkpoints

  private func bytes(_ count: Int, seed: UInt64) -> [UInt8] {
    var random = SplitMix(state: seed)
    return (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
  }

  @Test(arguments: [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5_000_000]) func checkpointBytes(size: Int)
    throws
  {
    let folder = try TemporaryFolder()
    var store = try folder.open()
    try store.createRun(NewRun(uid: "r", name: "run"))
    let data = bytes(size, seed: UInt64(size))
    var writer = try store.beginCheckpoint(NewCheckpoint(step: 4, epoch: 1, createdAt: 9), run: "r")
    var start = 0
    while start < size {
      let end = min(start + 777_777, size)
      try writer.append(Array(data[start..<end]))
      start = end
      #expect(try store.listCheckpoints(run: "r") == [], "unseen until it is complete")
    }
    try writer.finish()
    store.close()
    store = try folder.open()
    #expect(try store.listCheckpoints(run: "r").map(\.bytes) == [size])
    var read: [UInt8] = []
    while true {
      let part = try store.readCheckpoint(run: "r", step: 4, offset: read.count, count: 600_001)
      if part.isEmpty { break }
      read += part
    }
    #expect(read == data)
    #expect(try store.readCheckpoint(run: "r", step: 4, offset: 0, count: size + 5) == data)
    #expect(try store.readCheckpoint(run: "r", step: 4, offset: size, count: 5) == [])
    #expect(try store.check() == [])
  }

  @Test func checkpointLabelsAndRetention() throws {
    let folder = try TemporaryFolder()
    var store = try folder.open(limits: .eager)
    try store.createRun(NewRun(uid: "r", name: "run"))
    for step in Int64(1)...5 {
      let checkpoint = NewCheckpoint(
        step: step, epoch: step, createdAt: step,
        metrics: [CheckpointMetric("val/loss", step == 2 ? .nan : -0.0)],
        labels: step == 2 ? ["latest", "best"] : ["latest"],
        deleting: step > 3 ? [step - 3 == 2 ? 1 : step - 3] : [])
      try store.putCheckpoint(checkpoint, bytes: bytes(2_000_000, seed: 1), run: "r")
    }
    let list = try store.listCheckpoints(run: "r")
    #expect(list.map(\.step) == [2, 3, 4, 5])
    #expect(list.map(\.labels) == [["best"], [], [], ["latest"]])
    #expect(list[0].metrics[0].value.isNaN && list[1].metrics[0].value.sign == .minus)
    // The same step again, as after a resume: replaced.
    try store.putCheckpoint(NewCheckpoint(step: 5, epoch: 9, createdAt: 1), bytes: [1], run: "r")
    #expect(try store.readCheckpoint(run: "r", step: 5, offset: 0, count: 9) == [1])
    #expect(try store.listCheckpoints(run: "r").last?.labels == [])
    try store.setCheckpointLabels(["latest"], run: "r", step: 4)
    try store.deleteCheckpoint(run: "r", step: 3)
    #expect(try store.listCheckpoints(run: "r").map(\.labels) == [["best"], ["latest"], []])
    #expect(throws: StoreError.notFound("checkpoint 3 of run 'r'")) {
      try store.readCheckpoint(run: "r", step: 3, offset: 0, count: 1)
    }
    let unfinished = try store.beginCheckpoint(NewCheckpoint(step: 8, epoch: 1, createdAt: 9), run: "r")
    _ = unfinished
    store.close()
    store = try folder.open(limits: .eager)
    let cleaned = try store.eventually {
      try store.read { try $0.integer("SELECT count(*) FROM checkpoint") } == 3
    }
    #expect(cleaned, "what is dropped or unfinished is removed")
    #expect(try store.read { try $0.integer("SELECT count(*) FROM checkpoint_chunk") } == 5)
    #expect(store.eventually { Folder.size(folder.path + "/cairn.db") < 5 << 20 })
  }

  @Test func aCheckpointOfADeletedRunIsRefused() throws {
    let folder = try TemporaryFolder()
    let store = try folder.open(limits: .eager)
    try store.createRun(NewRun(uid: "r", name: "run"))
    var writer = try store.beginCheckpoint(NewCheckpoint(step: 8, epoch: 1, createdAt: 9), run: "r")
    try writer.append(bytes(3 << 20, seed: 1))
    try store.deleteRun("r")
    #expect(throws: StoreError.self) { try writer.append(bytes(3 << 20, seed: 1)) }
    #expect(throws: StoreError.self) { try writer.finish() }
    #expect(
      try store.eventually { try store.read { try $0.integer("SELECT count(*) FROM checkpoint_chunk") } == 0 }
    )
  }
}
