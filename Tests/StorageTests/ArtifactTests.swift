// Artifacts: bytes in and out, folders that are only names, uploads in parts, disk that comes back, crashes.

import Glibc
import Testing

@testable import Storage

@Suite struct ArtifactTests {
  private func put(_ store: Store, _ path: String, _ bytes: [UInt8]) throws {
    let writer = try store.beginArtifact()
    try writer.append(bytes)
    try writer.finish(path: path, time: 5)
  }

  private func get(_ store: Store, _ path: String, _ range: Range<Int>? = nil) throws -> [UInt8]? {
    guard let reader = try store.openArtifact(path) else { return nil }
    var bytes: [UInt8] = []
    try reader.read(range ?? 0..<reader.artifact.bytes) { bytes += $0 }
    return bytes
  }

  /// Files below the folder of artifacts that hold bytes.
  private func files(_ store: Store) throws -> Int {
    func count(_ path: String) -> Int {
      guard let folder = opendir(path) else { return 1 }
      defer { closedir(folder) }
      var sum = 0
      while let entry = readdir(folder) {
        let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
          String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        if name != "." && name != ".." { sum += count(path + "/" + name) }
      }
      return sum
    }
    return count(store.artifactFolder)
  }

  private func noise(_ count: Int, seed: UInt64) -> [UInt8] {
    var generator = SplitMix(state: seed)
    return (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
  }

  @Test(arguments: [
    0, 1, ArtifactFiles.blockBytes - 1, ArtifactFiles.blockBytes, 3 * ArtifactFiles.blockBytes + 7,
  ])
  func whatGoesInComesOut(size: Int) throws {
    let folder = try TemporaryFolder()
    var store = try folder.open()
    let bytes = noise(size, seed: UInt64(size))
    let writer = try store.beginArtifact()
    var start = 0
    for piece in [1, 1000, ArtifactFiles.blockBytes, 7, Int.max] where start < size {
      let end = piece > size - start ? size : start + piece
      try writer.append(Array(bytes[start..<end]))
      start = end
    }
    #expect(writer.count == size)
    #expect(try store.openArtifact("0/r/a") == nil, "seen before it was finished")
    try writer.finish(path: "0/r/a", time: 5)
    store.close()
    store = try folder.open()
    #expect(try get(store, "0/r/a") == bytes)
    #expect(try store.openArtifact("0/r/a")?.artifact.bytes == size)
    for range in [0..<0, 0..<min(1, size), size / 3..<size / 2, size..<size] {
      #expect(try get(store, "0/r/a", range) == Array(bytes[range]))
    }
    #expect(try store.check() == [])
    #expect(try files(store) == 1)
  }

  @Test func foldersAreWhatPathsBeginWith() throws {
    let store = try TemporaryFolder().openAndKeep()
    for path in ["r/a/x", "r/a/y/z", "r/a.txt", "r/a-b", "r/a0", "r/b", "r/é/ü", "s"] {
      try put(store.store, path, [1, 2, 3])
    }
    func list(_ folder: String) throws -> [String] {
      try store.store.listArtifacts(folder).map { $0.name + ($0.bytes == nil ? "/" : "") }
    }
    #expect(try list("") == ["r/", "s"])
    #expect(try list("r") == ["a/", "a-b", "a.txt", "a0", "b", "é/"])
    #expect(try list("r/a") == ["x", "y/"])
    #expect(try list("r/b") == [])
    #expect(try list("nothing") == [])
    #expect(try store.store.read { try $0.isArtifactFolder("r/a") })
    #expect(try store.store.read { try !$0.isArtifactFolder("r/a0") })
  }

  /// Against a naive listing of random trees, whose names are chosen to sort awkwardly around the slash.
  @Test func listingsAgreeWithANaiveOne() throws {
    let store = try TemporaryFolder().openAndKeep()
    var generator = SplitMix(state: 41)
    let names = ["a", "a0", "a.", "a/", "b", "-", "0", "a00", "ä"].map { $0.replacing("/", with: "_") }
    var stored: Set<String> = []
    for _ in 0..<150 {
      let depth = Int.random(in: 1...4, using: &generator)
      let path = (0..<depth).map { _ in names.randomElement(using: &generator) ?? "a" }.joined(separator: "/")
      do {
        try put(store.store, path, [0])
        stored.insert(path)
      } catch StoreError.conflict {}
    }
    var folders: Set<String> = [""]
    for path in stored {
      let parts = path.split(separator: "/")
      for count in 1..<parts.count + 1 { folders.insert(parts[..<count].joined(separator: "/")) }
    }
    for folder in folders {
      let prefix = folder.isEmpty ? "" : folder + "/"
      var expected: [String: Bool] = [:]
      for path in stored where path.hasPrefix(prefix) {
        let rest = path.dropFirst(prefix.count)
        expected[String(rest.prefix { $0 != "/" })] = rest.contains("/")
      }
      let found = try store.store.listArtifacts(folder)
      #expect(
        Dictionary(uniqueKeysWithValues: found.map { ($0.name, $0.bytes == nil) }) == expected, "\(folder)")
    }
    #expect(stored.count > 40)
  }

