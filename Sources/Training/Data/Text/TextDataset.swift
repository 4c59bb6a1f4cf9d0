// Running text: the data set holds the text, and a job's `context` and `tokenizer` make examples of it. An example is
// `context` tokens in a row, and what is to be predicted at each of them is the token that follows it.

import JSON

/// How a job reads running text.
struct TextSpec: Sendable, Equatable {
  /// Tokens that an example has.
  let context: Int
  let tokenizer: TokenizerKind
  /// Of texts with labels: the most frequent so many tokens are told apart; nil for all that occur more than once.
  let vocabulary: Int?
  private let hasLabels: Bool

  init(_ fields: FieldReader, hasLabels: Bool) throws(SpecError) {
    self.hasLabels = hasLabels
    context = try fields.integer("context", 1...8192, default: 64)
    let name = try fields.choice("tokenizer", TokenizerKind.allCases.map(\.rawValue), default: "char")
    tokenizer = TokenizerKind(rawValue: name) ?? .char
    vocabulary = try fields.integerOrNone("vocabulary", 1...Tokenizer.limit)
    guard hasLabels || vocabulary == nil else {
      throw fields.error("vocabulary", must: "left out for running text, of which every token is known")
    }
  }

  /// Says which fields running text has beside those of all sets.
  static func describe(_ fields: FieldReader) {
    fields.describe(
      "context",
      [
        "type": "integer", "minimum": 1, "maximum": 8192, "description": "running text: tokens of an example",
      ],
      default: 64)
    fields.describe(
      "tokenizer",
      [
        "type": "string", "enum": .array(TokenizerKind.allCases.map { .string($0.rawValue) }),
        "description": "running text: what a token is",
      ], default: "char")
    fields.describe(
      "vocabulary",
      [
        "type": "integer", "minimum": 1, "maximum": JSON(Tokenizer.limit),
        "description":
          "texts with labels: the most frequent so many tokens, where the others are one unknown",
      ], default: .null)
  }

  /// Its fields.
  var encoded: JSONObject {
    var object: JSONObject = ["context": JSON(context), "tokenizer": .string(tokenizer.rawValue)]
    if hasLabels { object["vocabulary"] = vocabulary.map { JSON($0) } ?? .null }
    return object
  }
}

extension Dataset {
  /// A set of running text. Its size is in characters, Unicode scalars, of which `classes` lists those that occur.
  public static func text(name: String, _ text: String, source: String, license: String) -> Dataset {
    .text(name: name, RunningText(text), source: source, license: license)
  }

  static func text(name: String, _ text: RunningText, source: String, license: String) -> Dataset {
    let info = DatasetInfo(
      name: name, kind: .text, task: .classification, examples: text.count, inputShape: [],
      classes: text.characters.map { String($0.scalar) }, source: source, license: license)
    return Dataset(info: info, pool: Examples(width: 0, features: .bytes([])), text: text)
  }

  /// The text as tokens: the vocabulary becomes the classes, and examples begin at every token. Without `reads` the tokens
  /// are only counted, for a job that is checked and not run.
  func tokenized(_ spec: TextSpec, limit: Int?, reads: Bool = true) throws(SpecError) -> Dataset {
    if let documents { return try tokenizedDocuments(spec, documents, reads: reads) }
    guard let text else { return self }
    let reading =
      try reads ? text.reading(spec.tokenizer, limit: limit) : text.outline(spec.tokenizer, limit: limit)
    guard reading.tokens.count <= Int(Int32.max) else {
      throw SpecError(
        "dataset.limit",
        "must be given: of the \(reading.tokens.count) tokens of \(name) at most \(Int32.max) can be trained on"
      )
    }
    let tokenInfo = DatasetInfo(
      name: name, kind: .text, task: .classification, examples: info.examples, inputShape: [spec.context],
      classes: reading.tokenizer.vocabulary, source: info.source, license: info.license)
    return Dataset(
      info: tokenInfo, pool: Examples(tokens: reading.tokens, context: spec.context), text: text,
      tokenizer: reading.tokenizer)
  }

