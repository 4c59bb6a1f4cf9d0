// Artifacts: files that belong to runs and models, by path.
//
// A path is "0/4f…/artifacts/plots/loss.png": names without empty ones, joined by slashes. Folders are not stored;
// they are what the paths begin with, so a folder ends with its last file. The bytes are in Artifacts/ArtifactFiles.

import Glibc

/// An artifact without its bytes.
public struct ArtifactRecord: Sendable, Equatable {
  /// The whole path.
  public var path: String
  /// Size.
  public var bytes: Int
  /// Time of the upload, ms since 1970.
  public var createdAt: Int64
}

/// What a folder holds: a file or another folder.
public struct ArtifactEntry: Sendable, Equatable {
  /// The last part of its path.
  public var name: String
  /// Size of a file; nil for a folder.
  public var bytes: Int?

  /// An entry.
  public init(name: String, bytes: Int?) {
    self.name = name
    self.bytes = bytes
  }
}

extension Store {
  var artifactFiles: ArtifactFiles { ArtifactFiles(folder: folder.artifacts, isDurable: isDurable) }

  /// Begins an artifact whose bytes come in pieces. Throws `.full`, `.notWritable`.
  public func beginArtifact() throws -> ArtifactWriter { try ArtifactWriter(store: self) }

  /// An artifact that is to be read; nil when there is none at that path.
  public func openArtifact(_ path: String) throws -> ArtifactReader? {
    // The file of a row that was read just now may be replaced before it is opened: then the row has changed.
    for _ in 0..<8 {
      guard let (artifact, parts) = try read({ try $0.artifactWithParts(path) }) else { return nil }
      let first = try parts.first.map { try artifactFiles.readable($0.name) } ?? -1
      if let first {
        return ArtifactReader(artifact, parts: parts, files: artifactFiles, first: first)
      }
    }
    throw StoreError.corrupt("the file of artifact '\(path)' is missing")
  }

  /// What a folder holds, by name; empty for a file and for what is not there. "" is the root.
  public func listArtifacts(_ folder: String) throws -> [ArtifactEntry] {
    try read { try $0.listArtifacts(folder) }
  }

  /// Removes a file, or a folder with everything in it; nothing when it is not there. The disk has its room back
  /// when this returns.
  public func deleteArtifacts(_ path: String) throws {
    while try write({ try $0.deleteArtifactSlice(path) }) {}
    try removeDoomedFiles()
  }

  /// Removes the files that nothing refers to any more.
  func removeDoomedFiles() throws {
    let few: Int64 = 1000
    while true {
      let names = try read {
        try $0.all("SELECT file FROM doomed_file LIMIT ?", .integer(few)) { $0.text(0) }
      }
      if names.isEmpty { return }
      for name in names { artifactFiles.remove(name) }
      try write { connection in
        for name in names { try connection.execute("DELETE FROM doomed_file WHERE file = ?", .text(name)) }
      }
    }
  }

  /// Removes what a crash left: files without a row, rows of files that were to go, uploads that nobody goes on with.
  func cleanArtifacts(now: Int64) throws {
    let files = artifactFiles
    for name in files.leftovers() {
      let isUsed = try read { connection in
        try ["artifact_part", "upload_part"].contains { table in
          try connection.integer("SELECT 1 FROM \(table) WHERE file = ?", .text(name)) != nil
        }
      }
      if isUsed { files.adopt(name) } else { files.remove(name) }
    }
    let stale = try read { connection in
      let sql = "SELECT id FROM upload WHERE created_at < ?"
      return try connection.all(sql, .integer(now - Store.uploadLifetime)) { $0.text(0) }
    }
    for upload in stale { try write { _ = try $0.endUpload(upload) } }
    try removeDoomedFiles()
  }
}

extension Connection {
  /// An artifact by path; nil when there is none, or when a folder is there.
  public func artifact(_ path: String) throws -> ArtifactRecord? {
    try artifactWithParts(path)?.0
  }

  func artifactWithParts(_ path: String) throws -> (ArtifactRecord, [StoredFile])? {
    let found = try first("SELECT id, bytes, created_at FROM artifact WHERE path = ?", .text(path)) { row in
      (row.integer(0), ArtifactRecord(path: path, bytes: Int(row.integer(1)), createdAt: row.integer(2)))
    }
    guard let (id, artifact) = found else { return nil }
    let sql = "SELECT file, bytes, checksum FROM artifact_part WHERE artifact_id = ? ORDER BY number"
    return (artifact, try all(sql, .integer(id), map: Connection.storedFile))
  }

  /// Whether something lies below that path.
  public func isArtifactFolder(_ path: String) throws -> Bool {
    if path.isEmpty { return true }
    return try integer(
      "SELECT 1 FROM artifact WHERE path > ? AND path < ? LIMIT 1", .text(path + "/"), .text(path + "0"))
      != nil
  }

