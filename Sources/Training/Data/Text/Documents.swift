// Texts that each have a label. The data set holds the texts, and a job's `context` and `tokenizer` make examples of
// them: the first `context` tokens of a text, and behind a shorter one padding. What is predicted is the label, or with
// the loss `masked_lm` the tokens themselves.

/// Texts with labels as they lie in a file, read when they are needed.
public struct Documents: Sendable {
  private let file: MappedFile
  private let first: Int
  private let ends: [Int]

  /// Texts one after the other from byte `first` of a file on, each up to its end, counted from there.
  init(file: MappedFile, first: Int, ends: [Int]) {
    (self.file, self.first, self.ends) = (file, first, ends)
  }

  /// How many texts there are.
  public var count: Int { ends.count }

  /// The UTF-8 of a text.
  func bytes(_ index: Int) -> UnsafeRawBufferPointer {
    let start = index == 0 ? 0 : ends[index - 1]
    return UnsafeRawBufferPointer(rebasing: file.bytes[first + start..<first + ends[index]])
  }

  /// A text.
  public subscript(index: Int) -> String { String(decoding: bytes(index), as: UTF8.self) }
}

/// Tokens that stand for no text, at the end of a vocabulary (Devlin et al. 2019).
public enum SpecialToken: String, CaseIterable, Sendable {
  /// Behind a text that is shorter than the context.
  case padding = "[PAD]"
  /// For what the vocabulary does not have.
  case unknown = "[UNK]"
  /// In place of a token that is to be predicted.
  case mask = "[MASK]"
}

extension Dataset {
  /// A set of texts with labels.
  static func documents(_ info: DatasetInfo, _ documents: Documents, labels: [Int32], missing: Int) -> Dataset
  {
    Dataset(
      info: info, missing: missing, pool: Examples(width: 0, features: .bytes([]), labels: labels), text: nil,
      documents: documents)
  }

  /// The texts as tokens, a row of `context` for each.
  func tokenizedDocuments(_ spec: TextSpec, _ documents: Documents) throws(SpecError) -> Dataset {
    let words = Self.words(spec, documents)
    let tokenizer = Tokenizer(spec.tokenizer, vocabulary: words + SpecialToken.allCases.map(\.rawValue))
    guard tokenizer.vocabulary.count <= Tokenizer.limit else { throw Tokenizer.tooLarge(tokenizer) }
    var features = [Float]()
    features.reserveCapacity(documents.count * spec.context)
    for index in 0..<documents.count {
      features += tokenizer.row(documents[index], context: spec.context).map { Float($0) }
    }
    let tokens = DatasetInfo(
      name: info.name, kind: .text, task: .classification, examples: info.examples,
      inputShape: [spec.context],
      classes: info.classes, hasLabels: true, source: info.source, license: info.license)
    return Dataset(
      info: tokens, pool: Examples(width: spec.context, features: .floats(features), labels: pool.labels),
      text: nil, documents: documents, tokenizer: tokenizer)
  }

  /// The tokens that texts are made of, in the order of their scalars: of words those that occur more than once, as one
  /// that does not is learned from once and then never seen.
  private static func words(_ spec: TextSpec, _ documents: Documents) -> [String] {
    let kind = spec.tokenizer
    var counts: [String: Int] = [:]
    for index in 0..<documents.count {
      for token in Tokenizer.split(kind, documents[index]) { counts[token, default: 0] += 1 }
    }
    let least = kind == .word ? 2 : 1
    func precedes(_ a: String, _ b: String) -> Bool {
      a.unicodeScalars.lexicographicallyPrecedes(b.unicodeScalars)
    }
    let known = counts.filter { $0.value >= least }.sorted {
      $0.value != $1.value ? $0.value > $1.value : precedes($0.key, $1.key)
    }
    return known.prefix(spec.vocabulary ?? known.count).map(\.key).sorted(by: precedes)
  }
}

extension Tokenizer {
  /// Tokens there may be.
  static let limit = 65_536

  static func tooLarge(_ tokenizer: Tokenizer) -> SpecError {
    SpecError(
      "dataset.tokenizer",
      "makes a vocabulary of \(tokenizer.vocabulary.count) tokens; there may be \(limit) of them")
  }

  /// The number of a token that stands for no text; nil in a vocabulary without it.
  func number(_ token: SpecialToken) -> Int32? {
    vocabulary.suffix(SpecialToken.allCases.count).contains(token.rawValue)
      ? vocabulary.lastIndex(of: token.rawValue).map { Int32($0) } : nil
  }

  /// How many tokens stand for text.
  var ordinaryCount: Int {
    vocabulary.count - SpecialToken.allCases.count { number($0) != nil }
  }

  /// The first `context` tokens of a text, with padding behind a shorter one. A text without tokens is one that is unknown.
  func row(_ text: String, context: Int) -> [Int32] {
    let unknown = number(.unknown) ?? 0
    var row = encode(text).prefix(context).map { $0 ?? unknown }
    if row.isEmpty { row = [unknown] }
    return row + [Int32](repeating: number(.padding) ?? 0, count: context - row.count)
  }
}
