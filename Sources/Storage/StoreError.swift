// Every way in which the store refuses.

import CSQLite

/// What a store function throws; `description` is fit for a person.
public enum StoreError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The data folder or a file in it cannot be made or written.
  case notWritable(path: String, reason: String)
  /// Another process has the data folder open.
  case locked(path: String)
  /// The store was written by a newer program.
  case newerVersion(found: Int, known: Int)
  /// The disk takes no more; the transaction was undone and the store goes on.
  case full
  /// Too many writes wait, or a read ran past its deadline; the same call may succeed later.
  case busy
  /// The store was closed.
  case closed
  /// Stored bytes are not what was written; the text says which.
  case corrupt(String)
  /// There is no such thing; the text names it.
  case notFound(String)
  /// The call contradicts what is stored; the text says how.
  case conflict(String)
  /// A parameter of a run is written once; `was` is stored, `new` was refused.
  case parameterChanged(key: String, was: String, new: String)
  /// Any other answer of SQLite, with its extended result code.
  case sqlite(code: Int32, message: String)

  /// The error in a sentence.
  public var description: String {
    switch self {
    case .notWritable(let path, let reason): "cannot write \(path): \(reason)"
    case .locked(let path): "\(path) is in use by another cairn; stop it or choose another data folder"
    case .newerVersion(let found, let known):
      "the store has schema version \(found), this program knows \(known): use a newer cairn"
    case .full: "the disk is full: nothing of this request was stored"
    case .busy: "the store is busy; try again"
    case .closed: "the store is closed"
    case .corrupt(let what): "damaged data: \(what)"
    case .notFound(let what): "\(what) does not exist"
    case .conflict(let what): what
    case .parameterChanged(let key, let was, let new):
      "parameter '\(key)' is already logged with value '\(was)', not '\(new)'"
    case .sqlite(let code, let message): "SQLite error \(code): \(message)"
    }
  }

  /// The error for an extended result code of SQLite.
  static func from(code: Int32, message: String) -> StoreError {
    switch code & 0xff {
    case SQLITE_FULL: .full
    // An I/O error while reading is damage; any other is a disk that refuses to take more.
    case SQLITE_IOERR: readFailures.contains(code >> 8) ? .corrupt(message) : .full
    case SQLITE_BUSY, SQLITE_LOCKED, SQLITE_INTERRUPT: .busy
    case SQLITE_CORRUPT, SQLITE_NOTADB: .corrupt(message)
    default: .sqlite(code: code, message: message)
    }
  }

  /// The second bytes of SQLITE_IOERR_READ, _SHORT_READ, _DATA and _CORRUPTFS, whose macros Swift does not see.
  private static let readFailures: Set<Int32> = [1, 2, 32, 33]
}
