import HTTP
import JSON
import Storage

/// What MLflow accepts as names, and the words in which it refuses others.
enum MLflowRules {
  /// Characters of a key: metrics, parameters and tags, of runs, experiments and the registry.
  static let keyLength = 250
  /// Characters of a run's parameter value; more are cut off.
  static let paramLength = 6000
  /// Characters of a run's tag value; more are cut off.
  static let tagLength = 8000
  /// Characters of an experiment's tag value.
  static let experimentTagLength = 20_000

  /// Checks a metric, parameter or tag name; `parameter` is what messages call it, `length` what too long ones are.
  static func checkKey(_ name: String, parameter: String, called label: String) throws {
    let hint =
      "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), "
      + "colon(:) and slashes (/)."
    guard name.unicodeScalars.allSatisfy(isAllowedInKey) || isKeyWithFinalNewline(name) else {
      throw HTTPFailure.invalidValue(parameter, .string(name), hint)
    }
    let normal = normalizedPath(name)
    guard normal == name, normal != ".", !normal.hasPrefix(".."), !normal.hasPrefix("/") else {
      throw HTTPFailure.invalidValue(
        parameter, .string(name),
        "Names may be treated as files in certain cases, and must not resolve to other names when treated as "
          + "such. This name would resolve to '\(normal)'")
    }
    try checkLength(name, keyLength, called: label)
  }

  /// Checks a run id where MLflow looks at its form: a letter or digit, then at most 255 of these, `_` and `-`.
  static func checkRunID(_ run: String) throws {
    let id = Array(run.unicodeScalars)
    guard let first = id.first, id.count <= 256, isAlphanumeric(first),
      id.allSatisfy({ $0 == "-" || $0 == "_" || isAlphanumeric($0) || isWord($0) })
    else {
      throw HTTPFailure.invalidValue("run_id", .string(run), "")
    }
  }

  /// Refuses a text of more than `limit` characters.
  static func checkLength(_ text: String, _ limit: Int, called label: String) throws {
    // A character of Python is a Unicode scalar; UTF-8 has at least as many bytes.
    guard text.utf8.count > limit, text.unicodeScalars.count > limit else { return }
    throw HTTPFailure.invalidParameter("'\(label)' exceeds the maximum length of \(limit) characters")
  }

  /// The first `limit` characters.
  static func truncated(_ text: String, _ limit: Int) -> String {
    guard text.utf8.count > limit, text.unicodeScalars.count > limit else { return text }
    return String(String.UnicodeScalarView(text.unicodeScalars.prefix(limit)))
  }

  /// The number of an experiment. Throws MLflow's 400 for what is no decimal number.
  static func experimentNumber(_ text: String) throws -> Int64 {
    let digits = text.first == "-" || text.first == "+" ? text.dropFirst() : text[...]
    guard !digits.isEmpty, digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else {
      throw HTTPFailure.invalidParameter(
        "Invalid experiment ID '\(text)'. Experiment ID must be a valid integer.")
    }
    return Int64(text) ?? -1
  }

  /// A letter or digit of ASCII.
  static func isAlphanumeric(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "a"..."z", "A"..."Z", "0"..."9": true
    default: false
    }
  }

  /// Letters, digits and underscore of any script, and `/ . - space :`.
  private static func isAllowedInKey(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "a"..."z", "A"..."Z", "0"..."9", "_", "/", ".", "-", " ", ":": return true
    default: return scalar.value > 127 && isWord(scalar)
    }
  }

  /// Python's `\w` beyond ASCII: what `str.isalnum` accepts, which leaves out marks.
  static func isWord(_ scalar: Unicode.Scalar) -> Bool {
    if scalar == "_" { return true }
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter,
      .decimalNumber, .letterNumber, .otherNumber:
      return scalar.properties.generalCategory != .otherNumber || scalar.properties.numericType != nil
    default: return false
    }
  }

  /// `$` of a Python pattern also matches before a newline at the very end.
  private static func isKeyWithFinalNewline(_ name: String) -> Bool {
    let scalars = name.unicodeScalars
    return scalars.last == "\n" && scalars.dropLast().allSatisfy(isAllowedInKey)
  }

  /// The path that Python's `posixpath.normpath` makes.
  static func normalizedPath(_ path: String) -> String {
    if path.isEmpty { return "." }
    let slashes = path.utf8.prefix { $0 == UInt8(ascii: "/") }.count
    let isAbsolute = slashes > 0
    var parts: [Substring] = []
    for part in path.split(separator: "/") where part != "." {
      if part != ".." || (parts.isEmpty && !isAbsolute) || parts.last == ".." {
        parts.append(part)
      } else if !parts.isEmpty {
        parts.removeLast()
      }
    }
    let root = slashes == 2 ? "//" : isAbsolute ? "/" : ""
    let joined = root + parts.joined(separator: "/")
    return joined.isEmpty ? "." : joined
  }
}
