// The inbox: where the points of small requests arrive.
//
// The index of segments by run costs a page in the log for every run that a commit brings points of: with eight
// clients that log single points, most of what a commit writes. So a small segment goes into a table without an index,
// in the order of arrival, whose last page is all that a commit changes; some hundred of them are moved under the index
// at once. A segment keeps its id, and ids rise with arrival over both tables. Whoever writes to segments empties the
// inbox first; whoever reads a run's segments looks through both.

extension Connection {
  /// Bytes of a segment from which the index is no longer the larger part.
  private static let smallSegment = 512

  func makeInbox() throws {
    try script(
      """
      CREATE TABLE IF NOT EXISTS inbox(
        id INTEGER PRIMARY KEY,
        run_id INTEGER NOT NULL,
        points INTEGER NOT NULL,
        data BLOB NOT NULL
      ) STRICT
      """)
  }

  /// Stores the bytes of a segment; inside the writer's transaction.
  func putSegment(_ data: [UInt8], points: Int, run: Int64) throws {
    let id = try nextSegmentID()
    let values: (SQLValue, SQLValue) = (.integer(Int64(points)), .blob(data))
    if data.count < Connection.smallSegment {
      let sql = "INSERT INTO inbox(id, run_id, points, data) VALUES (?,?,?,?)"
      try execute(sql, .integer(id), .integer(run), values.0, values.1)
      memory.inboxRows += 1
    } else {
      let sql = "INSERT INTO segment(id, run_id, points, data) VALUES (?,?,?,?)"
      try execute(sql, .integer(id), .integer(run), values.0, values.1)
    }
    memory.nextSegment = id + 1
  }

  private func nextSegmentID() throws -> Int64 {
    if let next = memory.nextSegment { return next }
    let sql =
      "SELECT max(coalesce((SELECT max(id) FROM segment), 0), coalesce((SELECT max(id) FROM inbox), 0)) + 1"
    return try integer(sql) ?? 1
  }

  /// Moves everything under the index; inside the writer's transaction.
  func emptyInbox() throws {
    guard memory.inboxRows > 0 else { return }
    try execute(
      "INSERT INTO segment(id, run_id, points, data) SELECT id, run_id, points, data FROM inbox ORDER BY id")
    try execute("DELETE FROM inbox")
    memory.inboxRows = 0
  }
}