  @Test func aFileAndAFolderExcludeEachOther() throws {
    let store = try TemporaryFolder().openAndKeep()
    try put(store.store, "r/a", [1])
    for path in ["r/a/b", "r", "r/a/b/c"] {
      #expect(throws: StoreError.self, "\(path)") { try put(store.store, path, [2]) }
    }
    #expect(try get(store.store, "r/a") == [1])
    #expect(try files(store.store) == 1, "a refused upload leaves nothing")
  }

  @Test func replacingAndDeletingGiveTheDiskBack() throws {
    let store = try TemporaryFolder().openAndKeep()
    try put(store.store, "r/a", noise(1000, seed: 1))
    let open = try store.store.openArtifact("r/a")
    try put(store.store, "r/a", [7])
    #expect(try files(store.store) == 1)
    var old = 0
    try open?.read(0..<1000) { old += $0.count }
    #expect(old == 1000, "what is being read stays whole")
    for index in 0..<1200 { try put(store.store, "r/many/\(index)", [UInt8(index & 255)]) }
    try store.store.deleteArtifacts("r/many")
    #expect(try store.store.listArtifacts("r") == [ArtifactEntry(name: "a", bytes: 1)])
    #expect(try files(store.store) == 1)
    try store.store.deleteArtifacts("nothing")
    try store.store.deleteArtifacts("r/a")
    #expect(try files(store.store) == 0)
    #expect(try get(store.store, "r/a") == nil)
  }

  @Test func anUploadThatEndsEarlyLeavesNothing() throws {
    let store = try TemporaryFolder().openAndKeep()
    do {
      let writer = try store.store.beginArtifact()
      try writer.append(noise(ArtifactFiles.blockBytes * 2, seed: 3))
      #expect(try files(store.store) == 2, "the file and its marker")
    }
    #expect(try files(store.store) == 0)
  }

  @Test func whatACrashLeavesIsRemovedAtTheNextStart() throws {
    let folder = try TemporaryFolder()
    var store = try folder.open()
    try put(store, "r/kept", [1, 2])
    // As a crash leaves it: bytes and marker without a row, and a marker whose row was stored.
    let (name, descriptor) = try store.artifactFiles.create()
    #expect(write(descriptor, "left", 4) == 4)
    close(descriptor)
    let kept = try store.read { try $0.first("SELECT file FROM artifact_part") { $0.text(0) } } ?? ""
    close(open("\(store.artifactFolder)/incoming/\(kept)", O_CREAT | O_WRONLY, 0o600))
    let path = store.artifactFiles.path(name)
    #expect(access(path, F_OK) == 0)
    store.close()
    store = try folder.open()
    #expect(access(path, F_OK) != 0)
    #expect(try get(store, "r/kept") == [1, 2])
    #expect(try files(store) == 1)
  }

