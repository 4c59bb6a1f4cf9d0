// The text log of a run: numbered lines, only ever appended.

/// A line to be logged.
public struct NewLogLine: Sendable, Equatable {
  /// ms since 1970.
  public var time: Int64
  /// The line without its end.
  public var text: String

  /// A line.
  public init(time: Int64, text: String) {
    self.time = time
    self.text = text
  }
}

/// A logged line.
public struct LogLine: Sendable, Equatable {
  /// Counts up from 1.
  public var number: Int64
  /// ms since 1970.
  public var time: Int64
  /// The line without its end.
  public var text: String
}

extension Connection {
  /// Appends lines to a run's log and returns the number of the last one. Throws `.notFound`.
  @discardableResult
  public func appendLog(_ lines: [NewLogLine], run uid: String) throws -> Int64 {
    let run = try knownRunID(uid)
    var number = try integer("SELECT max(number) FROM log_line WHERE run_id = ?", .integer(run)) ?? 0
    for line in lines {
      number += 1
      try execute(
        "INSERT INTO log_line(run_id, number, time, text) VALUES (?,?,?,?)",
        .integer(run), .integer(number), .integer(line.time), .text(line.text))
    }
    return number
  }

  /// At most `limit` lines from the line of number `from` on. Throws `.notFound`.
  public func log(run uid: String, from: Int64 = 1, limit: Int) throws -> [LogLine] {
    try all(
      "SELECT number, time, text FROM log_line WHERE run_id = ? AND number >= ? ORDER BY number LIMIT ?",
      .integer(try runID(uid)), .integer(from), .integer(Int64(limit))
    ) { LogLine(number: $0.integer(0), time: $0.integer(1), text: $0.text(2)) }
  }
}

extension Store {
  /// Appends lines to a run's log and returns the number of the last one. Throws `.notFound`.
  @discardableResult
  public func appendLog(_ lines: [NewLogLine], run: String) throws -> Int64 {
    try write { try $0.appendLog(lines, run: run) }
  }

  /// At most `limit` lines from the line of number `from` on. Throws `.notFound`.
  public func log(run: String, from: Int64 = 1, limit: Int) throws -> [LogLine] {
    try read { try $0.log(run: run, from: from, limit: limit) }
  }
}
