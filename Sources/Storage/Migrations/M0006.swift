// Version 6: what a chunk says of its points' times, so that a page of a long history is found without reading what
// comes before it: the last time, and whether the points are in the order of histories (see Metrics/History.swift).

let m0006 = Migration(version: 6) { connection, _ in
  try connection.script(
    "ALTER TABLE chunk ADD COLUMN last_time INTEGER; ALTER TABLE chunk ADD COLUMN in_order INTEGER")
  for run in try connection.all("SELECT DISTINCT run_id FROM chunk", map: { $0.integer(0) }) {
    let chunks = try connection.all(
      "SELECT key_id, first_step, first_time, data_id FROM chunk WHERE run_id = ?", .integer(run)
    ) { row in (0..<4).map { row.integer($0) } }
    for chunk in chunks {
      var points = PointColumns()
      do {
        try connection.each("SELECT data FROM chunk_data WHERE id = ?", .integer(chunk[3])) { row in
          try row.withBlob(0) { try PointCodec.appendChunk($0, to: &points) }
        }
      } catch StoreError.corrupt {
        // It is found by who reads it; the others must not wait for it.
        continue
      }
      guard let last = points.timestamps.last else { continue }
      try connection.execute(
        """
        UPDATE chunk SET last_time = ?, in_order = ?
        WHERE run_id = ? AND key_id = ? AND first_step = ? AND first_time = ?
        """, .integer(last), .integer(points.isInHistoryOrder ? 1 : 0), .integer(run), .integer(chunk[0]),
        .integer(chunk[1]), .integer(chunk[2]))
    }
  }
}
