// Running text as numbers.

/// What a token of running text is.
public enum TokenizerKind: String, CaseIterable, Sendable {
  /// A Unicode scalar.
  case char
  /// A word, a number or a sign, each with the space before it.
  case word
}

/// A vocabulary, and text as its numbers. Every text over the vocabulary is given back exactly.
public struct Tokenizer: Sendable {
  /// What a token is.
  public let kind: TokenizerKind
  /// All tokens, in the order of their scalars; a token's number is its place.
  public let vocabulary: [String]
  private let numbers: [String: Int32]

  /// The vocabulary of a text.
  public init(_ kind: TokenizerKind, text: String) {
    self.init(kind, vocabulary: Self.distinct(kind, text))
  }

  /// A vocabulary that is known.
  public init(_ kind: TokenizerKind, vocabulary: [String]) {
    self.kind = kind
    self.vocabulary = vocabulary
    numbers = Dictionary(
      zip(vocabulary, 0..<Int32(vocabulary.count)), uniquingKeysWith: { first, _ in first })
  }

  /// The tokens of a text as numbers; nil for what is not in the vocabulary.
  public func encode(_ text: String) -> [Int32?] {
    switch kind {
    case .char:
      var known: [Unicode.Scalar: Int32] = [:]
      for (number, token) in vocabulary.enumerated() {
        if let scalar = token.unicodeScalars.first { known[scalar] = Int32(number) }
      }
      return text.unicodeScalars.map { known[$0] }
    case .word: return Self.pieces(text).map { numbers[$0] }
    }
  }

  /// The text of numbers.
  public func decode(_ tokens: [Int32]) -> String {
    tokens.reduce(into: "") { $0 += vocabulary[Int($1)] }
  }

  /// The tokens of a text.
  static func split(_ kind: TokenizerKind, _ text: String) -> [String] {
    kind == .char ? text.unicodeScalars.map { String($0) } : pieces(text)
  }

  private static func distinct(_ kind: TokenizerKind, _ text: String) -> [String] {
    switch kind {
    case .char: Set(text.unicodeScalars).sorted { $0.value < $1.value }.map { String($0) }
    case .word:
      Set(pieces(text)).sorted { $0.unicodeScalars.lexicographicallyPrecedes($1.unicodeScalars) }
    }
  }

  /// Runs of letters, runs of digits, and every other scalar by itself; one space before goes with what follows it.
  private static func pieces(_ text: String) -> [String] {
    var pieces: [String] = []
    var piece = String.UnicodeScalarView()
    var kind = Kind.other
    for scalar in text.unicodeScalars {
      let next = Kind(scalar)
      let joins = next == kind && next != .other || piece.elementsEqual([" "]) && scalar != " "
      if !joins, !piece.isEmpty {
        pieces.append(String(piece))
        piece = String.UnicodeScalarView()
      }
      piece.append(scalar)
      kind = next
    }
    if !piece.isEmpty { pieces.append(String(piece)) }
    return pieces
  }

  private enum Kind {
    case letter, digit, other

    init(_ scalar: Unicode.Scalar) {
      switch scalar.properties.generalCategory {
      case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter,
        .nonspacingMark, .spacingMark:
        self = .letter
      case .decimalNumber: self = .digit
      default: self = scalar == "'" || scalar == "\u{2019}" ? .letter : .other
      }
    }
  }
}
