// The one way in which a spec is read: an object is taken apart field by field, each with its type, its limits
// and its default, and what nobody asked for is refused at the end.

import JSON

/// A bound on a number, and how to say it.
public struct Limits: Sendable {
  let text: String
  /// The same in the words of JSON schema.
  var bounds: JSONObject = [:]
  let holds: @Sendable (Double) -> Bool

  /// Above 0.
  public static let positive = Limits(text: "> 0", bounds: ["exclusiveMinimum": 0]) { $0 > 0 }
  /// 0 or more.
  public static let notNegative = Limits(text: ">= 0", bounds: ["minimum": 0]) { $0 >= 0 }
  static let any = Limits(text: "a finite number") { _ in true }
  /// 0 included, 1 not.
  static let fraction = Limits(
    text: "from 0 to 1, 1 excluded", bounds: ["minimum": 0, "exclusiveMaximum": 1]
  ) { $0 >= 0 && $0 < 1 }
  /// Both ends included.
  static let share = Limits(text: "from 0 to 1", bounds: ["minimum": 0, "maximum": 1]) { $0 >= 0 && $0 <= 1 }
  /// 1 included, 0 not.
  public static let positiveShare = Limits(
    text: "from 0 to 1, 0 excluded", bounds: ["exclusiveMinimum": 0, "maximum": 1]
  ) { $0 > 0 && $0 <= 1 }

  /// A number within these limits, as JSON schema.
  var schema: JSON {
    var object = bounds
    object["type"] = "number"
    object["description"] = .string(text)
    return .object(object)
  }
}

/// Reads the fields of one JSON object; every error names the field by its whole path.
public final class FieldReader {
  /// Where this object is in the whole; empty at the top.
  let path: String
  private var object: JSONObject
  private var asked: [String] = []
  /// Not nil when nothing is read and only noted what would be.
  private let notes: SpecNotes?

  /// A reader of the object that is at `path` of a whole, which errors call `name`. Throws when it is none.
  public init(_ json: JSON, at path: String = "", whole name: String = "the job") throws(SpecError) {
    guard let object = json.objectValue else {
      let what = path.isEmpty ? name : path
      throw SpecError(field: path, message: "\(what) must be an object, got \(Self.show(json))")
    }
    self.object = object
    self.path = path
    notes = nil
  }

  /// An object that holds nothing: all its fields take their defaults.
  init(emptyAt path: String) {
    self.object = [:]
    self.path = path
    notes = nil
  }

  /// A reader of nothing that gives defaults, and stand-ins where something is required, and notes what it is asked for.
  init(notes: SpecNotes) {
    self.object = [:]
    path = ""
    self.notes = notes
  }

  /// The full path of a field.
  public func path(of name: String) -> String {
    path.isEmpty ? name : "\(path).\(name)"
  }

  /// Takes a field under another spelling of its name.
  func rename(_ other: String, to name: String) {
    guard let value = object[other], object[name] == nil else { return }
    var renamed = JSONObject()
    for (key, old) in object.entries where key != other { renamed[key] = old }
    renamed[name] = value
    object = renamed
  }

  /// The error of a field that holds something wrong.
  public func error(_ name: String, must: String) -> SpecError {
    let got = object[name].map { ", got \(Self.show($0))" } ?? ""
    return SpecError(path(of: name), "must be \(must)\(got)")
  }

  /// The value of a field, nil where there is none; null counts as none.
  public func value(_ name: String) -> JSON? {
    if !asked.contains(name) { asked.append(name) }
    guard let value = object[name], value != .null else { return nil }
    return value
  }

  /// Says what a field that is read as JSON may hold, for the schema.
  func describe(_ name: String, _ schema: JSON, default fallback: JSON?) {
    notes?.note(name, schema, default: fallback)
  }

  /// Says what the object is, for the schema.
  func describe(_ text: String) { notes?.text = text }

  /// Whether nothing is read and only noted what would be: what is required has a stand-in.
  var isNoting: Bool { notes != nil }

