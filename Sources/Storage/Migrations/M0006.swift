// Version 6: what a chunk says of its points' times, so that a page of a long history is found without reading what
// comes before it: the last time, and whether the points are in the order of histories (see Metrics/History.swift).

let m0006 = Migration(version: 6) { connection, _ in
  try connection.script(
    "ALTER TABLE chunk ADD COLUMN last_time INTEGER; ALTER TABLE chunk ADD COLUMN in_order INTEGER")
  try connection.eachStoredChunk { place, points in
    guard let last = points.timestamps.last else { return }
    try connection.execute(
      """
      UPDATE chunk SET last_time = ?, in_order = ?
      WHERE run_id = ? AND key_id = ? AND first_step = ? AND first_time = ?
      """, .integer(last), .integer(points.isInHistoryOrder ? 1 : 0), .integer(place[0]), .integer(place[1]),
      .integer(place[2]), .integer(place[3]))
  }
}