  /// What a job is told when there is no room for its tokens.
  static func unwritable(_ error: ImportError) -> SpecError {
    SpecError(
      "dataset.name", "cannot be read as tokens: \(error == .diskFull ? "the disk is full" : "\(error)")")
  }

  /// The same set with its tokens as what is predicted: those of the whole vocabulary, to which running text gets what
  /// hides a token.
  func predictingTokens() -> Dataset {
    guard let known = tokenizer, info.kind == .text else { return self }
    let vocabulary = known.vocabulary + (info.hasLabels ? [] : [SpecialToken.mask.rawValue])
    let tokens = DatasetInfo(
      name: info.name, kind: .text, task: .classification, examples: info.examples, inputShape: inputShape,
      classes: vocabulary, source: info.source, license: info.license)
    return Dataset(
      info: tokens, pool: pool, text: text, documents: documents,
      tokenizer: Tokenizer(known.kind, vocabulary: vocabulary))
  }

  /// Whether a model predicts something at each token of an example, rather than once for all of it.
  var predictsTokens: Bool { info.kind == .text && !info.hasLabels }

  /// How many predictions a model makes for one example.
  var predictionsEach: Int { predictsTokens ? tokensEach : 1 }

  /// How many tokens an example of text has; 1 of other sets.
  private var tokensEach: Int { info.kind == .text ? inputShape.reduce(1, *) : 1 }

  /// Examples that are evaluated together: about four thousand tokens.
  var evaluationBatch: Int { max(1, min(Programs.evaluationBatch, 4096 / tokensEach)) }

  /// How many different tokens a text has; nil for other sets.
  var vocabularySize: Int? { info.kind == .text ? tokenizer?.vocabulary.count ?? outputs : nil }
}

extension Examples {
  /// Running text: an example is the `context` tokens from its row on, its labels are the tokens one place later.
  init(tokens: TokenSequence, context: Int) {
    self.init(width: context, features: .tokens(tokens), labels: [], targets: [])
  }

  /// The tokens of running text; nil for other sets.
  var tokens: TokenSequence? {
    if case .tokens(let tokens) = features { tokens } else { nil }
  }

  /// The tokens of texts with labels, row after row; nil for other sets.
  var tokenRows: TokenSequence? {
    if case .tokenRows(let tokens) = features { tokens } else { nil }
  }
}

/// Running text is cut where it stands: the test part is the last, the validation part the last before it. Examples lie
/// side by side; a rest that is shorter than an example is left out.
struct TextSplit {
  let train: Part
  let validation: Part?
  let test: Part?

  init(_ examples: Examples, _ spec: DatasetSpec) throws(SpecError) {
    let count = examples.tokens?.count ?? 0
    let context = examples.width
    var end = count
    func take(_ size: PartSize, _ field: String) throws(SpecError) -> Part? {
      guard case .fraction(let share) = size, share > 0 else { return nil }
      let first = max(0, end - max(1, Int((share * Double(count)).rounded())))
      let part = Self.part(examples, first..<end)
      guard part.count > 0 else {
        throw SpecError(
          field,
          "makes a part of \(end - first) tokens, and an example needs \(context + 1), the context and one more"
        )
      }
      end = first
      return part
    }
    test = try take(spec.test, "dataset.test")
    validation = try take(spec.validation, "dataset.validation")
    train = Self.part(examples, 0..<end)
    guard train.count > 0 else {
      throw SpecError(
        "dataset.context", "of \(context) needs \(context + 1) tokens to train on, but there are \(end)")
    }
  }

  private static func part(_ examples: Examples, _ range: Range<Int>) -> Part {
    let windows = max(0, range.count - 1) / examples.width
    return Part(
      examples: examples, rows: (0..<windows).map { Int32(range.lowerBound + $0 * examples.width) },
      lastStart: Int32(max(range.lowerBound, range.upperBound - 1 - examples.width)))
  }
}
