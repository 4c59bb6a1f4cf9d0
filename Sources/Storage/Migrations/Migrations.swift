// The schema's history: one numbered file a step, applied in order, each in its own transaction.
//
// To change the schema: add M0002….swift beside M0001 with a `Migration` in it and append it to `all`. Never
// edit a step that was released: stores out there were made by it.

/// One step of the schema.
struct Migration: Sendable {
  let version: Int
  /// Changes the schema; `now` is in ms since 1970.
  let apply: @Sendable (Connection, _ now: Int64) throws -> Void
}

enum Migrations {
  static let all: [Migration] = [m0001, m0002, m0003, m0004, m0005, m0006, m0007, m0008]

  /// "Cirn": tells a store of ours from any other SQLite file.
  static let applicationID: Int64 = 0x4369_726E

  /// The version of the store, after checking that it is one; changes nothing.
  static func version(of connection: Connection, known: [Migration] = all) throws -> Int {
    let version = Int(try connection.integer("PRAGMA user_version") ?? 0)
    let application = try connection.integer("PRAGMA application_id") ?? 0
    let tables = try connection.integer("SELECT count(*) FROM sqlite_schema") ?? 0
    let newest = known.map(\.version).max() ?? 0
    if application == applicationID || (application == 0 && version == 0 && tables == 0) {
      guard version <= newest else { throw StoreError.newerVersion(found: version, known: newest) }
      return version
    }
    throw StoreError.corrupt("cairn.db is an SQLite file, but not a store of cairn")
  }

  /// Applies what is missing, in order; a failing step leaves the store as the step before made it.
  static func run(_ connection: Connection, known: [Migration] = all, now: Int64) throws {
    for migration in known.sorted(by: { $0.version < $1.version }) {
      try connection.transaction {
        guard try version(of: connection, known: known) < migration.version else { return }
        try migration.apply(connection, now)
        if let table = try connection.first("PRAGMA foreign_key_check", map: { $0.text(0) }) {
          throw StoreError.corrupt("migration \(migration.version) leaves dangling references in \(table)")
        }
        try connection.script(
          "PRAGMA application_id=\(applicationID); PRAGMA user_version=\(migration.version)")
      }
    }
  }
}

extension Connection {
  /// Every chunk that can be read: its place (run, key, first step, first time) and its points. One that is damaged is
  /// found by who reads it; the others must not wait for it.
  func eachStoredChunk(_ body: (_ place: [Int64], _ points: PointColumns) throws -> Void) throws {
    for run in try all("SELECT DISTINCT run_id FROM chunk", map: { $0.integer(0) }) {
      let chunks = try all(
        "SELECT run_id, key_id, first_step, first_time, data_id FROM chunk WHERE run_id = ?", .integer(run)
      ) { row in (0..<5).map { row.integer($0) } }
      for chunk in chunks {
        var points = PointColumns()
        do {
          try each("SELECT data FROM chunk_data WHERE id = ?", .integer(chunk[4])) { row in
            try row.withBlob(0) { try PointCodec.appendChunk($0, to: &points) }
          }
        } catch StoreError.corrupt {
          continue
        }
        try body(Array(chunk[..<4]), points)
      }
    }
  }
}