  /// What a folder holds, by name; empty for a file and for what is not there. "" is the root.
  public func listArtifacts(_ folder: String) throws -> [ArtifactEntry] {
    let prefix = folder.isEmpty ? "" : folder + "/"
    // "0" is the character after "/": everything below a folder sorts before the folder's name with it.
    let end = folder.isEmpty ? "\u{10FFFF}" : folder + "0"
    var entries: [ArtifactEntry] = []
    var after = prefix
    while let (path, bytes) = try nextArtifact(after: after, before: end) {
      let rest = path.utf8.dropFirst(prefix.utf8.count)
      if let slash = rest.firstIndex(of: UInt8(ascii: "/")) {
        let name = String(Substring(rest[..<slash]))
        entries.append(ArtifactEntry(name: name, bytes: nil))
        after = prefix + name + "0"
        // A file of just that name comes next in order and must not be skipped.
        if let (artifact, _) = try artifactWithParts(after) {
          entries.append(ArtifactEntry(name: name + "0", bytes: artifact.bytes))
        }
      } else {
        entries.append(ArtifactEntry(name: String(Substring(rest)), bytes: bytes))
        after = path
      }
    }
    return entries.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
  }

  private func nextArtifact(after: String, before: String) throws -> (String, Int)? {
    try first(
      "SELECT path, bytes FROM artifact WHERE path > ? AND path < ? ORDER BY path LIMIT 1",
      .text(after), .text(before)
    ) { ($0.text(0), Int($0.integer(1))) }
  }

  /// Makes `parts` the artifact at `path`; true when files of an older one are doomed by it. Throws `.conflict`.
  func putArtifact(_ path: String, parts: [StoredFile], time: Int64) throws -> Bool {
    var folder = Folder.parent(path)
    while folder != "." && folder != "/" {
      if try integer("SELECT id FROM artifact WHERE path = ?", .text(folder)) != nil {
        throw StoreError.conflict("'\(folder)' is a file: nothing can be put below it")
      }
      folder = Folder.parent(folder)
    }
    if try isArtifactFolder(path) {
      throw StoreError.conflict("'\(path)' is a folder: no file can take its place")
    }
    let replaced = try deleteArtifact(path)
    let bytes = parts.reduce(0) { $0 + $1.bytes }
    try execute(
      "INSERT INTO artifact(path, bytes, created_at) VALUES (?,?,?)", .text(path), .integer(Int64(bytes)),
      .integer(time))
    let id = lastInsertedID
    for (number, part) in parts.enumerated() {
      try execute(
        "INSERT INTO artifact_part(artifact_id, number, file, bytes, checksum) VALUES (?,?,?,?,?)",
        .integer(id), .integer(Int64(number)), .text(part.name), .integer(Int64(part.bytes)),
        .integer(Int64(bitPattern: part.checksum)))
    }
    return replaced
  }

  /// Removes the artifact at a path and dooms its files; false when there is none.
  private func deleteArtifact(_ path: String) throws -> Bool {
    try execute(
      """
      INSERT OR IGNORE INTO doomed_file(file)
      SELECT file FROM artifact_part WHERE artifact_id = (SELECT id FROM artifact WHERE path = ?)
      """, .text(path))
    try execute("DELETE FROM artifact WHERE path = ?", .text(path))
    return changes > 0
  }

  /// Removes some artifacts at or below a path; false when there are none left.
  func deleteArtifactSlice(_ path: String) throws -> Bool {
    let few: Int64 = 500
    if !path.isEmpty { _ = try deleteArtifact(path) }
    let found = try all(
      "SELECT path FROM artifact WHERE path > ? AND path < ? ORDER BY path LIMIT ?",
      .text(path.isEmpty ? "" : path + "/"), .text(path.isEmpty ? "\u{10FFFF}" : path + "0"), .integer(few)
    ) { $0.text(0) }
    for path in found { _ = try deleteArtifact(path) }
    return found.count == few
  }

  static func storedFile(_ row: Row) -> StoredFile {
    StoredFile(
      name: row.text(0), bytes: Int(row.integer(1)), checksum: UInt64(bitPattern: row.integer(2)))
  }

  /// What is wrong with the files of artifacts.
  func damagedArtifacts(_ files: ArtifactFiles) throws -> [String] {
    var damage: [String] = []
    try each(
      """
      SELECT file, artifact_part.bytes, checksum, path FROM artifact_part JOIN artifact ON id = artifact_id
      ORDER BY path, number
      """
    ) { row in
      if !files.isSound(Connection.storedFile(row)) {
        damage.append("artifact '\(row.text(3))' is not what was uploaded")
      }
    }
    return damage
  }
}
