import HTTP
import JSON

/// MLflow's error codes; each has one status.
enum MLflowCode: String, Sendable {
  case invalidParameterValue = "INVALID_PARAMETER_VALUE"
  case resourceAlreadyExists = "RESOURCE_ALREADY_EXISTS"
  case badRequest = "BAD_REQUEST"
  case permissionDenied = "PERMISSION_DENIED"
  case resourceDoesNotExist = "RESOURCE_DOES_NOT_EXIST"
  case endpointNotFound = "ENDPOINT_NOT_FOUND"
  case resourceConflict = "RESOURCE_CONFLICT"
  case notImplemented = "NOT_IMPLEMENTED"
  case temporarilyUnavailable = "TEMPORARILY_UNAVAILABLE"

  var status: Int {
    switch self {
    case .invalidParameterValue, .resourceAlreadyExists, .badRequest: 400
    case .permissionDenied: 403
    case .resourceDoesNotExist, .endpointNotFound: 404
    case .resourceConflict: 409
    case .notImplemented: 501
    case .temporarilyUnavailable: 503
    }
  }
}

extension HTTPFailure {
  /// An error under MLflow's code and the status that goes with it.
  static func mlflow(_ code: MLflowCode, _ message: String, field: String? = nil) -> HTTPFailure {
    HTTPFailure(status: code.status, code: code.rawValue, message: message, field: field)
  }

  private static let seeDocumentation =
    "See the API docs for more information about request parameters."

  /// A required parameter that is absent, null or empty.
  static func missing(_ name: String) -> HTTPFailure {
    .mlflow(
      .invalidParameterValue, "Missing value for required parameter '\(name)'. \(seeDocumentation)",
      field: name)
  }

  /// A parameter of the wrong type.
  static func mistyped(_ name: String, _ value: JSON) -> HTTPFailure {
    .mlflow(
      .invalidParameterValue,
      "Invalid value \(shortened(value.text)) for parameter '\(name)' supplied: "
        + " Hint: Value was of type '\(pythonType(value))'. \(seeDocumentation)", field: name)
  }

  /// A parameter whose value breaks a rule.
  static func invalidValue(_ name: String, _ value: JSON, _ reason: String) -> HTTPFailure {
    .mlflow(
      .invalidParameterValue,
      "Invalid value \(shortened(value.text)) for parameter '\(name)' supplied: \(reason)", field: name)
  }

  /// An error with MLflow's code for bad values.
  static func invalidParameter(_ message: String) -> HTTPFailure { .mlflow(.invalidParameterValue, message) }
}

/// A value inside a message, cut to a readable length.
private func shortened(_ text: String) -> String {
  text.count > 200 ? text.prefix(200) + "…" : text
}

/// The type's name in MLflow's own language, which its messages speak of.
private func pythonType(_ value: JSON) -> String {
  switch value {
  case .null: "NoneType"
  case .bool: "bool"
  case .integer: "int"
  case .number: "float"
  case .string: "str"
  case .array: "list"
  case .object: "dict"
  }
}
