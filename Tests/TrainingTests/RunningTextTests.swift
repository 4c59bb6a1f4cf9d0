// Texts that stay in their file: the same tokens as of a text in memory, and what is no text.

import Glibc
import JSON
import Testing

@testable import Training

@Suite struct RunningTextTests {
  /// Longer than the distance of two marks, with scalars of 1 to 4 bytes.
  static let long = String(
    repeating: "Steine \u{E9}t\u{E9}, 42 \u{4E09}\u{1F5FF} one--two\n", count: 6000)

  private func inFile<R>(_ text: String, _ body: (RunningText) throws -> R) throws -> R {
    let folder = try TemporaryLibrary()
    _ = try folder.add("text", .text, text)
    let found = try #require(try folder.library.load("text").text)
    let result = try body(found)
    #expect(DatasetLibrary.entries(folder.path).count == 3, "the tokens' file has no name")
    return result
  }

  @Test(arguments: TokenizerKind.allCases) func fileAndMemoryAreTheSame(_ kind: TokenizerKind) throws {
    let memory = RunningText(Self.long)
    for limit in [nil, 100_003, 70_000, 65_536, 7] as [Int?] {
      let wanted = try memory.reading(kind, limit: limit)
      try inFile(Self.long) { file in
        let found = try file.reading(kind, limit: limit)
        #expect(found.tokenizer.vocabulary == wanted.tokenizer.vocabulary)
        #expect(found.tokens.count == wanted.tokens.count)
        #expect((0..<found.tokens.count).allSatisfy { found.tokens[$0] == wanted.tokens[$0] })
        let again = try file.reading(kind, limit: limit)
        #expect(again.tokens.count == found.tokens.count)
      }
      // Word by word as the whole string is split.
      let cut =
        limit.map { String(String.UnicodeScalarView(Self.long.unicodeScalars.prefix($0))) } ?? Self.long
      let plain = Tokenizer(kind, text: Self.long).encode(cut).compactMap { $0 }
      #expect((0..<wanted.tokens.count).map { wanted.tokens[$0] } == plain)
      #expect(wanted.tokenizer.decode(plain).count <= cut.count)
    }
  }

  @Test func excerptsAreFoundByTheirScalars() throws {
    let scalars = Array(Self.long.unicodeScalars)
    try inFile(Self.long) { text in
      #expect(text.count == scalars.count)
      for range in [0..<5, 65_530..<65_540, 131_072..<131_090, scalars.count - 3..<scalars.count] {
        let wanted = String(String.UnicodeScalarView(scalars[range]))
        #expect(text.excerpt(range).unicodeScalars.elementsEqual(wanted.unicodeScalars))
      }
      let counts = Dictionary(grouping: scalars, by: { $0 }).mapValues(\.count)
      #expect(
        text.characters.allSatisfy { counts[$0.scalar] == $0.count } && counts.count == text.characters.count)
    }
  }

  /// More than 256 tokens have two bytes each.
  @Test func largeVocabulariesAreKept() throws {
    let text = String(
      String.UnicodeScalarView((0..<1200).compactMap { Unicode.Scalar(0x4E00 + $0 * 7 % 600) }))
    try inFile(text) { file in
      let reading = try file.reading(.char, limit: nil)
      #expect(reading.tokenizer.vocabulary.count == 600)
      let numbers = (0..<reading.tokens.count).map { reading.tokens[$0] }
      #expect(reading.tokenizer.decode(numbers) == text && numbers.contains { $0 > 255 })
    }
  }

  /// Texts that look the same but are written with other scalars are others, or they would not be given back exactly.
  @Test func whatLooksTheSameStaysApart() throws {
    let text = "\u{E9}t\u{E9} e\u{301}te\u{301} \u{212B} \u{C5}"
    for kind in TokenizerKind.allCases {
      let tokenizer = Tokenizer(kind, text: text)
      let reading = try RunningText(text).reading(kind, limit: nil)
      #expect(
        reading.tokenizer.vocabulary.map { Array($0.utf8) } == tokenizer.vocabulary.map { Array($0.utf8) })
      let back = tokenizer.decode((0..<reading.tokens.count).map { reading.tokens[$0] })
      #expect(Array(back.utf8) == Array(text.utf8))
    }
  }

  /// The standard's own list of what is not UTF-8, each behind good text; the place is that of the first bad byte.
  @Test(
    arguments: [
      [0x80], [0xBF], [0xC0, 0xAF], [0xC1, 0xBF], [0xE0, 0x80, 0xAF], [0xE0, 0x9F, 0xBF], [0xED, 0xA0, 0x80],
      [0xED, 0xBF, 0xBF], [0xF0, 0x80, 0x80, 0xAF], [0xF0, 0x8F, 0xBF, 0xBF], [0xF4, 0x90, 0x80, 0x80],
      [0xF5, 0x80, 0x80, 0x80], [0xFE], [0xFF], [0xC3], [0xC3, 0x28], [0xE4, 0xB8], [0xE4, 0xB8, 0x28],
      [0xF0, 0x9F, 0x97], [0xF0, 0x28, 0x8C, 0xBC],
    ] as [[UInt8]])
  func badBytesAreFound(_ bad: [UInt8]) {
    let bytes = Array("a\u{E9}\u{4E09}\u{1F5FF}".utf8) + bad
    let survey = bytes.withUnsafeBytes { TextSurvey($0, stride: 64) }
    #expect(survey.end == 10 && survey.count == 4)
    #expect(String(validating: bytes, as: UTF8.self) == nil)
  }
}
