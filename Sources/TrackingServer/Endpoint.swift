import HTTP
import JSON

/// One line of the route table: what it answers, who may ask, and what its documentation says.
///
/// The router and `openapi.json` are both made from these lines, so they cannot disagree.
struct Endpoint: Sendable {
  var method: HTTPMethod
  var pattern: String
  var permission: HTTPPermission
  var summary: String
  var query: [QueryParameter] = []
  /// Name of the request body's schema under `components`, for methods that take one.
  var body: String?
  /// The answer when all went well: status, media type and schema name.
  var answer: Answer
  /// The other statuses that this endpoint can give, beside 400 and 500.
  var failures: [Int] = []
  var bodyLimit = 0
  var handler: @Sendable (HTTPRequest) throws -> HTTPResponse

  struct QueryParameter: Sendable {
    var name: String
    var schema: JSON
    var meaning: String
    var repeats = false
    var isRequired = false
  }

  struct Answer: Sendable {
    var status = 200
    var types: [(media: String, schema: String)]
    static func json(_ schema: String, status: Int = 200) -> Answer {
      Answer(status: status, types: [("application/json", schema)])
    }
    static func jsonOrCSV(_ schema: String) -> Answer {
      Answer(types: [("application/json", schema), ("text/csv", "Text")])
    }
    static func bytes(_ media: String) -> Answer { Answer(types: [(media, "Bytes")]) }
    static func text(_ media: String) -> Answer { Answer(types: [(media, "Text")]) }
    static let nothing = Answer(status: 204, types: [])
  }

  /// The line as the router takes it: a query parameter that is not listed here is refused by name.
  var route: HTTPRoute {
    let known = Set(query.map(\.name))
    let repeating = Set(query.filter(\.repeats).map(\.name))
    let handler = handler
    return HTTPRoute(method, pattern, permission, bodyLimit: bodyLimit) {
      request in
      var seen: Set<String> = []
      for name in request.query.names {
        guard known.contains(name) else {
          let allowed = known.isEmpty ? "none" : known.sorted().joined(separator: ", ")
          throw HTTPFailure.invalid(name, "\(name) is not a query parameter here (known: \(allowed))")
        }
        guard seen.insert(name).inserted || repeating.contains(name) else {
          throw HTTPFailure.invalid(name, "\(name) is given more than once")
        }
      }
      return try handler(request)
    }
  }
}

// The errors of the contract, by the names that MLflow has for them.
extension HTTPFailure {
  static func invalid(_ field: String?, _ message: String) -> HTTPFailure {
    HTTPFailure(status: 400, message: message, field: field)
  }
  static func notFound(_ what: String) -> HTTPFailure {
    HTTPFailure(status: 404, message: what)
  }
  static func conflict(_ what: String) -> HTTPFailure {
    HTTPFailure(status: 409, message: what)
  }
}

extension HTTPResponse {
  static func json(_ value: JSON, status: Int = 200) -> HTTPResponse { json(value.encoded, status: status) }

  static func json(_ bytes: [UInt8], status: Int = 200) -> HTTPResponse {
    uncached(bytes, type: "application/json", status: status)
  }

  static func csv(_ text: String) -> HTTPResponse {
    uncached(Array(text.utf8), type: "text/csv; charset=utf-8")
  }

  static func plain(_ text: String, type: String = "text/plain; charset=utf-8") -> HTTPResponse {
    uncached(Array(text.utf8), type: type)
  }

  private static func uncached(_ bytes: [UInt8], type: String, status: Int = 200) -> HTTPResponse {
    var response = HTTPResponse.bytes(bytes, type: type, status: status)
    response.headers.set("Cache-Control", "no-store")
    return response
  }

  /// The one shape of every error.
  static func failure(_ failure: HTTPFailure) -> HTTPResponse {
    var response = json(failure.json, status: failure.status)
    for field in failure.headers.fields { response.headers.set(field.name, field.value) }
    return response
  }
}

extension HTTPFailure {
  /// What an answer says of this failure.
  var json: JSON {
    var object: JSONObject = ["error_code": .string(code), "message": .string(message)]
    if let field { object["field"] = .string(field) }
    return .object(object)
  }
}

/// Reads typed query parameters; every error names the parameter and its limits.
struct QueryReader {
  let query: HTTPQuery

  func integer(_ name: String, default fallback: Int, in range: ClosedRange<Int>) throws -> Int {
    guard let text = query.first(name) else { return fallback }
    guard let value = Int(text), range.contains(value) else {
      throw HTTPFailure.invalid(
        name,
        "\(name) must be an integer from \(range.lowerBound) to \(range.upperBound), got \(quoted(text))")
    }
    return value
  }

  func optionalInteger(_ name: String) throws -> Int64? {
    guard let text = query.first(name) else { return nil }
    guard let value = Int64(text) else {
      throw HTTPFailure.invalid(name, "\(name) must be an integer, got \(quoted(text))")
    }
    return value
  }

  /// A number from `least` on, and below `bound`; nil when it is not given.
  func number(_ name: String, from least: Double, below bound: Double = .infinity) throws -> Double? {
    guard let text = query.first(name) else { return nil }
    guard let value = Double(text), value >= least, value < bound else {
      let range = least == .leastNonzeroMagnitude ? "above 0" : "of at least \(JSON(least).text)"
      let end = bound == .infinity ? "" : " and below \(JSON(bound).text)"
      throw HTTPFailure.invalid(name, "\(name) must be a number \(range)\(end), got \(quoted(text))")
    }
    return value
  }

  func choice(_ name: String, _ choices: [String]) throws -> String? {
    guard let text = query.first(name) else { return nil }
    guard choices.contains(text) else {
      throw HTTPFailure.invalid(
        name, "\(name) must be one of \(choices.joined(separator: ", ")), got \(quoted(text))")
    }
    return text
  }

  func flag(_ name: String) throws -> Bool { try choice(name, ["true", "false"]) == "true" }

  var wantsCSV: Bool { get throws { try choice("format", ["json", "csv"]) == "csv" } }
}

/// A user's text inside a message: in quotes, cut to a readable length.
func quoted(_ text: String) -> String { "\"" + (text.count > 100 ? text.prefix(100) + "…" : text) + "\"" }
