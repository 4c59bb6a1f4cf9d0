// The one JSON of the house: a value (this file), a reader (JSONReader) and a writer (JSONWriter).
//
// Strict RFC 8259 both ways: UTF-8 only, duplicate names refused, at most 64 levels deep. Numbers without
// a fraction or exponent that fit are kept as integers, so identifiers and times survive exactly. Numbers
// that are not finite do not exist in JSON: they are written as the strings "NaN", "Infinity", "-Infinity",
// and `doubleValue` reads them back. Nothing here knows what the values mean.

/// A JSON value (RFC 8259), whose objects keep the order of their members.
public enum JSON: Sendable, Equatable {
  case null
  case bool(Bool)
  case integer(Int64)
  case number(Double)
  case string(String)
  case array([JSON])
  case object(JSONObject)
}

/// The members of a JSON object, in the order in which they were written.
public struct JSONObject: Sendable, Equatable {
  /// The members, first to last; names are unique.
  public private(set) var entries: [(key: String, value: JSON)] = []

  /// An object without members.
  public init() {}

  /// The value of a member; setting nil removes it, setting a new name appends it.
  public subscript(key: String) -> JSON? {
    get { index(of: key).map { entries[$0].value } }
    set {
      if let index = index(of: key) {
        if let newValue { entries[index].value = newValue } else { entries.remove(at: index) }
      } else if let newValue {
        entries.append((key, newValue))
      }
    }
  }

  /// Names are the same when their characters are (RFC 8259 section 8.3), not already when Unicode takes them for the
  /// same text, as `==` does.
  private func index(of key: String) -> Int? {
    entries.firstIndex { $0.key == key && $0.key.utf8.elementsEqual(key.utf8) }
  }

  /// The names of the members, in order.
  public var keys: [String] { entries.map(\.key) }

  /// Appends a member whose name the caller knows to be new, without searching for it.
  mutating func appendUnique(_ key: String, _ value: JSON) { entries.append((key, value)) }

  /// Objects are equal when they have the same members; RFC 8259 gives their order no meaning.
  public static func == (left: JSONObject, right: JSONObject) -> Bool {
    left.entries.count == right.entries.count && left.entries.allSatisfy { right[$0.key] == $0.value }
  }
}

extension JSON {
  /// The text, when this is a string.
  public var stringValue: String? { if case .string(let text) = self { text } else { nil } }

  /// The truth value, when this is one.
  public var boolValue: Bool? { if case .bool(let flag) = self { flag } else { nil } }

  /// The elements, when this is an array.
  public var arrayValue: [JSON]? { if case .array(let elements) = self { elements } else { nil } }

  /// The members, when this is an object.
  public var objectValue: JSONObject? { if case .object(let members) = self { members } else { nil } }

  /// The whole number, when this is one, also when it was written as `32.0` or `1e3`.
  public var intValue: Int? {
    switch self {
    case .integer(let value): Int(value)
    case .number(let value): Int(exactly: value)
    default: nil
    }
  }

  /// The number, when this is one or one of the strings "NaN", "Infinity", "-Infinity".
  public var doubleValue: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    case .string("NaN"): .nan
    case .string("Infinity"): .infinity
    case .string("-Infinity"): -.infinity
    default: nil
    }
  }

  /// A member of an object; nil for a missing name and for anything that is not an object.
  public subscript(key: String) -> JSON? { objectValue?[key] }

  /// An integer.
  public init(_ value: Int) { self = .integer(Int64(value)) }
  /// An integer.
  public init(_ value: Int64) { self = .integer(value) }
  /// A number; one that is not finite becomes its string form.
  public init(_ value: Double) { self = value.isFinite ? .number(value) : .string(nonFiniteText(value)) }
  /// A string.
  public init(_ value: String) { self = .string(value) }
  /// A truth value.
  public init(_ value: Bool) { self = .bool(value) }
  /// An object whose later members replace earlier ones of the same name.
  public init(_ members: [(String, JSON)]) {
    var object = JSONObject()
    for (key, value) in members { object[key] = value }
    self = .object(object)
  }
}

/// The spelling of a number that is not finite.
func nonFiniteText(_ value: Double) -> String { value.isNaN ? "NaN" : value > 0 ? "Infinity" : "-Infinity" }

extension JSON: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByFloatLiteral, ExpressibleByStringLiteral, ExpressibleByArrayLiteral,
  ExpressibleByDictionaryLiteral
{
  /// The value null.
  public init(nilLiteral: ()) { self = .null }
  /// A truth value.
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  /// An integer.
  public init(integerLiteral value: Int64) { self = .integer(value) }
  /// A number.
  public init(floatLiteral value: Double) { self = .number(value) }
  /// A string.
  public init(stringLiteral value: String) { self = .string(value) }
  /// An array.
  public init(arrayLiteral elements: JSON...) { self = .array(elements) }
  /// An object whose later members replace earlier ones of the same name.
  public init(dictionaryLiteral elements: (String, JSON)...) { self.init(elements) }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
  /// An object whose later members replace earlier ones of the same name.
  public init(dictionaryLiteral elements: (String, JSON)...) {
    for (key, value) in elements { self[key] = value }
  }
}
