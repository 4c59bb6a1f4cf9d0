// One SQLite connection: opening, pragmas, statements by their text, transactions.
//
// A connection belongs to one thread at a time (it is opened without SQLite's own mutex); every statement
// checks that. The public functions on it, one file a resource, are what `Store.write` and `Store.read`
// hand it out for; its SQL is no business of other rooms.

import CSQLite
import Glibc

/// A connection inside a transaction; valid only during the closure it was given to.
public final class Connection {
  enum Role { case writer, reader, copier }

  let handle: OpaquePointer
  /// What the writer remembers between transactions; unused by readers.
  var memory = WriterMemory()
  /// Frames in the write-ahead log after the last commit of this connection.
  var walPages = 0
  private var statements: [String: Statement] = [:]
  private var owner: pthread_t?
  private var isClosed = false
  private var deadline = UInt64.max

  init(path: String, role: Role) throws {
    SQLiteLibrary.prepare()
    var opened: OpaquePointer?
    let access = role == .writer ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY
    let flags = access | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
    let code = sqlite3_open_v2(path, &opened, flags, nil)
    guard let opened else { throw StoreError.sqlite(code: code, message: "no memory") }
    handle = opened
    guard code == SQLITE_OK else {
      let reason = String(cString: sqlite3_errmsg(opened))
      sqlite3_close_v2(opened)
      throw code & 0xff == SQLITE_CANTOPEN
        ? StoreError.notWritable(path: path, reason: reason) : StoreError.from(code: code, message: reason)
    }
  }

  deinit { close() }

  /// Ends the connection; nothing may be called on it afterwards.
  func close() {
    guard !isClosed else { return }
    isClosed = true
    statements.removeAll()
    sqlite3_close_v2(handle)
  }

  /// Gives the connection to the calling thread, until the next `own`.
  func own(readingFor nanoseconds: UInt64? = nil) {
    owner = pthread_self()
    deadline = nanoseconds.map { monotonicNanoseconds() + $0 } ?? .max
  }

  private func checkThread() {
    if let owner { precondition(pthread_equal(owner, pthread_self()) != 0, "connection on a second thread") }
  }

  // MARK: Statements

  /// Runs a statement to its end and ignores rows.
  func execute(_ sql: String, _ values: SQLValue...) throws {
    try with(sql, values) { statement in while try statement.step() {} }
  }

  /// Runs a statement and gives each row to `body`; rows are invalid outside of it.
  func each(_ sql: String, _ values: SQLValue..., body: (Row) throws -> Void) throws {
    try with(sql, values) { statement in while try statement.step() { try body(statement.row) } }
  }

  /// All rows, mapped.
  func all<T>(_ sql: String, _ values: SQLValue..., map: (Row) throws -> T) throws -> [T] {
    try with(sql, values) { statement in
      var result: [T] = []
      while try statement.step() { result.append(try map(statement.row)) }
      return result
    }
  }

  /// All rows of a statement whose values are counted at run time, mapped.
  func all<T>(_ sql: String, list values: [SQLValue], map: (Row) throws -> T) throws -> [T] {
    try with(sql, values) { statement in
      var result: [T] = []
      while try statement.step() { result.append(try map(statement.row)) }
      return result
    }
  }

  /// The first row, mapped; nil without one.
  func first<T>(_ sql: String, _ values: SQLValue..., map: (Row) throws -> T) throws -> T? {
    try with(sql, values) { statement in try statement.step() ? try map(statement.row) : nil }
  }

  /// The first column of the first row as an integer; nil without a row or with NULL.
  func integer(_ sql: String, _ values: SQLValue...) throws -> Int64? {
    try with(sql, values) { statement in try statement.step() ? statement.row.optionalInteger(0) : nil }
  }

  var lastInsertedID: Int64 { sqlite3_last_insert_rowid(handle) }

  /// Rows changed by the last INSERT, UPDATE or DELETE.
  var changes: Int { Int(sqlite3_changes(handle)) }

  var inTransaction: Bool { sqlite3_get_autocommit(handle) == 0 }

  /// Runs several statements that take no values; for schema and pragmas.
  func script(_ sql: String) throws {
    checkThread()
    let code = sqlite3_exec(handle, sql, nil, nil, nil)
    guard code == SQLITE_OK else { throw error(code) }
  }

