// Deleting gives the disk back.

import Testing

@testable import Storage

@Suite struct CollectionTests {
  @Test func deletedRunsGoWithAllTheyHave() throws {
    let folder = try TemporaryFolder()
    let store = try folder.open()
    let experiment = try store.createExperiment(name: "gone", time: 1)
    for (index, uid) in ["keep", "late", "drop"].enumerated() {
      try store.createRun(NewRun(uid: uid, experimentID: index == 2 ? experiment : 0, name: uid))
      let points = (0..<50_000).map {
        MetricPoint(key: "m", step: Int64($0), timestamp: Int64($0), value: Double($0) * 0.37)
      }
      try store.append(points, run: uid)
      try store.putCheckpoint(
        NewCheckpoint(step: 1, epoch: 0, createdAt: 1), bytes: [UInt8](repeating: 7, count: 3 << 20), run: uid
      )
    }
    try store.write { try $0.setRun("late", deleted: true, time: 900) }
    try store.write { try $0.setExperiment(experiment, deleted: true, time: 500) }
    let collected = try store.collect(before: 500)
    #expect(collected.runs == 1 && collected.experiments == 1)
    #expect(collected.bytes > 3 << 20)
    #expect(try store.run("drop") == nil && store.experiment(experiment) == nil)
    #expect(try store.run("late") != nil)
    #expect(try store.summaries(run: "keep").map(\.count) == [50_000])
    #expect(try store.read { try $0.integer("PRAGMA freelist_count") } == 0)
    let again = try store.collect(before: 500)
    #expect(again == Collected())
  }

  @Test func deletedExperimentsTakeTheirRunsAndBringThemBack() throws {
    let store = try TemporaryFolder().open()
    let id = try store.createExperiment(name: "e", time: 1)
    for uid in ["a", "b"] { try store.createRun(NewRun(uid: uid, experimentID: id, name: uid)) }
    try store.write { try $0.setRun("b", deleted: true, time: 2) }
    try store.write { try $0.setExperiment(id, deleted: true, time: 3) }
    #expect(try store.run("a")?.lifecycle == .deleted)
    #expect(throws: StoreError.self) { try store.log(RunEntries(), run: "a") }
    #expect(throws: StoreError.self) { try store.write { try $0.setExperiment(id, deleted: true, time: 4) } }
    try store.write { try $0.setExperiment(id, deleted: false, time: 5) }
    #expect(try store.run("b")?.lifecycle == .active)
    try store.log(RunEntries(), run: "b")
  }
}