  /// Refuses fields that have not been asked for; `owner` is what has the fields.
  public func finish(_ owner: String) throws(SpecError) {
    for (name, _) in object.entries where !asked.contains(name) {
      // An empty name would read as if the whole object were meant.
      throw SpecError(
        path(of: name.isEmpty ? "\"\"" : name),
        "is not a field of \(owner), whose fields are \(asked.joined(separator: ", "))")
    }
    for name in asked where object[name] == .null && !nullable.contains(name) {
      throw error(name, must: "left out or given a value")
    }
  }

  /// Fields whose absence is itself a setting, spelled null.
  private var nullable: Set<String> = []

  // MARK: Values

  /// A whole number of the range; required when there is no default.
  public func integer(_ name: String, _ range: ClosedRange<Int>, default fallback: Int? = nil)
    throws(SpecError)
    -> Int
  {
    notes?.note(name, integers(range), default: fallback.map { JSON($0) })
    return try required(
      name, optional: try readInteger(name, range), fallback ?? notes.map { _ in range.lowerBound })
  }

  /// A whole number of the range, or none.
  public func integerOrNone(_ name: String, _ range: ClosedRange<Int>) throws(SpecError) -> Int? {
    nullable.insert(name)
    notes?.note(name, integers(range), default: .null)
    return try readInteger(name, range)
  }

  /// A whole number of the range, or none where it is null; the default where it is left out.
  func integerOrNone(_ name: String, _ range: ClosedRange<Int>, default fallback: Int) throws(SpecError)
    -> Int?
  {
    let number = try integerOrNone(name, range)
    notes?.note(name, integers(range), default: JSON(fallback))
    return object[name] == nil ? fallback : number
  }

  /// True, false, or none.
  func boolOrNone(_ name: String) throws(SpecError) -> Bool? {
    nullable.insert(name)
    notes?.note(name, ["type": "boolean"], default: .null)
    return value(name) == nil ? nil : try bool(name, default: false)
  }

  /// A finite number within the limits; required when there is no default.
  public func number(_ name: String, _ limits: Limits, default fallback: Double? = nil) throws(SpecError)
    -> Double
  {
    notes?.note(name, limits.schema, default: fallback.map { .number($0) })
    let standIn = notes.map { _ in limits.holds(0.5) ? 0.5 : 1 }
    return try required(name, optional: try readNumber(name, limits), fallback ?? standIn)
  }

  /// A finite number within the limits, or none.
  func numberOrNone(_ name: String, _ limits: Limits) throws(SpecError) -> Double? {
    nullable.insert(name)
    notes?.note(name, limits.schema, default: .null)
    return try readNumber(name, limits)
  }

  /// A finite number within the limits, or none where it is null; the default where it is left out.
  func numberOrNone(_ name: String, _ limits: Limits, default fallback: Double) throws(SpecError) -> Double? {
    let number = try numberOrNone(name, limits)
    notes?.note(name, limits.schema, default: .number(fallback))
    return object[name] == nil ? fallback : number
  }

  /// True or false.
  func bool(_ name: String, default fallback: Bool) throws(SpecError) -> Bool {
    notes?.note(name, ["type": "boolean"], default: .bool(fallback))
    guard let value = value(name) else { return fallback }
    guard let bool = value.boolValue else { throw error(name, must: "true or false") }
    return bool
  }