  private func with<T>(_ sql: String, _ values: [SQLValue], _ body: (Statement) throws -> T) throws -> T {
    checkThread()
    let statement = try prepared(sql)
    statement.inUse = true
    defer {
      statement.reset()
      statement.inUse = false
    }
    try statement.bind(values)
    return try body(statement)
  }

  private func prepared(_ sql: String) throws -> Statement {
    if let cached = statements[sql], !cached.inUse { return cached }
    let statement = try Statement(sql, on: handle)
    // The texts are constants of this room; the bound only guards against one that is built.
    if statements.count > 256 { statements = statements.filter { $0.value.inUse } }
    if statements[sql] == nil { statements[sql] = statement }
    return statement
  }

  func error(_ code: Int32) -> StoreError {
    .from(code: code, message: String(cString: sqlite3_errmsg(handle)))
  }

  // MARK: Opening

  /// Sets what every connection needs; in the order that SQLite wants.
  func configure(role: Role, durability: Store.Durability) throws {
    sqlite3_busy_timeout(handle, 5000)
    if role == .writer {
      // Both must come before the first table; on an existing store they change nothing.
      try script("PRAGMA page_size=4096; PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL")
      try script("PRAGMA synchronous=\(durability == .full ? "FULL" : "NORMAL")")
    }
    try script(
      """
      PRAGMA foreign_keys=ON; PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;
      PRAGMA cache_size=\(role == .writer ? -32768 : -12288)
      """)
    switch role {
    case .writer:
      // Overwriting freed pages with zeros would send every deleted checkpoint through the log once more.
      try script("PRAGMA journal_size_limit=67108864; PRAGMA wal_autocheckpoint=0; PRAGMA secure_delete=OFF")
      watchLog()
    case .reader:
      // MLflow's LIKE regards case.
      try script("PRAGMA query_only=ON; PRAGMA case_sensitive_like=ON")
      watchDeadline()
    case .copier: break
    }
    let switches: [(Int32, Int32)] = [
      (SQLITE_DBCONFIG_DQS_DDL, 0), (SQLITE_DBCONFIG_DQS_DML, 0), (SQLITE_DBCONFIG_DEFENSIVE, 1),
      (SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0),
      (SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, role == .writer ? 0 : 1),
    ]
    for (option, on) in switches { _ = cairn_sqlite_db_config(handle, option, on) }
    sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, 64 << 20)
    sqlite3_limit(handle, SQLITE_LIMIT_SQL_LENGTH, 64 << 10)
    sqlite3_limit(handle, SQLITE_LIMIT_VARIABLE_NUMBER, 512)
    // VACUUM INTO attaches its copy.
    sqlite3_limit(handle, SQLITE_LIMIT_ATTACHED, role == .copier ? 1 : 0)
  }

  private func watchLog() {
    let context = Unmanaged.passUnretained(self).toOpaque()
    sqlite3_wal_hook(
      handle,
      { context, _, _, pages in
        if let context {
          Unmanaged<Connection>.fromOpaque(context).takeUnretainedValue().walPages = Int(pages)
        }
        return SQLITE_OK
      }, context)
  }

  private func watchDeadline() {
    let context = Unmanaged.passUnretained(self).toOpaque()
    sqlite3_progress_handler(
      handle, 1000,
      { context in
        guard let context else { return 0 }
        let connection = Unmanaged<Connection>.fromOpaque(context).takeUnretainedValue()
        return connection.deadline != .max && monotonicNanoseconds() > connection.deadline ? 1 : 0
      }, context)
  }
}

/// What belongs to the process, once.
private enum SQLiteLibrary {
  static func prepare() { _ = once }

  private static let once: Void = {
    // Only what speaks of damage or a failing disk: constraint failures are answers, not news.
    _ = cairn_sqlite_config_log { _, code, message in
      let primary = code & 0xff
      guard [SQLITE_CORRUPT, SQLITE_IOERR, SQLITE_NOTADB, SQLITE_NOMEM].contains(primary), let message
      else { return }
      let line = "sqlite: (\(code)) \(String(cString: message))\n"
      _ = write(STDERR_FILENO, line, line.utf8.count)
    }
    sqlite3_initialize()
  }()
}
