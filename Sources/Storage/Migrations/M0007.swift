// Version 7: the span of a chunk's times, so that a page of a history whose times do not rise with its steps is found
// among the chunks of its own times (see Metrics/History.swift).

let m0007 = Migration(version: 7) { connection, _ in
  try connection.script(
    "ALTER TABLE chunk ADD COLUMN min_time INTEGER; ALTER TABLE chunk ADD COLUMN max_time INTEGER")
  try connection.eachStoredChunk { place, points in
    guard let earliest = points.timestamps.min(), let latest = points.timestamps.max() else { return }
    try connection.execute(
      """
      UPDATE chunk SET min_time = ?, max_time = ?
      WHERE run_id = ? AND key_id = ? AND first_step = ? AND first_time = ?
      """, .integer(earliest), .integer(latest), .integer(place[0]), .integer(place[1]), .integer(place[2]),
      .integer(place[3]))
  }
}
