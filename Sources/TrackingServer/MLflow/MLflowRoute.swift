// The tracking API of MLflow 3: what an MLflow client must not be able to tell from MLflow's own server.
//
// What lives here: one file a resource with its routes, and these for all of them:
//     MLflowRoute.swift    a call, declared once and mounted under every prefix it has
//     MLflowFields.swift   reading the fields of a request in protobuf's JSON manner
//     MLflowFailure.swift  MLflow's error codes, their statuses and the texts that clients know
//     MLflowRules.swift    names, lengths and ids that MLflow accepts
//
// To add a call, write one line in its resource's list, and add a new list to `mlflowRoutes`:
//
//     MLflowRoute(.post, "mlflow/experiments/delete", .write) { call in
//       let id = try call.fields.required("experiment_id")       // missing, null or "": MLflow's 400
//       let time = try call.fields.integer("time")               // absent: nil; "7", 7, 7.0: 7; else 400
//       ...read every field before asking the store, as MLflow checks types before it looks things up...
//       return [:]                                               // 200 {}
//     }
//
// The path is relative to `/api/2.0/` and `/ajax-api/2.0/`; `versions:` and `prefixes:` choose others. GET reads the
// query, other methods the body; `call.parameters` has what braces in the path caught. A call that answers no JSON,
// or reads the body itself, is an `MLflowRoute(raw:)`: it gets the whole HTTPRequest. What a handler throws:
// `HTTPFailure.mlflow(.resourceDoesNotExist, "...")`; errors of the store are translated (see `translated`).
// Unset fields and empty lists are left out of answers, never null: use `JSONObject.set`.

import HTTP
import JSON
import Storage

/// One call of MLflow's API and every path it is mounted at.
struct MLflowRoute: Sendable {
  /// The JSON call as its handler sees it.
  struct Call: Sendable {
    /// The fields of the query (GET) or of the body.
    let fields: MLflowFields
    /// What braces in the path caught.
    let parameters: [String: String]
    /// Everything else.
    let http: HTTPRequest
  }

  /// Bytes of a JSON body: a thousand metrics and a hundred parameters of full length fit many times.
  static let bodyLimit = 32 << 20

  var method: HTTPMethod
  var path: String
  var permission: HTTPPermission
  var versions: [String]
  var prefixes: [String]
  var bodyLimit: Int
  var isBrief = false
  var handler: @Sendable (HTTPRequest) throws -> HTTPResponse

  /// A call with JSON in and out; `path` is relative to prefix and version.
  init(
    _ method: HTTPMethod, _ path: String, _ permission: HTTPPermission, versions: [String] = ["2.0"],
    prefixes: [String] = ["/api", "/ajax-api"], _ handler: @escaping @Sendable (Call) throws -> JSON
  ) {
    self.init(raw: method, path, permission, versions: versions, prefixes: prefixes) { request in
      let fields = try MLflowFields(request)
      return .json(try handler(Call(fields: fields, parameters: request.parameters, http: request)))
    }
  }

  /// A call that reads its body and writes its answer itself.
  init(
    raw method: HTTPMethod, _ path: String, _ permission: HTTPPermission, versions: [String] = ["2.0"],
    prefixes: [String] = ["/api", "/ajax-api"], bodyLimit: Int = MLflowRoute.bodyLimit, isBrief: Bool = false,
    _ handler: @escaping @Sendable (HTTPRequest) throws -> HTTPResponse
  ) {
    self.method = method
    self.path = path
    self.permission = permission
    self.versions = versions
    self.prefixes = prefixes
    self.bodyLimit = bodyLimit
    self.isBrief = isBrief
    self.handler = handler
  }

  /// The rows of the route table.
  var routes: [HTTPRoute] {
    let handler = handler
    return prefixes.flatMap { prefix in
      versions.map { version in
        let place = version.isEmpty ? prefix : "\(prefix)/\(version)"
        let pattern = "\(place)/\(path)"
        return HTTPRoute(method, pattern, permission, bodyLimit: bodyLimit, isBrief: isBrief) { request in
          do {
            let response = try handler(request)
            guard case .later(let begin) = response.body else { return response }
            return .later { finish in try begin { finish($0.mapError(translated)) } }
          } catch {
            throw translated(error)
          }
        }
      }
    }
  }
}

/// Every call of MLflow's API that is answered here.
func mlflowRoutes(_ context: Context) -> [HTTPRoute] {
  let calls: [[MLflowRoute]] = [
    experimentRoutes(context), mlflowRunRoutes(context), loggingRoutes(context), historyRoutes(context),
    artifactRoutes(context), registryRoutes(context), loggedModelRoutes(context), inputRoutes(context),
    searchRoutes(context), probeRoutes(context),
  ]
  return calls.flatMap { $0 }.flatMap(\.routes)
}

/// The answer to a path under MLflow's prefixes that nobody has: its clients know the code.
func unknownMLflowPath(_ request: HTTPRequest) -> HTTPFailure? {
  let places = ["/api/2.0/", "/api/3.0/", "/ajax-api/", "/gateway/", "/v1/", "/graphql"]
  guard places.contains(where: request.path.hasPrefix) else { return nil }
  return .mlflow(.endpointNotFound, "there is nothing at \(request.path)")
}

/// A store's refusal as MLflow would say it; a full disk and a queue that is too long keep their 503.
private func translated(_ error: any Error) -> any Error {
  if let error = error as? FilterError { return HTTPFailure.invalidParameter(error.description) }
  return switch error as? StoreError {
  case .notFound(let what) where what.hasPrefix("run '"):
    noRun(String(what.dropFirst(5).dropLast()))
  case .notFound(let what) where what.hasPrefix("experiment "):
    HTTPFailure.mlflow(.resourceDoesNotExist, "No Experiment with id=\(what.dropFirst(11)) exists")
  case .notFound(let what): HTTPFailure.mlflow(.resourceDoesNotExist, "\(what) does not exist")
  case .conflict(let what): HTTPFailure.mlflow(.invalidParameterValue, what)
  default: error
  }
}

extension JSONObject {
  /// Adds a member unless there is nothing to say: MLflow leaves out what is unset, and empty lists.
  mutating func set(_ key: String, _ value: JSON?) {
    guard let value, value != .null, value != .array([]) else { return }
    self[key] = value
  }

  /// Adds a text that is set.
  mutating func set(_ key: String, _ text: String?) { set(key, text.map(JSON.string)) }

  /// Adds an integer that is set.
  mutating func set(_ key: String, _ integer: Int64?) { set(key, integer.map { JSON($0) }) }
}

/// Pairs as MLflow lists tags and parameters: `[{"key": ..., "value": ...}]`.
func pairsJSON(_ pairs: [KeyValue]) -> JSON {
  .array(pairs.map { ["key": .string($0.key), "value": .string($0.value)] })
}

/// A metric's value as MLflow answers it: NaN as a string, an infinity as the largest number of its sign.
func metricValueJSON(_ value: Double) -> JSON { JSON(clamped(value)) }

/// An infinity as MLflow stores it.
func clamped(_ value: Double) -> Double {
  value.isInfinite ? (value < 0 ? -1 : 1) * Double.greatestFiniteMagnitude : value
}
