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
  private let numbers: [ExactText: Int32]
  /// The same of single scalars.
  private let scalars: [Unicode.Scalar: Int32]
  private let ascii: [Int32?]

  /// The vocabulary of a text.
  public init(_ kind: TokenizerKind, text: String) {
    let found = Set(Self.split(kind, text).map(ExactText.init))
    self.init(kind, vocabulary: found.map(\.text).sorted(by: Self.precedes))
  }

  /// The vocabulary of running text. Throws where it is too large.
  init(_ kind: TokenizerKind, of text: RunningText) throws(SpecError) {
    var found: Set<ExactText> = []
    switch kind {
    case .char: found.formUnion(text.characters.map { ExactText(String($0.scalar)) })
    case .word:
      text.withBytes { bytes in
        _ = Self.forEachPiece(bytes) { piece in
          found.insert(ExactText(String(decoding: piece, as: UTF8.self)))
          return found.count <= Self.limit
        }
      }
    }
    guard found.count <= Self.limit else { throw Self.tooLarge }
    self.init(kind, vocabulary: found.map(\.text).sorted(by: Self.precedes))
  }

  /// A vocabulary that is known.
  public init(_ kind: TokenizerKind, vocabulary: [String]) {
    self.kind = kind
    self.vocabulary = vocabulary
    let numbered = Array(zip(vocabulary, 0..<Int32(vocabulary.count)))
    numbers = Dictionary(
      numbered.map { (ExactText($0), $1) }, uniquingKeysWith: { first, _ in first })
    scalars = Dictionary(
      numbered.compactMap { token, number in
        let only = token.unicodeScalars.count == 1 ? token.unicodeScalars.first : nil
        return only.map { ($0, number) }
      }, uniquingKeysWith: { first, _ in first })
    ascii = (0..<128).map { [scalars] in scalars[Unicode.Scalar(UInt8($0))] }
  }

  /// The tokens of a text as numbers; nil for what is not in the vocabulary.
  public func encode(_ text: String) -> [Int32?] {
    switch kind {
    case .char: text.unicodeScalars.map { scalars[$0] }
    case .word: Self.split(kind, text).map { numbers[ExactText($0)] }
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

  /// Gives the numbers of at most `limit` tokens of UTF-8 from byte `first` on, nil for what is not in the vocabulary, and
  /// returns the byte behind them.
  @inline(__always)
  func encode(
    _ bytes: UnsafeRawBufferPointer, from first: Int = 0, atMost limit: Int, _ body: (Int32?) -> Void
  ) -> Int {
    var left = limit
    guard kind == .char else {
      return Self.forEachPiece(bytes, from: first) {
        body(numbers[ExactText(String(decoding: $0, as: UTF8.self))])
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

/// A text that equals only what is written with the same scalars; a string equals also what looks the same.
struct ExactText: Hashable {
  let text: String

  init(_ text: String) { self.text = text }

  static func == (a: ExactText, b: ExactText) -> Bool {
    a.text.utf8.count == b.text.utf8.count && a.text.utf8.elementsEqual(b.text.utf8)
  }

  func hash(into hasher: inout Hasher) {
    var text = text
    text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
  }
}