  /// A text of at least one and at most `limit` characters without control characters.
  public func string(_ name: String, limit: Int = 250, default fallback: String? = nil) throws(SpecError)
    -> String
  {
    notes?.note(name, ["type": "string", "maxLength": JSON(limit)], default: fallback.map(JSON.string))
    // The stand-in is the name of a data set that is always there.
    let fallback = fallback ?? notes.map { _ in "digits" }
    guard let value = value(name) else { return try required(name, optional: nil, fallback) }
    guard let string = value.stringValue, (1...limit).contains(string.count),
      string.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control })
    else { throw error(name, must: "a string of 1 to \(limit) characters without control characters") }
    return string
  }

  /// One of the given words.
  public func choice(_ name: String, _ words: [String], default fallback: String? = nil) throws(SpecError)
    -> String
  {
    notes?.note(
      name, ["type": "string", "enum": .array(words.map(JSON.string))], default: fallback.map(JSON.string))
    let fallback = fallback ?? notes.map { _ in words.first ?? "" }
    guard let value = value(name) else { return try required(name, optional: nil, fallback) }
    guard let word = value.stringValue, words.contains(word) else {
      throw error(name, must: "one of \(words.map { "\"\($0)\"" }.joined(separator: ", "))")
    }
    return word
  }

  /// A list of name patterns; empty when there is none.
  func patterns(_ name: String) throws(SpecError) -> [NamePattern] {
    notes?.note(name, ["type": "array", "items": ["type": "string"]], default: [])
    guard let value = value(name) else { return [] }
    let texts = (value.arrayValue ?? []).compactMap(\.stringValue)
    guard let list = value.arrayValue, texts.count == list.count, list.count <= 1000,
      texts.allSatisfy({ (1...250).contains($0.count) })
    else { throw error(name, must: "a list of names, in which * stands for any characters") }
    return texts.map(NamePattern.init)
  }

  /// A list of at most `count` names; empty when there is none.
  func names(_ name: String, count: Int) throws(SpecError) -> [String] {
    notes?.note(
      name, ["type": "array", "items": ["type": "string"], "maxItems": JSON(count)], default: [])
    guard let value = value(name) else { return [] }
    let texts = (value.arrayValue ?? []).compactMap(\.stringValue)
    guard let list = value.arrayValue, texts.count == list.count, list.count <= count,
      texts.allSatisfy({ (1...250).contains($0.count) })
    else { throw error(name, must: "a list of at most \(count) names") }
    return texts
  }

  /// A list of some of the given words, each at most once; empty when there is none.
  func words(_ name: String, _ words: [String]) throws(SpecError) -> [String] {
    notes?.note(
      name, ["type": "array", "items": ["type": "string", "enum": .array(words.map(JSON.string))]],
      default: [])
    guard let value = value(name) else { return [] }
    let chosen = (value.arrayValue ?? []).compactMap(\.stringValue)
    guard let list = value.arrayValue, chosen.count == list.count, Set(chosen).isSubset(of: words),
      Set(chosen).count == chosen.count
    else { throw error(name, must: "a list of some of \(words.map { "\"\($0)\"" }.joined(separator: ", "))") }
    return chosen
  }

  /// A pair of numbers within the limits.
  func pair(_ name: String, _ limits: Limits, default fallback: (Double, Double)) throws(SpecError)
    -> (Double, Double)
  {
    notes?.note(
      name, ["type": "array", "items": limits.schema],
      default: [.number(fallback.0), .number(fallback.1)])
    guard let value = value(name) else { return fallback }
    guard let list = value.arrayValue, list.count == 2, let first = list[0].doubleValue,
      let second = list[1].doubleValue
    else { throw error(name, must: "a list of two numbers") }
    for (index, number) in [first, second].enumerated() where !(number.isFinite && limits.holds(number)) {
      throw SpecError(path(of: "\(name).\(index)"), "must be \(limits.text), got \(Self.show(list[index]))")
    }
    return (first, second)
  }

  // MARK: Objects

  /// The object of a field, an empty one where there is none.
  func object(_ name: String) throws(SpecError) -> FieldReader {
    if let notes { return FieldReader(notes: notes.below(name)) }
    guard let value = value(name) else { return FieldReader(emptyAt: path(of: name)) }
    return try FieldReader(value, at: path(of: name))
  }

  /// The object of a field, or none.
  public func objectOrNone(_ name: String) throws(SpecError) -> FieldReader? {
    nullable.insert(name)
    if let notes { return FieldReader(notes: notes.below(name)) }
    guard let value = value(name) else { return nil }
    return try FieldReader(value, at: path(of: name))
  }

  /// The objects of a list.
  public func list(_ name: String, count: ClosedRange<Int>) throws(SpecError) -> [FieldReader] {
    let schema: JSON = [
      "type": "array", "items": ["type": "object"], "minItems": JSON(count.lowerBound),
      "maxItems": JSON(count.upperBound),
    ]
    notes?.note(name, schema, default: nil)
    guard let value = value(name) else { throw SpecError(path(of: name), "is required") }
    guard let items = value.arrayValue, count.contains(items.count) else {
      throw error(name, must: "a list of \(count.lowerBound) to \(count.upperBound) objects")
    }
    var readers: [FieldReader] = []
    for (index, item) in items.enumerated() {
      readers.append(try FieldReader(item, at: path(of: "\(name).\(index)")))
    }
    return readers
  }

  /// The finite numbers of a list within the limits, or none.
  func numbersOrNone(_ name: String, _ limits: Limits, count: ClosedRange<Int>) throws(SpecError) -> [Double]?
  {
    nullable.insert(name)
    let schema: JSON = [
      "type": "array", "items": limits.schema,
      "minItems": JSON(count.lowerBound), "maxItems": JSON(count.upperBound),
    ]
    notes?.note(name, schema, default: .null)
    guard let value = value(name) else { return nil }
    guard let items = value.arrayValue, count.contains(items.count) else {
      throw error(name, must: "a list of \(count.lowerBound) to \(count.upperBound) numbers")
    }
    var numbers: [Double] = []
    for (index, item) in items.enumerated() {
      guard let number = item.doubleValue, number.isFinite, limits.holds(number) else {
        throw SpecError(
          path(of: "\(name).\(index)"), "must be a number \(limits.text), got \(Self.show(item))")
      }
      numbers.append(number)
    }
    return numbers
  }

  /// The whole numbers of a list.
  func integers(_ name: String, _ range: ClosedRange<Int>, count: ClosedRange<Int>) throws(SpecError) -> [Int]
  {
    notes?.note(name, ["type": "array", "items": integers(range)], default: nil)
    if notes != nil { return [range.lowerBound] }
    guard let value = value(name) else { throw SpecError(path(of: name), "is required") }
    guard let items = value.arrayValue, count.contains(items.count) else {
      throw error(name, must: "a list of \(count.lowerBound) to \(count.upperBound) integers")
    }
    var numbers: [Int] = []
    for (index, item) in items.enumerated() {
      guard let number = item.intValue, range.contains(number) else {
        throw SpecError(
          path(of: "\(name).\(index)"),
          "must be an integer from \(range.lowerBound) to \(range.upperBound), got \(Self.show(item))")
      }
      numbers.append(number)
    }
    return numbers
  }

  /// The method that this object's `key` names, with all its fields read.
  func method<Method>(_ table: MethodTable<Method>, key: String = "type", default fallback: String? = nil)
    throws(SpecError) -> Method
  {
    if let notes {
      for row in table.rows {
        let variant = notes.variant(key, row.type, isDefault: row.type == fallback)
        _ = try? row.decode(FieldReader(notes: variant))
      }
    }
    let type = try choice(key, table.rows.map(\.type), default: fallback)
    guard let row = table.rows.first(where: { $0.type == type }) else {
      throw error(key, must: "a type that is known")
    }
    let method = try row.decode(notes == nil ? self : FieldReader(notes: SpecNotes()))
    try finish(type)
    return method
  }

  // MARK: Private

  private func integers(_ range: ClosedRange<Int>) -> JSON {
    ["type": "integer", "minimum": JSON(range.lowerBound), "maximum": JSON(range.upperBound)]
  }

  private func required<Value>(_ name: String, optional: Value?, _ fallback: Value?) throws(SpecError)
    -> Value
  {
    if let value = optional ?? fallback { return value }
    throw SpecError(path(of: name), "is required")
  }

  private func readInteger(_ name: String, _ range: ClosedRange<Int>) throws(SpecError) -> Int? {
    guard let value = value(name) else { return nil }
    guard let number = value.intValue, range.contains(number) else {
      throw error(name, must: "an integer from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  private func readNumber(_ name: String, _ limits: Limits) throws(SpecError) -> Double? {
    guard let value = value(name) else { return nil }
    guard let number = value.doubleValue, number.isFinite else { throw error(name, must: "a number") }
    guard limits.holds(number) else { throw error(name, must: limits.text) }
    return number
  }

  /// The value as the user wrote it, cut where it is long.
  static func show(_ json: JSON) -> String {
    let text = json.text
    return text.count <= 60 ? text : "\(text.prefix(57))..."
  }
}

/// Methods of one family by the `type` that names them. A new method is one file and one row.
struct MethodTable<Method: Sendable>: Sendable {
  struct Row: Sendable {
    let type: String
    let decode: @Sendable (FieldReader) throws(SpecError) -> Method

    init(_ type: String, _ decode: @escaping @Sendable (FieldReader) throws(SpecError) -> Method) {
      self.type = type
      self.decode = decode
    }
  }

  let rows: [Row]
}
