// The read-only connections: opened once, lent out one thread at a time, always inside a transaction.

import Glibc

/// Unchecked: `free` and `lent` are under `monitor`; a lent connection belongs to its borrower.
final class Readers: @unchecked Sendable {
  static let count = 4
  /// A reader that stays holds the write-ahead log, so none may stay.
  static let deadline: UInt64 = 10_000_000_000

  private let monitor = Monitor()
  private var free: [Connection]
  private var lent = 0
  private var closed = false

  init(path: String, durability: Store.Durability) throws {
    free = try (0..<Readers.count).map { _ in
      let connection = try Connection(path: path, role: .reader)
      try connection.configure(role: .reader, durability: durability)
      return connection
    }
  }

  func read<T>(_ body: (Connection) throws -> T) throws -> T {
    let connection = try borrow()
    defer { give(back: connection) }
    connection.own(readingFor: Readers.deadline)
    // One snapshot for the whole body: chunks, segments and summaries of one moment.
    try connection.execute("BEGIN")
    defer { connection.undo() }
    return try body(connection)
  }

  private func borrow() throws(StoreError) -> Connection {
    let connection: Connection? = monitor.locked {
      while free.isEmpty && !closed { monitor.wait() }
      guard !closed, let connection = free.popLast() else { return nil }
      lent += 1
      return connection
    }
    guard let connection else { throw .closed }
    return connection
  }

  private func give(back connection: Connection) {
    monitor.locked {
      lent -= 1
      if !closed { free.append(connection) }
      monitor.broadcast()
    }
  }

  /// Waits for the readers that are out and closes all.
  func close() {
    monitor.locked {
      closed = true
      monitor.broadcast()
      while lent > 0 { monitor.wait() }
      free.removeAll()
    }
  }
}
