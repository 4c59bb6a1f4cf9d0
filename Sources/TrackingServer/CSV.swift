/// One CSV record (RFC 4180), ended by CRLF's lone LF as spreadsheets and `csv` readers both take it.
///
/// A text cell that a spreadsheet would run as a formula is made inert by a leading apostrophe.
public func csvRecord(_ cells: [CSVCell]) -> String { cells.map(\.text).joined(separator: ",") + "\n" }

/// A cell of a CSV record: numbers stand as they are, text is quoted where it must be.
public enum CSVCell: Sendable {
  /// A text, quoted and made inert where it must be.
  case text(String)
  /// A whole number.
  case integer(Int64)
  /// A number; what is not finite as `NaN`, `Infinity`, `-Infinity`.
  case number(Double)
  /// Nothing.
  case empty

  var text: String {
    switch self {
    case .text(let value): Self.escaped(value)
    case .integer(let value): String(value)
    case .number(let value):
      value.isFinite ? value.description : value.isNaN ? "NaN" : value > 0 ? "Infinity" : "-Infinity"
    case .empty: ""
    }
  }

  private static func escaped(_ value: String) -> String {
    var text = value
    // A number written as text ("-1", "+2e3") is no formula.
    if let first = text.unicodeScalars.first, "=+-@\t\r".unicodeScalars.contains(first), Double(text) == nil {
      text = "'" + text
    }
    guard text.unicodeScalars.contains(where: { "\",\n\r".unicodeScalars.contains($0) }) else { return text }
    return "\"" + text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"")
      + "\""
  }
}
