// The row of a series: its summary over the chunks.

extension Connection {
  private static let columns = """
    count, nan_count, first_step, first_time, first_bits, last_step, last_time, last_bits,
    min_bits, min_step, max_bits, max_step
    """

  /// The summary of what was folded; nil when nothing was.
  func seriesState(_ series: SeriesID) throws -> SeriesState? {
    try first(
      "SELECT \(Connection.columns) FROM series WHERE run_id = ? AND key_id = ?",
      .integer(series.run), .integer(series.key)
    ) { Connection.state($0, from: 0) }
  }

  /// The summaries of what was folded of a run, by key id.
  func seriesStates(run: Int64) throws -> [Int64: SeriesState] {
    var states: [Int64: SeriesState] = [:]
    try each("SELECT key_id, \(Connection.columns) FROM series WHERE run_id = ?", .integer(run)) { row in
      states[row.integer(0)] = Connection.state(row, from: 1)
    }
    return states
  }

  func store(_ state: SeriesState, of series: SeriesID) throws {
    try execute(
      "INSERT OR REPLACE INTO series(run_id, key_id, \(Connection.columns)) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
      .integer(series.run), .integer(series.key), .integer(Int64(state.count)),
      .integer(Int64(state.nanCount)), .integer(state.firstPlace.step), .integer(state.firstPlace.timestamp),
      .bits(state.first), .integer(state.lastPlace.step), .integer(state.lastPlace.timestamp),
      .bits(state.last), state.lowest.map { .bits($0.value) } ?? .null, .optional(state.lowest?.step),
      state.highest.map { .bits($0.value) } ?? .null, .optional(state.highest?.step))
  }

  private static func state(_ row: Row, from column: Int32) -> SeriesState {
    var state = SeriesState()
    state.count = Int(row.integer(column))
    state.nanCount = Int(row.integer(column + 1))
    state.firstPlace = Place(step: row.integer(column + 2), timestamp: row.integer(column + 3))
    state.first = row.bits(column + 4)
    state.lastPlace = Place(step: row.integer(column + 5), timestamp: row.integer(column + 6))
    state.last = row.bits(column + 7)
    state.lowest = extreme(row, column + 8)
    state.highest = extreme(row, column + 10)
    return state
  }

  private static func extreme(_ row: Row, _ column: Int32) -> SeriesState.Extreme? {
    row.optionalBits(column).map { SeriesState.Extreme(value: $0, step: row.integer(column + 1)) }
  }
}
