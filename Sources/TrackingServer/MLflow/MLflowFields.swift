import HTTP
import JSON

/// The fields of a request, read as protobuf's JSON mapping reads them: unknown fields are ignored, null is absent,
/// an int64 may be a number, an integral fraction or a decimal string, a double may be a string, and `runId` is
/// another spelling of `run_id`. Every error is MLflow's 400.
struct MLflowFields: Sendable {
  private enum Source: Sendable {
    case object(JSONObject)
    case query(HTTPQuery)
  }

  private let source: Source
  /// Whether a field may be there in its other spelling.
  private let hasCapitals: Bool
  /// What stands before a field's name in messages, such as `metrics[0].`.
  private let path: String

  /// The query of a GET that has one, else the body.
  init(_ request: HTTPRequest) throws {
    if request.method == .get || request.method == .head, !request.query.pairs.isEmpty {
      self.init(query: request.query)
    } else {
      self.init(try Self.object(of: request, try request.body.readAll()))
    }
  }

  /// A request whose body was read already.
  init(_ request: HTTPRequest, body: [UInt8]) throws { self.init(try Self.object(of: request, body)) }

  /// Fields of a JSON object.
  init(_ object: JSONObject, path: String = "") {
    source = .object(object)
    hasCapitals = object.entries.contains { $0.key.utf8.contains { $0 >= 0x41 && $0 <= 0x5A } }
    self.path = path
  }

  /// Fields of a query.
  init(query: HTTPQuery) {
    source = .query(query)
    hasCapitals = false
    path = ""
  }

  /// The object in a body: nothing and what is no JSON count as `{}`; a string is taken for JSON once more.
  private static func object(of request: HTTPRequest, _ bytes: [UInt8]) throws -> JSONObject {
    if bytes.isEmpty { return [:] }
    // MLflow looks at the type where a form of another site could post: the other methods no form has.
    if request.method == .post {
      guard let type = request.headers["Content-Type"] else {
        throw HTTPFailure.invalidParameter("Bad Request. Content-Type header is missing.")
      }
      guard isJSON(type) else {
        throw HTTPFailure.invalidParameter(
          "Bad Request. Content-Type must be one of ['application/json'].")
      }
    }
    guard var value = try? JSON.parse(bytes) else { return [:] }
    if case .string(let text) = value { value = (try? JSON.parse(text)) ?? [:] }
    switch value {
    case .object(let object): return object
    case .null: return [:]
    default: throw HTTPFailure.invalidParameter("The request's body must be a JSON object.")
    }
  }

  /// Whether a media type is JSON's, whatever its parameters.
  static func isJSON(_ type: String) -> Bool {
    type == "application/json"
      || type.prefix { $0 != ";" }.filter { $0 != " " }.lowercased() == "application/json"
  }

  // MARK: Presence

  /// A field as it came; null is absent. Throws when both spellings are given.
  func value(_ name: String) throws -> JSON? {
    switch source {
    case .query(let query): return query.first(name).map(JSON.string)
    case .object(let object):
      let plain = object[name]
      guard hasCapitals, name.utf8.contains(UInt8(ascii: "_")), let other = object[Self.camelCase(name)]
      else {
        return plain == .null ? nil : plain
      }
      if plain != nil {
        throw HTTPFailure.invalidParameter(
          "Request specifies both '\(path)\(name)' and '\(Self.camelCase(name))'; provide only one of them.")
      }
      return other == .null ? nil : other
    }
  }

  /// Whether a field is there under its own name, with something in it.
  func has(_ name: String) -> Bool {
    switch source {
    case .query(let query): query.first(name) ?? "" != ""
    case .object(let object):
      switch object[name] {
      case nil, .null, .string(""): false
      default: true
      }
    }
  }

  /// Throws MLflow's "Missing value" unless the field is there.
  func require(_ name: String) throws {
    guard has(name) else { throw HTTPFailure.missing(path + name) }
  }

  private static func camelCase(_ name: String) -> String {
    let words = name.split(separator: "_")
    return words.dropFirst().reduce(words.first.map(String.init) ?? "") {
      $0 + $1.prefix(1).uppercased() + $1.dropFirst()
    }
  }

  // MARK: Types

