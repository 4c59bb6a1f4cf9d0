import JSON

/// How large a part of the data is set aside.
enum PartSize: Sendable, Equatable {
  /// This share of the examples.
  case fraction(Double)
  /// The set's own test split.
  case ownTestSplit

  var encoded: JSON {
    switch self {
    case .fraction(let share): .number(share)
    case .ownTestSplit: "test"
    }
  }
}

/// `dataset` in a job: which examples, and how they are cut and scaled.
struct DatasetSpec: Sendable {
  let name: String
  /// Evaluated while training.
  let validation: PartSize
  /// Evaluated once, at the end.
  let test: PartSize
  /// The examples not set aside for testing are cut into so many folds, one of which is for validation.
  let folds: Int?
  /// Which one, from 0.
  let fold: Int
  /// Train on as many examples drawn with replacement.
  let bootstrap: Bool
  /// The seed by which the parts are cut; the job's where there is none.
  let splitSeed: Int?
  /// Runs after which this one is the next member of a boosted ensemble: it trains on as many examples drawn with
  /// replacement by the weights that those runs' models leave.
  let boostAfter: [String]
  /// First n examples only.
  let limit: Int?
  /// Each feature to mean 0 and standard deviation 1 of the training part.
  let standardize: Bool
  /// A new order every epoch; otherwise the set's own.
  let shuffle: Bool
  /// How running text is read; nil for other sets.
  let text: TextSpec?

  init(_ fields: FieldReader, _ catalog: DatasetCatalog) throws(SpecError) {
    name = try fields.string("name")
    let info: DatasetInfo
    do { info = try catalog.info(name) } catch {
      throw SpecError(field: fields.path(of: "name"), message: "\(fields.path(of: "name")): \(error.reason)")
    }
    folds = try fields.integerOrNone("folds", 2...1000)
    fold = try fields.integer("fold", 0...999, default: 0)
    if folds != nil, fields.value("validation") != nil {
      throw fields.error("validation", must: "left out where dataset.folds says what is evaluated")
    }
    if let folds, fold >= folds { throw fields.error("fold", must: "below dataset.folds, which is \(folds)") }
    if folds == nil, fields.value("fold") != nil {
      throw fields.error("folds", must: "given where dataset.fold is")
    }
    bootstrap = try fields.bool("bootstrap", default: false)
    splitSeed = try fields.integerOrNone("split_seed", 0...1 << 53)
    boostAfter = try fields.names("boost_after", count: 100)
    if !boostAfter.isEmpty, info.task != .classification {
      throw fields.error("boost_after", must: "left out where there are no classes")
    }
    if !boostAfter.isEmpty, bootstrap {
      throw fields.error("bootstrap", must: "false with dataset.boost_after")
    }
    let validation =
      folds == nil ? try Self.part(fields, "validation", info, default: .fraction(0.1)) : .fraction(0)
    let fallback: PartSize =
      info.hasTestSplit && validation != .ownTestSplit ? .ownTestSplit : .fraction(0)
    let test = try Self.part(fields, "test", info, default: fallback)
    if test == .ownTestSplit, validation == .ownTestSplit {
      throw fields.error("test", must: "something else than validation, which takes the set's own test split")
    }
    if case .fraction(let a) = validation, case .fraction(let b) = test, a + b >= 1 {
      throw fields.error("test", must: "so small that with validation it leaves examples to train on")
    }
    self.validation = validation
    self.test = test
    limit = try fields.integerOrNone("limit", 1...1_000_000_000)
    standardize = try fields.bool("standardize", default: info.kind == .tabular)
    TextSpec.describe(fields)
    text = info.kind == .text ? try TextSpec(fields, hasLabels: info.hasLabels) : nil
    let isRunning = text != nil && !info.hasLabels
    if isRunning, folds != nil { throw fields.error("folds", must: "left out for running text") }
    if isRunning, bootstrap { throw fields.error("bootstrap", must: "false for running text") }
    if isRunning, !boostAfter.isEmpty {
      throw fields.error("boost_after", must: "left out for running text")
    }
    if text != nil, standardize { throw fields.error("standardize", must: "false for text") }
    shuffle = try fields.bool("shuffle", default: true)
    try fields.finish("dataset")
  }

  var encoded: JSON {
    var object: JSONObject = [
      "name": .string(name), "validation": validation.encoded, "test": test.encoded,
      "limit": limit.map { JSON($0) } ?? .null, "standardize": .bool(standardize), "shuffle": .bool(shuffle),
      "bootstrap": .bool(bootstrap), "folds": folds.map { JSON($0) } ?? .null,
      "split_seed": splitSeed.map { JSON($0) } ?? .null,
      "boost_after": .array(boostAfter.map(JSON.string)),
    ]
    if folds != nil {
      object["validation"] = nil
      object["fold"] = JSON(fold)
    }
    for (field, value) in text?.encoded.entries ?? [] { object[field] = value }
    return .object(object)
  }

  private static func part(
    _ fields: FieldReader, _ name: String, _ info: DatasetInfo, default fallback: PartSize
  ) throws(SpecError) -> PartSize {
    fields.describe(
      name, ["type": ["number", "string"], "description": "a fraction from 0 to 1, or \"test\""],
      default: fallback.encoded)
    guard let value = fields.value(name) else { return fallback }
    if value == "test" {
      guard info.hasTestSplit else {
        throw fields.error(name, must: "a fraction, as \(info.name) has no test split of its own")
      }
      return .ownTestSplit
    }
    guard value.stringValue == nil else { throw fields.error(name, must: "a fraction or \"test\"") }
    return .fraction(try fields.number(name, .fraction))
  }
}
