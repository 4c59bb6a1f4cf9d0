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
  private let words: WordTable
  /// The same of single scalars.
  private let scalars: [Unicode.Scalar: Int32]
  private let ascii: [Int32?]

  /// The vocabulary of a text.
  public init(_ kind: TokenizerKind, text: String) {
    var found = WordTable()
    for token in Self.split(kind, text) { _ = Array(token.utf8).withUnsafeBytes { found.insert($0) } }
    self.init(kind, vocabulary: (0..<found.count).map(found.word).sorted(by: Self.precedes))
  }

  /// The vocabulary of running text. Throws where it is too large.
  init(_ kind: TokenizerKind, of text: RunningText) throws(SpecError) {
    switch kind {
    case .char:
      guard text.characters.count <= Self.limit else { throw Self.tooLarge }
      self.init(kind, vocabulary: text.characters.map { String($0.scalar) })
    case .word:
      guard case .known(let vocabulary, _) = text.words else { throw Self.tooLarge }
      self.init(kind, vocabulary: vocabulary)
    }
  }

  /// A vocabulary that is known.
  public init(_ kind: TokenizerKind, vocabulary: [String]) {
    self.kind = kind
    self.vocabulary = vocabulary
    var words = WordTable()
    for token in vocabulary { _ = Array(token.utf8).withUnsafeBytes { words.insert($0) } }
    self.words = words
    scalars = Dictionary(
      vocabulary.indices.compactMap { number in
        let token = vocabulary[number].unicodeScalars
        let only = token.count == 1 ? token.first : nil
        return only.map { ($0, Int32(number)) }
      }, uniquingKeysWith: { first, _ in first })
    ascii = (0..<128).map { [scalars] in scalars[Unicode.Scalar(UInt8($0))] }
  }

  /// The tokens of a text as numbers; nil for what is not in the vocabulary.
  public func encode(_ text: String) -> [Int32?] {
    switch kind {
    case .char: text.unicodeScalars.map { scalars[$0] }
    case .word:
      Self.split(kind, text).map { token in
        Array(token.utf8).withUnsafeBytes { words.number(of: $0) }.map { Int32($0) }
      }
    }
  }

  /// The tokens of running text, or of its first `limit` scalars. All of them are in the vocabulary, which is the whole
  /// text's, except a word that the limit has cut: it is left out.
  func tokens(of text: RunningText, limit: Int?) throws(ImportError) -> TokenSequence {
    var writer = try TokenWriter(vocabulary: vocabulary.count, folder: text.folder)
    var failure: ImportError?
    text.withBytes(limit: limit) { bytes in
      var place = 0
      var numbers: [Int32] = []
      while place < bytes.count, failure == nil {
        numbers.removeAll(keepingCapacity: true)
        place = encode(bytes, from: place, atMost: 1 << 16) { if let number = $0 { numbers.append(number) } }
        do throws(ImportError) { try writer.write(numbers) } catch { failure = error }
      }
    }
    if let failure { throw failure }
    return try writer.finish()
  }

  /// How many tokens that are.
  func count(of text: RunningText, limit: Int?) -> Int {
    guard kind == .word else { return min(limit ?? text.count, text.count) }
    if limit ?? text.count >= text.count, case .known(_, let tokens) = text.words { return tokens }
    return text.withBytes(limit: limit) { bytes in
      var count = 0
      var last: UnsafeRawBufferPointer?
      _ = Self.forEachPiece(bytes) { piece in
        (last, count) = (piece, count + 1)
        return true
      }
      return last.map { words.number(of: $0) == nil } == true ? count - 1 : count
    }
  }

  /// Gives the numbers of at most `limit` tokens of UTF-8 from byte `first` on, nil for what is not in the vocabulary, and
  /// returns the byte behind them.
  @inline(__always)
  func encode(
    _ bytes: UnsafeRawBufferPointer, from first: Int = 0, atMost limit: Int, _ body: (Int32?) -> Void
  ) -> Int {
    var left = limit
    guard kind == .char else {
      return Self.forEachPiece(bytes, from: first) {
        body(words.number(of: $0).map { Int32($0) })
        left -= 1
        return left > 0
      }
    }
    var reader = ScalarReader(bytes, from: first)
    while left > 0, let scalar = reader.next() {
      body(scalar.isASCII ? ascii[Int(scalar.value)] : scalars[scalar])
      left -= 1
    }
    return reader.place
  }

  /// The text of numbers.
  public func decode(_ tokens: [Int32]) -> String {
    tokens.reduce(into: "") { $0 += vocabulary[Int($1)] }
  }

  /// The tokens of a text.
  static func split(_ kind: TokenizerKind, _ text: String) -> [String] {
    guard kind == .word else { return text.unicodeScalars.map { String($0) } }
    var pieces: [String] = []
    Array(text.utf8).withUnsafeBytes { bytes in
      _ = forEachPiece(bytes) {
        pieces.append(String(decoding: $0, as: UTF8.self))
        return true
      }
    }
    return pieces
  }

  /// The order of a vocabulary: that of the scalars.
  static func precedes(_ a: String, _ b: String) -> Bool {
    a.unicodeScalars.lexicographicallyPrecedes(b.unicodeScalars)
  }

  /// The tokens of UTF-8, words, from byte `first` on, which is where one begins: runs of letters, runs of digits, and every
  /// other scalar by itself; one space before goes with what follows it. Ends where `body` gives false, and returns the
  /// byte behind the last one.
  static func forEachPiece(
    _ bytes: UnsafeRawBufferPointer, from first: Int = 0, _ body: (UnsafeRawBufferPointer) -> Bool
  ) -> Int {
    let space = Unicode.Scalar(32 as UInt8)
    var reader = ScalarReader(bytes, from: first)
    var (first, kind, isOneSpace) = (first, Kind.other, false)
    while true {
      let start = reader.place
      guard let scalar = reader.next() else { break }
      let next = Kind(scalar)
      let joins = next == kind && next != .other || isOneSpace && scalar != space
      if !joins {
        if first < start, !body(UnsafeRawBufferPointer(rebasing: bytes[first..<start])) { return start }
        first = start
      }
      isOneSpace = first == start && scalar == space
      kind = next
    }
    if first < reader.place { _ = body(UnsafeRawBufferPointer(rebasing: bytes[first..<reader.place])) }
    return reader.place
  }

  private enum Kind {
    case letter, digit, other

    init(_ scalar: Unicode.Scalar) {
      switch scalar.value {
      case 65...90, 97...122, 39: self = .letter
      case 48...57: self = .digit
      case ..<128: self = .other
      default: self.init(beyondASCII: scalar)
      }
    }

    private init(beyondASCII scalar: Unicode.Scalar) {
      switch scalar.properties.generalCategory {
      case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter,
        .nonspacingMark, .spacingMark:
        self = .letter
      case .decimalNumber: self = .digit
      default: self = scalar == "\u{2019}" ? .letter : .other
      }
    }
  }
}
