// Running text where it lies: UTF-8 in a file or in memory, gone through scalar by scalar. Nothing of its length is copied.

import Glibc
import Synchronization

/// Goes through bytes as UTF-8 (RFC 3629): shortest forms only, no surrogates.
struct ScalarReader {
  let bytes: UnsafeRawBufferPointer
  /// The byte that is read next.
  private(set) var place: Int

  init(_ bytes: UnsafeRawBufferPointer, from place: Int = 0) { (self.bytes, self.place) = (bytes, place) }

  /// The next scalar; nil at the end, and before what is not UTF-8, where `place` stays.
  @inline(__always)
  mutating func next() -> Unicode.Scalar? {
    guard place < bytes.count else { return nil }
    let first = bytes[place]
    guard first >= 0x80 else {
      place += 1
      return Unicode.Scalar(first)
    }
    return longer(first)
  }

  private mutating func longer(_ first: UInt8) -> Unicode.Scalar? {
    let (count, least): (Int, UInt32) =
      switch first {
      case 0xC2...0xDF: (2, 0x80)
      case 0xE0...0xEF: (3, 0x800)
      case 0xF0...0xF4: (4, 0x10000)
      default: (0, 0)
      }
    guard count > 0, place + count <= bytes.count else { return nil }
    var value = UInt32(first) & (0x7F >> UInt32(count))
    for offset in 1..<count {
      let byte = bytes[place + offset]
      guard byte & 0xC0 == 0x80 else { return nil }
      value = value << 6 | UInt32(byte & 0x3F)
    }
    guard value >= least, let scalar = Unicode.Scalar(value) else { return nil }
    place += count
    return scalar
  }
}

/// A text and what one reading of it tells.
final class RunningText: Sendable {
  private enum Place: Sendable {
    case memory([UInt8])
    case file(MappedFile, Range<Int>, folder: String)
  }

  private let place: Place
  private let facts: TextFacts
  /// Scalars from one mark to the next.
  static let stride = 1 << 16
  private let newest = NewestReading()
  private let foundWords = Mutex<TextWords?>(nil)

  /// How many scalars it has.
  var count: Int { facts.count }
  /// Which scalars it has, in their order, and how often.
  var characters: [(scalar: Unicode.Scalar, count: Int)] { facts.characters }

  /// A text in memory.
  init(_ text: String) {
    let bytes = Array(text.utf8)
    place = .memory(bytes)
    facts = TextFacts(bytes.withUnsafeBytes { TextSurvey($0, stride: Self.stride) })
  }

  /// A text that is part of a file, with what is known of it or gone through for that; nil where it is not UTF-8. Its
  /// tokens lie in files of `folder`.
  init?(_ file: MappedFile, _ range: Range<Int>, folder: String, facts: TextFacts? = nil) {
    place = .file(file, range, folder: folder)
    if let facts {
      self.facts = facts
    } else {
      let survey = TextSurvey(UnsafeRawBufferPointer(rebasing: file.bytes[range]), stride: Self.stride)
      guard survey.end == range.count else { return nil }
      self.facts = TextFacts(survey)
    }
  }

  /// Its words, gone through for the first who asks where nothing is known of them.
  var words: TextWords {
    facts.words
      ?? foundWords.withLock { found in
        let words = found ?? withBytes { TextWords($0) }
        found = words
        return words
      }
  }

  /// Where files of its tokens belong; nil where they are kept in memory.
  var folder: String? {
    if case .file(_, _, let folder) = place { folder } else { nil }
  }

  /// Gives its UTF-8 up to scalar `limit` to `body`.
  func withBytes<R>(limit: Int? = nil, _ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
    func cut(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
      guard let limit, limit < count else { return bytes }
      return UnsafeRawBufferPointer(rebasing: bytes[..<byte(ofScalar: limit, bytes)])
    }
    switch place {
    case .memory(let bytes): return try bytes.withUnsafeBytes { try body(cut($0)) }
    case .file(let file, let range, _):
      return try withExtendedLifetime(file) {
        try body(cut(UnsafeRawBufferPointer(rebasing: file.bytes[range])))
      }
    }
  }

  /// The text of some scalars.
  func excerpt(_ range: Range<Int>) -> String {
    withBytes { bytes in
      let (first, end) = (byte(ofScalar: range.lowerBound, bytes), byte(ofScalar: range.upperBound, bytes))
      return String(decoding: bytes[first..<end], as: UTF8.self)
    }
  }

  private func byte(ofScalar index: Int, _ bytes: UnsafeRawBufferPointer) -> Int {
    guard index < count else { return bytes.count }
    var reader = ScalarReader(bytes, from: facts.marks[index / Self.stride])
    for _ in 0..<index % Self.stride { _ = reader.next() }
    return reader.place
  }

  /// What `reading` gives, but of the tokens only how many there are.
  func outline(_ kind: TokenizerKind, limit: Int?) throws(SpecError) -> TextReading {
    let tokenizer = try Tokenizer(kind, of: self)
    return TextReading(
      tokenizer: tokenizer, tokens: TokenSequence(unread: tokenizer.count(of: self, limit: limit)))
  }

  /// The tokens of its first `limit` scalars, over the vocabulary of all of it.
  func reading(_ kind: TokenizerKind, limit: Int?) throws(SpecError) -> TextReading {
    try newest.reading("\(kind) \(limit ?? -1)") { () throws(SpecError) in
      let tokenizer = try Tokenizer(kind, of: self)
      do throws(ImportError) {
        return TextReading(tokenizer: tokenizer, tokens: try tokenizer.tokens(of: self, limit: limit))
      } catch {
        throw Dataset.unwritable(error)
      }
    }
  }
}

/// The tokens that a text was made of.
struct TextReading: Sendable {
  let tokenizer: Tokenizer
  let tokens: TokenSequence
}

/// What a text was read as last: a job is checked and run one after the other over the same tokens.
final class NewestReading: Sendable {
  private let newest = Mutex<(key: String, reading: TextReading)?>(nil)

  /// The reading of that name, made where it is not the newest. One that only counts tokens is not kept: it would take
  /// the place of those that a job is about to run over.
  func reading(
    _ key: String, reads: Bool = true, _ make: () throws(SpecError) -> TextReading
  ) throws(SpecError) -> TextReading {
    if let known = newest.withLock({ $0 }), known.key == key { return known.reading }
    let reading = try make()
    if reads { newest.withLock { $0 = (key, reading) } }
    return reading
  }
}

/// One reading of a text.
struct TextSurvey {
  private(set) var count = 0
  private(set) var characters: [(scalar: Unicode.Scalar, count: Int)] = []
  private(set) var marks: [Int] = []
  /// The end of the text, or the first byte that is not UTF-8.
  let end: Int

  init(_ bytes: UnsafeRawBufferPointer, stride: Int) {
    var counts = [Int](repeating: 0, count: 0x110000)
    var reader = ScalarReader(bytes)
    var (count, marks) = (0, [Int]())
    counts.withUnsafeMutableBufferPointer { counts in
      while true {
        if count % stride == 0 { marks.append(reader.place) }
        guard let scalar = reader.next() else { break }
        counts[Int(scalar.value)] += 1
        count += 1
      }
    }
    for (value, count) in counts.enumerated() where count > 0 {
      if let scalar = Unicode.Scalar(UInt32(value)) { characters.append((scalar, count)) }
    }
    (self.count, self.marks, end) = (count, marks, reader.place)
  }
}