  /// A text; nil when absent.
  func string(_ name: String) throws -> String? {
    guard let value = try value(name) else { return nil }
    guard case .string(let text) = value else { throw HTTPFailure.mistyped(path + name, value) }
    return text
  }

  /// A text that must be there and not be empty.
  func required(_ name: String) throws -> String {
    try require(name)
    return try string(name) ?? ""
  }

  /// The run that a request names: `run_id`, or `run_uuid` where MLflow takes the old name for it.
  ///
  /// The other calls are content with the old name too, but look for the run by an empty one.
  func runID(orUUID: Bool = false) throws -> String {
    let old = orUUID ? try string("run_uuid") ?? "" : ""
    if try string("run_id") == nil, has("run_uuid") { return old }
    return try required("run_id")
  }

  /// An int64; nil when absent.
  func integer(_ name: String) throws -> Int64? {
    guard let value = try value(name) else { return nil }
    switch value {
    case .integer(let integer): return integer
    case .number(let number):
      if let integer = Int64(exactly: number) { return integer }
    case .string(let text):
      if let integer = Int64(text) { return integer }
    default: break
    }
    throw HTTPFailure.mistyped(path + name, value)
  }

  /// A double; nil when absent. True and false are 1 and 0.
  func double(_ name: String) throws -> Double? {
    guard let value = try value(name) else { return nil }
    if let number = value.doubleValue { return number }
    switch value {
    case .bool(let flag): return flag ? 1 : 0
    case .string(let text):
      // Swift also reads hexadecimal fractions.
      if !text.utf8.contains(where: { $0 | 0x20 == UInt8(ascii: "x") }), let number = Double(text),
        !number.isNaN
      {
        return number
      }
    default: break
    }
    throw HTTPFailure.mistyped(path + name, value)
  }

  /// A truth value; nil when absent. In a query `true` and `false` in any case.
  func bool(_ name: String) throws -> Bool? {
    guard let value = try value(name) else { return nil }
    if case .query = source {
      switch value.stringValue?.lowercased() {
      case "true": return true
      case "false": return false
      default: throw HTTPFailure.mistyped(name, value)
      }
    }
    guard let flag = value.boolValue else { throw HTTPFailure.mistyped(path + name, value) }
    return flag
  }

  /// One of an enumeration's names, given as such or as its number; nil when absent.
  func choice(_ name: String, _ numbers: [String: Int64]) throws -> String? {
    guard let value = try value(name) else { return nil }
    switch value {
    case .string(let text):
      if numbers[text] != nil { return text }
      if let number = Int64(text), let found = numbers.first(where: { $0.value == number }) {
        return found.key
      }
    case .integer(let number):
      if let found = numbers.first(where: { $0.value == number }) { return found.key }
    default: break
    }
    throw HTTPFailure.mistyped(path + name, value)
  }

  // MARK: Lists

  /// A repeated field; empty when absent. In a query, every value of that name.
  func elements(_ name: String) throws -> [JSON] {
    if case .query(let query) = source { return query.all(name).map(JSON.string) }
    guard let value = try value(name) else { return [] }
    guard case .array(let elements) = value, !elements.contains(.null) else {
      throw HTTPFailure.mistyped(path + name, value)
    }
    return elements
  }

  /// A list of texts.
  func strings(_ name: String) throws -> [String] {
    try elements(name).enumerated().map { index, element in
      guard case .string(let text) = element else {
        throw HTTPFailure.mistyped("\(path)\(name)[\(index)]", element)
      }
      return text
    }
  }

  /// A list of objects, whose fields are named `name[0].field` in messages.
  func objects(_ name: String) throws -> [MLflowFields] {
    try elements(name).enumerated().map { index, element in
      guard case .object(let object) = element else {
        throw HTTPFailure.mistyped("\(path)\(name)[\(index)]", element)
      }
      return MLflowFields(object, path: "\(path)\(name)[\(index)].")
    }
  }

  /// A single object inside; nil when absent.
  func object(_ name: String) throws -> MLflowFields? {
    guard let value = try value(name) else { return nil }
    guard case .object(let object) = value else { throw HTTPFailure.mistyped(path + name, value) }
    return MLflowFields(object, path: "\(path)\(name).")
  }
}
