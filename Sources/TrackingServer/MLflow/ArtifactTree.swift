import HTTP
import Storage

/// The tree of artifacts as clients see it: what was uploaded, and the checkpoints of built-in runs, which appear as
/// files `checkpoints/step-N.safetensors` below their run though their bytes are elsewhere.
struct ArtifactTree: Sendable {
  let store: Store

  /// A file that can be sent.
  struct File: Sendable {
    var name: String
    var bytes: Int
    /// Names the content.
    var tag: String
    /// Hands the bytes of a range to the second argument, in pieces.
    var read: @Sendable (Range<Int>, ([UInt8]) throws -> Void) throws -> Void
  }

  private static let checkpointFolder = "checkpoints"
  private static let pieceSize = 1 << 20

  /// What a folder holds, by name; empty for a file and for what is not there.
  func list(_ folder: String) throws -> [ArtifactEntry] {
    var entries = try store.listArtifacts(folder)
    guard let (run, rest) = try runFolder(of: folder) else { return entries }
    if rest.isEmpty {
      let name = Self.checkpointFolder
      if try !entries.contains(where: { $0.name == name }) && !store.listCheckpoints(run: run).isEmpty {
        entries.append(ArtifactEntry(name: name, bytes: nil))
      }
    } else if rest == Self.checkpointFolder {
      let names = Set(entries.map(\.name))
      for checkpoint in try store.listCheckpoints(run: run) where !names.contains(Self.name(of: checkpoint)) {
        entries.append(ArtifactEntry(name: Self.name(of: checkpoint), bytes: checkpoint.bytes))
      }
    }
    return entries.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
  }

  /// A file; nil when nothing or a folder is there.
  func open(_ path: String) throws -> File? {
    let name = String(path.split(separator: "/").last ?? "")
    if let reader = try store.openArtifact(path) {
      return File(name: name, bytes: reader.artifact.bytes, tag: reader.tag) { range, body in
        try reader.read(range, body)
      }
    }
    guard let (run, checkpoint) = try checkpoint(path) else { return nil }
    let store = store
    return File(name: name, bytes: checkpoint.bytes, tag: "\(run)-\(checkpoint.step)-\(checkpoint.createdAt)")
    {
      range, body in
      var offset = range.lowerBound
      while offset < range.upperBound {
        let count = min(Self.pieceSize, range.upperBound - offset)
        let piece = try store.readCheckpoint(run: run, step: checkpoint.step, offset: offset, count: count)
        guard !piece.isEmpty else { throw StoreError.corrupt("checkpoint \(checkpoint.step) has lost bytes") }
        try body(piece)
        offset += piece.count
      }
    }
  }

  /// Whether something lies below that path.
  func isFolder(_ path: String) throws -> Bool {
    if try store.read({ try $0.isArtifactFolder(path) }) { return true }
    return try !list(path).isEmpty
  }

  /// Removes a file or a folder; nothing when it is not there.
  func delete(_ path: String) throws {
    try store.deleteArtifacts(path)
    if let (run, checkpoint) = try checkpoint(path) {
      try store.deleteCheckpoint(run: run, step: checkpoint.step)
    } else if let (run, rest) = try runFolder(of: path), rest.isEmpty || rest == Self.checkpointFolder {
      for checkpoint in try store.listCheckpoints(run: run) {
        try store.deleteCheckpoint(run: run, step: checkpoint.step)
      }
    }
  }

  private static func name(of checkpoint: CheckpointRecord) -> String {
    "step-\(checkpoint.step).safetensors"
  }

  private func checkpoint(_ path: String) throws -> (run: String, CheckpointRecord)? {
    guard let (run, rest) = try runFolder(of: path) else { return nil }
    let parts = rest.split(separator: "/")
    guard parts.count == 2, parts[0] == Self.checkpointFolder else { return nil }
    guard let found = try store.listCheckpoints(run: run).first(where: { Self.name(of: $0) == parts[1] })
    else {
      return nil
    }
    return (run, found)
  }

  /// The run whose artifacts a path is among, and the path below them.
  private func runFolder(of path: String) throws -> (run: String, rest: String)? {
    let parts = path.split(separator: "/").map(String.init)
    for index in parts.indices.dropFirst() where parts[index] == "artifacts" {
      let uid = parts[index - 1]
      guard let run = try store.read({ try $0.run(uid, withMetrics: false) }) else { continue }
      guard ArtifactLocation.folder(ofURI: run.artifactURI) == parts[...index].joined(separator: "/") else {
        continue
      }
      return (uid, parts[(index + 1)...].joined(separator: "/"))
    }
    return nil
  }
}
