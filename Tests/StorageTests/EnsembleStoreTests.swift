// Ensembles in the store.

import Testing

@testable import Storage

@Suite struct EnsembleStoreTests {
  @Test func ensemblesAreThereAfterAReopening() throws {
    let folder = try TemporaryFolder()
    var store = try folder.open()
    let id = try store.write { db in
      let id = try db.createEnsemble(request: "{\"a\":1}", createdAt: 5)
      try db.addMember(EnsembleMember(runUID: "r1", checkpoint: "latest"), toEnsemble: id)
      try db.addMember(EnsembleMember(runUID: "r2", checkpoint: "40"), toEnsemble: id)
      return id
    }
    let other = try store.write { try $0.createEnsemble(request: "{}", createdAt: 6) }
    #expect(try store.endEnsemble(other, as: .failed, error: "member 1 failed", at: 9))
    store.close()
    store = try folder.open()
    let found = try #require(try store.ensemble(id))
    #expect(found.state == .running && found.request == "{\"a\":1}" && found.createdAt == 5)
    #expect(
      found.members.map(\.runUID) == ["r1", "r2"] && found.members.map(\.checkpoint) == ["latest", "40"])
    #expect(found.result == nil && found.endedAt == nil && found.error == nil)
    let failed = try #require(try store.ensemble(other))
    #expect(failed.state == .failed && failed.error == "member 1 failed" && failed.endedAt == 9)
    #expect(failed.members.isEmpty)
  }

  /// Only a running ensemble can end, and once.
  @Test func anEnsembleEndsOnce() throws {
    let folder = try TemporaryFolder()
    let store = try folder.open()
    let id = try store.write { try $0.createEnsemble(request: "{}", createdAt: 1) }
    #expect(try store.endEnsemble(id, as: .cancelled, at: 2))
    #expect(try !store.endEnsemble(id, as: .finished, result: "{}", at: 3))
    let found = try #require(try store.ensemble(id))
    #expect(found.state == .cancelled && found.result == nil && found.endedAt == 2)
    #expect(throws: StoreError.notFound("ensemble 99")) { try store.endEnsemble(99, as: .finished, at: 3) }
    #expect(try store.ensemble(99) == nil)
    #expect(try store.ensemble(.max) == nil)
  }

  @Test func listsAreInPages() throws {
    let folder = try TemporaryFolder()
    let store = try folder.open()
    let ids = try (1...5).map { time in
      try store.write { try $0.createEnsemble(request: "{}", createdAt: Int64(time)) }
    }
    _ = try store.endEnsemble(ids[2], as: .finished, result: "{}", at: 9)
    #expect(try store.listEnsembles(limit: 2).map(\.id) == [ids[4], ids[3]])
    #expect(try store.listEnsembles(limit: 9, before: ids[3]).map(\.id) == [ids[2], ids[1], ids[0]])
    #expect(try store.listEnsembles(state: .finished, limit: 9).map(\.id) == [ids[2]])
    #expect(try store.listEnsembles(state: .running, limit: .max).count == 4)
  }
}
