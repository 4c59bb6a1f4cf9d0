// Uploads in parts: for files so large that one request is too long. The parts stay files of their own when the
// upload is completed, so completing copies nothing.

/// A part that was uploaded.
public struct UploadPart: Sendable, Equatable {
  /// Counts from 1.
  public var number: Int
  /// Size.
  public var bytes: Int
}

extension Store {
  /// How long an upload may stand still between two starts of the server, in ms: a week.
  static let uploadLifetime: Int64 = 7 * 24 * 3600 * 1000

  /// Begins an upload to `path` and returns its id.
  public func beginUpload(path: String, time: Int64) throws -> String {
    let id = newRunID()
    try write { connection in
      try connection.execute(
        "INSERT INTO upload(id, path, created_at) VALUES (?,?,?)", .text(id), .text(path), .integer(time))
    }
    return id
  }

  /// The path of an upload; nil when there is none of that id.
  public func uploadPath(_ id: String) throws -> String? {
    try read { try $0.first("SELECT path FROM upload WHERE id = ?", .text(id)) { $0.text(0) } }
  }

  /// Makes the parts of these numbers, in this order, the artifact; other parts are dropped.
  ///
  /// An upload that was completed stays known for a while: completing it again changes nothing.
  /// Throws `.notFound` for an unknown upload, `.conflict` for a part that was not uploaded.
  public func completeUpload(_ id: String, parts: [Int], time: Int64) throws {
    try write { try $0.completeUpload(id, parts: parts, time: time) }
    try removeDoomedFiles()
  }

  /// Drops an upload with its parts; false when there is none.
  @discardableResult
  public func abortUpload(_ id: String) throws -> Bool {
    let wasThere = try write { try $0.endUpload(id) }
    try removeDoomedFiles()
    return wasThere
  }
}

extension Connection {
  /// Adds a part; true when it replaces one. Throws `.notFound`.
  func putUploadPart(_ file: StoredFile, upload: String, number: Int) throws -> Bool {
    guard try integer("SELECT 1 FROM upload WHERE id = ? AND is_complete = 0", .text(upload)) != nil else {
      throw StoreError.notFound("upload '\(upload)'")
    }
    let replaced = try dropPart(upload, number)
    try execute(
      "INSERT INTO upload_part(upload_id, number, file, bytes, checksum) VALUES (?,?,?,?,?)",
      .text(upload), .integer(Int64(number)), .text(file.name), .integer(Int64(file.bytes)),
      .integer(Int64(bitPattern: file.checksum)))
    return replaced
  }

  private func dropPart(_ upload: String, _ number: Int) throws -> Bool {
    try execute(
      "INSERT OR IGNORE INTO doomed_file(file) SELECT file FROM upload_part WHERE upload_id = ? AND number = ?",
      .text(upload), .integer(Int64(number)))
    try execute(
      "DELETE FROM upload_part WHERE upload_id = ? AND number = ?", .text(upload), .integer(Int64(number)))
    return changes > 0
  }

  func completeUpload(_ id: String, parts: [Int], time: Int64) throws {
    let sql = "SELECT path, is_complete FROM upload WHERE id = ?"
    guard let (path, isComplete) = try first(sql, .text(id), map: { ($0.text(0), $0.integer(1) != 0) }) else {
      throw StoreError.notFound("upload '\(id)'")
    }
    if isComplete { return }
    let files = try parts.map { number in
      let file = try first(
        "SELECT file, bytes, checksum FROM upload_part WHERE upload_id = ? AND number = ?", .text(id),
        .integer(Int64(number)), map: Connection.storedFile)
      guard let file else { throw StoreError.conflict("part \(number) of the upload was not uploaded") }
      return file
    }
    guard Set(parts).count == parts.count else {
      throw StoreError.conflict("a part of the upload is named twice")
    }
    for number in parts {
      try execute(
        "DELETE FROM upload_part WHERE upload_id = ? AND number = ?", .text(id), .integer(Int64(number)))
    }
    try doomParts(id)
    try execute("DELETE FROM upload_part WHERE upload_id = ?", .text(id))
    try execute("UPDATE upload SET is_complete = 1 WHERE id = ?", .text(id))
    _ = try putArtifact(path, parts: files, time: time)
  }

  /// Drops an upload and dooms the files of its parts; false when there is none.
  func endUpload(_ id: String) throws -> Bool {
    try doomParts(id)
    try execute("DELETE FROM upload WHERE id = ?", .text(id))
    return changes > 0
  }

  private func doomParts(_ upload: String) throws {
    try execute(
      "INSERT OR IGNORE INTO doomed_file(file) SELECT file FROM upload_part WHERE upload_id = ?",
      .text(upload))
  }
}
