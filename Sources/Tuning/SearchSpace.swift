// Tuning: history in, next trial out; no I/O, no clock, no state of its own.
//
// A search space says which values each hyperparameter may take; a sampler turns the number of a trial into its
// values. Everything is a pure function of the space, the seed and the trial's number, so a sweep that is
// interrupted goes on with the trials it would have had. Samplers that learn from earlier trials, and pruners,
// take the history as one more argument. A new sampler is one file beside Samplers.swift.

import Autodiff
import JSON

/// The values that one hyperparameter may take, as a sweep's `parameters` spell them.
public enum Distribution: Sendable, Equatable {
  /// One of a list.
  case values([JSON])
  /// Any number of a range, evenly.
  case uniform(ClosedRange<Double>)
  /// Any number of a range, evenly in its logarithm.
  case logUniform(ClosedRange<Double>)
  /// A whole number of a range, evenly.
  case intUniform(ClosedRange<Int>)
  /// A whole number of a range, evenly in its logarithm.
  case intLogUniform(ClosedRange<Int>)
  /// Normal with mean and standard deviation.
  case normal(mean: Double, deviation: Double)
  /// A number whose logarithm is normal with mean and standard deviation.
  case logNormal(mean: Double, deviation: Double)
}

/// What is wrong with a search space, and where.
public struct SearchSpaceError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The path of the field, as in `parameters.optimizer.lr.min`.
  public let field: String
  /// A sentence that names the field and its limits.
  public let message: String
  /// The message.
  public var description: String { message }

  init(_ field: String, _ problem: String) {
    self.field = field
    message = "\(field) \(problem)"
  }
}

/// The hyperparameters of a sweep, in the order in which they were written.
public struct SearchSpace: Sendable, Equatable {
  /// One hyperparameter.
  public struct Parameter: Sendable, Equatable {
    /// Where it stands in a job spec, as in `optimizer.lr`.
    public let path: String
    /// The values it may take.
    public let distribution: Distribution
  }

  /// The hyperparameters.
  public let parameters: [Parameter]

  /// Reads a sweep's `parameters`: an object from paths to distributions; throws the first fault.
  public static func decode(_ json: JSON) throws(SearchSpaceError) -> SearchSpace {
    guard let object = json.objectValue, !object.entries.isEmpty else {
      throw SearchSpaceError(
        "parameters", "must be an object with at least one parameter, got \(json.text.prefix(60))")
    }
    var parameters: [Parameter] = []
    for (path, value) in object.entries {
      parameters.append(
        Parameter(path: path, distribution: try Distribution(value, at: "parameters.\(path)")))
    }
    return SearchSpace(parameters: parameters)
  }
}

extension Distribution {
  fileprivate init(_ json: JSON, at field: String) throws(SearchSpaceError) {
    guard let object = json.objectValue else {
      throw SearchSpaceError(
        field, "must be an object with values or a distribution, got \(json.text.prefix(60))")
    }
    if let values = object["values"] {
      try Self.refuseOthers(object, ["values"], field)
      guard let list = values.arrayValue, !list.isEmpty else {
        throw SearchSpaceError(
          field + ".values", "must be a list of at least one value, got \(values.text.prefix(60))")
      }
      self = .values(list)
      return
    }
    let name = object["distribution"]?.stringValue ?? ""
    switch name {
    case "uniform": self = .uniform(try Self.range(object, field))
    case "log_uniform": self = .logUniform(try Self.positive(try Self.range(object, field), field))
    case "int_uniform": self = .intUniform(try Self.integers(object, field))
    case "int_log_uniform":
      let range = try Self.integers(object, field)
      guard range.lowerBound >= 1 else {
        throw SearchSpaceError(field + ".min", "must be >= 1, got \(range.lowerBound)")
      }
      self = .intLogUniform(range)
    case "normal", "log_normal":
      try Self.refuseOthers(object, ["distribution", "mean", "std"], field)
      let mean = try Self.number(object, "mean", field)
      let deviation = try Self.number(object, "std", field)
      guard deviation > 0 else { throw SearchSpaceError(field + ".std", "must be > 0, got \(deviation)") }
      self =
        name == "normal"
        ? .normal(mean: mean, deviation: deviation) : .logNormal(mean: mean, deviation: deviation)
    default:
      throw SearchSpaceError(
        field + ".distribution",
        "must be one of uniform, log_uniform, int_uniform, int_log_uniform, normal, log_normal, got \"\(name)\""
      )
    }
  }

  private static func refuseOthers(
    _ object: JSONObject, _ known: [String], _ field: String
  ) throws(SearchSpaceError) {
    for key in object.keys where !known.contains(key) {
      throw SearchSpaceError("\(field).\(key)", "is not known here (known: \(known.joined(separator: ", ")))")
    }
  }

  private static func number(_ object: JSONObject, _ key: String, _ field: String) throws(SearchSpaceError)
    -> Double
  {
    guard let value = object[key]?.doubleValue, value.isFinite else {
      throw SearchSpaceError(
        "\(field).\(key)", "must be a number, got \((object[key] ?? .null).text.prefix(60))")
    }
    return value
  }

  private static func range(_ object: JSONObject, _ field: String) throws(SearchSpaceError) -> ClosedRange<
    Double
  > {
    try refuseOthers(object, ["distribution", "min", "max"], field)
    let low = try number(object, "min", field)
    let high = try number(object, "max", field)
    guard low < high else {
      throw SearchSpaceError(field + ".max", "must be larger than min (\(low)), got \(high)")
    }
    return low...high
  }

  private static func positive(
    _ range: ClosedRange<Double>, _ field: String
  ) throws(SearchSpaceError) -> ClosedRange<Double> {
    guard range.lowerBound > 0 else {
      throw SearchSpaceError(field + ".min", "must be > 0, got \(range.lowerBound)")
    }
    return range
  }

  private static func integers(_ object: JSONObject, _ field: String) throws(SearchSpaceError) -> ClosedRange<
    Int
  > {
    let range = try range(object, field)
    guard let low = Int(exactly: range.lowerBound), abs(low) <= 1 << 53 else {
      throw SearchSpaceError(field + ".min", "must be an integer, got \(range.lowerBound)")
    }
    guard let high = Int(exactly: range.upperBound), abs(high) <= 1 << 53 else {
      throw SearchSpaceError(field + ".max", "must be an integer, got \(range.upperBound)")
    }
    return low...high
  }
}