  @Test func damageShows() throws {
    let store = try TemporaryFolder().openAndKeep()
    try put(store.store, "r/a", noise(70_000, seed: 9))
    #expect(try store.store.check() == [])
    let file = try store.store.read { try $0.first("SELECT file FROM artifact_part") { $0.text(0) } } ?? ""
    let descriptor = open(store.store.artifactFiles.path(file), O_WRONLY)
    #expect(pwrite(descriptor, [0x55, 0xAA], 2, 69_000) == 2)
    close(descriptor)
    #expect(try store.store.check() == ["artifact 'r/a' is not what was uploaded"])
    unlink(store.store.artifactFiles.path(file))
    #expect(throws: StoreError.self) { try store.store.openArtifact("r/a") }
  }

  @Test func partsBecomeOneArtifact() throws {
    let kept = try TemporaryFolder().openAndKeep()
    let store = kept.store
    let parts = [noise(300_000, seed: 1), noise(300_000, seed: 2), noise(11, seed: 3)]
    try put(store, "r/big", [9])
    let upload = try store.beginUpload(path: "r/big", time: 1)
    for number in [3, 1, 2] {
      for attempt in 0..<2 {  // a part that is sent again replaces itself
        let writer = try store.beginArtifact()
        try writer.append(attempt == 0 ? [0] : parts[number - 1])
        try writer.finish(upload: upload, number: number)
      }
    }
    let extra = try store.beginArtifact()
    try extra.finish(upload: upload, number: 9)
    #expect(try get(store, "r/big") == [9])
    #expect(throws: StoreError.self) { try store.completeUpload(upload, parts: [1, 2, 4], time: 2) }
    #expect(throws: StoreError.self) { try store.completeUpload(upload, parts: [1, 1], time: 2) }
    try store.completeUpload(upload, parts: [1, 2, 3], time: 2)
    try store.completeUpload(upload, parts: [1, 2, 3], time: 2)
    let whole = parts.flatMap { $0 }
    #expect(try get(store, "r/big") == whole)
    #expect(try get(store, "r/big", 299_990..<600_005) == Array(whole[299_990..<600_005]))
    #expect(try files(store) == 3)
    #expect(try store.check() == [])
    #expect(throws: StoreError.self) { try store.beginArtifact().finish(upload: upload, number: 1) }
    #expect(throws: StoreError.self) { try store.completeUpload("nothing", parts: [1], time: 2) }
  }

  @Test func anAbortedUploadIsGone() throws {
    let kept = try TemporaryFolder().openAndKeep()
    let store = kept.store
    let upload = try store.beginUpload(path: "r/big", time: 1)
    let writer = try store.beginArtifact()
    try writer.append([1])
    try writer.finish(upload: upload, number: 1)
    #expect(try store.abortUpload(upload))
    #expect(try !store.abortUpload(upload))
    #expect(try files(store) == 0)
    #expect(try store.uploadPath(upload) == nil)
  }

  @Test func anUploadThatNobodyGoesOnWithEnds() throws {
    let folder = try TemporaryFolder()
    var store = try folder.open()
    let old = try store.beginUpload(path: "r/old", time: wallMilliseconds() - Store.uploadLifetime - 1)
    let young = try store.beginUpload(path: "r/young", time: wallMilliseconds())
    store.close()
    store = try folder.open()
    #expect(try store.uploadPath(old) == nil)
    #expect(try store.uploadPath(young) == "r/young")
  }

  @Test func aDeletedRunTakesItsArtifactsAlong() throws {
    let kept = try TemporaryFolder().openAndKeep()
    let store = kept.store
    let experiment = try store.write {
      try $0.createExperiment(name: "e", time: 1, artifactLocation: "mlflow-artifacts:/elsewhere/")
    }
    try store.createRun(NewRun(uid: "one", name: "n"))
    try store.createRun(NewRun(uid: "two", experimentID: experiment, name: "n"))
    for path in ["0/one/artifacts/a", "elsewhere/two/artifacts/b/c", "0/onerous/artifacts/a"] {
      try put(store, path, [1])
    }
    try store.deleteRun("one")
    try store.deleteRun("two")
    #expect(try files(store) == 1)
    #expect(try get(store, "0/onerous/artifacts/a") == [1])
  }
}

/// A store together with the folder that vanishes with it.
struct KeptStore {
  let folder: TemporaryFolder
  let store: Store
}

extension TemporaryFolder {
  func openAndKeep() throws -> KeptStore { KeptStore(folder: self, store: try open()) }
}
