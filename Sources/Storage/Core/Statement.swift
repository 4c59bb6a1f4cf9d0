// A prepared statement, the values that go in and the row that comes out.

import CSQLite

/// A value for a placeholder. Metrics never use `real`: SQLite stores NaN as NULL and loses the sign of zero.
enum SQLValue {
  case null
  case integer(Int64)
  case real(Double)
  case text(String)
  case blob([UInt8])

  static func optional(_ value: Int64?) -> SQLValue { value.map(SQLValue.integer) ?? .null }
  static func optional(_ value: String?) -> SQLValue { value.map(SQLValue.text) ?? .null }
  static func optional(_ value: Double?) -> SQLValue { value.map(SQLValue.real) ?? .null }
  /// The bits of a double, as an integer.
  static func bits(_ value: Double) -> SQLValue { .integer(Int64(bitPattern: value.bitPattern)) }
}

/// A compiled statement that is kept and used again.
final class Statement {
  var inUse = false
  private let statement: OpaquePointer
  private let connection: OpaquePointer

  init(_ sql: String, on connection: OpaquePointer) throws {
    var compiled: OpaquePointer?
    let flags = UInt32(SQLITE_PREPARE_PERSISTENT)
    let code = sqlite3_prepare_v3(connection, sql, -1, flags, &compiled, nil)
    guard code == SQLITE_OK, let compiled else {
      throw StoreError.from(code: code, message: String(cString: sqlite3_errmsg(connection)))
    }
    statement = compiled
    self.connection = connection
  }

  deinit { sqlite3_finalize(statement) }

  var row: Row { Row(statement: statement) }

  func bind(_ values: [SQLValue]) throws {
    for (offset, value) in values.enumerated() {
      let code = bind(value, at: Int32(offset + 1))
      guard code == SQLITE_OK else { throw error(code) }
    }
  }

  private func bind(_ value: SQLValue, at index: Int32) -> Int32 {
    switch value {
    case .null: return sqlite3_bind_null(statement, index)
    case .integer(let integer): return sqlite3_bind_int64(statement, index, integer)
    case .real(let real): return sqlite3_bind_double(statement, index, real)
    case .text(var text):
      return text.withUTF8 { bytes in
        bytes.withMemoryRebound(to: CChar.self) { characters in
          // An empty buffer may have no address, and no address means NULL to SQLite.
          guard let base = characters.baseAddress else {
            return cairn_sqlite_bind_text(statement, index, "", 0)
          }
          return cairn_sqlite_bind_text(statement, index, base, Int32(clamping: characters.count))
        }
      }
    case .blob(let bytes):
      return bytes.withUnsafeBytes { buffer in
        guard let base = buffer.baseAddress else { return sqlite3_bind_zeroblob(statement, index, 0) }
        return cairn_sqlite_bind_blob(statement, index, base, Int32(clamping: buffer.count))
      }
    }
  }

  /// True with a row, false at the end.
  func step() throws -> Bool {
    let code = sqlite3_step(statement)
    if code == SQLITE_ROW { return true }
    guard code == SQLITE_DONE else { throw error(code) }
    return false
  }

  func reset() {
    sqlite3_reset(statement)
    sqlite3_clear_bindings(statement)
  }

  private func error(_ code: Int32) -> StoreError {
    .from(code: code, message: String(cString: sqlite3_errmsg(connection)))
  }
}

/// The current row of a running statement.
struct Row {
  let statement: OpaquePointer

  func isNull(_ column: Int32) -> Bool { sqlite3_column_type(statement, column) == SQLITE_NULL }

  func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(statement, column) }

  func optionalInteger(_ column: Int32) -> Int64? { isNull(column) ? nil : integer(column) }

  func optionalReal(_ column: Int32) -> Double? {
    isNull(column) ? nil : sqlite3_column_double(statement, column)
  }

  /// A double that was stored as its bits.
  func bits(_ column: Int32) -> Double { Double(bitPattern: UInt64(bitPattern: integer(column))) }

  func optionalBits(_ column: Int32) -> Double? { isNull(column) ? nil : bits(column) }

  func text(_ column: Int32) -> String {
    guard let bytes = sqlite3_column_text(statement, column) else { return "" }
    let count = Int(sqlite3_column_bytes(statement, column))
    return String(decoding: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self)
  }

  func optionalText(_ column: Int32) -> String? { isNull(column) ? nil : text(column) }

  /// The bytes of a blob, valid during `body`.
  func withBlob<T>(_ column: Int32, _ body: (UnsafeRawBufferPointer) throws -> T) rethrows -> T {
    let bytes = sqlite3_column_blob(statement, column)
    let count = bytes == nil ? 0 : Int(sqlite3_column_bytes(statement, column))
    return try body(UnsafeRawBufferPointer(start: bytes, count: count))
  }
}
