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

  /// What a job is checked with, from the facts of a file or without them, is what its reading will be.
  @Test(arguments: TokenizerKind.allCases) func outlinesAreTheReadings(_ kind: TokenizerKind) throws {
    let memory = RunningText(Self.long)
    for limit in [nil, 1_000_000, 100_003, 100_004, 100_005, 65_536, 7, 2] as [Int?] {
      let wanted = try memory.reading(kind, limit: limit)
      let outline = try RunningText(Self.long).outline(kind, limit: limit)
      #expect(outline.tokenizer.vocabulary == wanted.tokenizer.vocabulary)
      #expect(outline.tokens.count == wanted.tokens.count && !outline.tokens.isRead && wanted.tokens.isRead)
      try inFile(Self.long) { file in
        let outline = try file.outline(kind, limit: limit)
        #expect(outline.tokens.count == wanted.tokens.count)
        #expect(outline.tokenizer.vocabulary == wanted.tokenizer.vocabulary)
      }
    }
  }

  /// What is stored behind a text is what going through it tells, for texts of an older form too.
  @Test func factsAreKept() throws {
    let folder = try TemporaryLibrary()
    for (name, text) in [
      ("long", Self.long), ("quotes", "\"a\u{0} \\b\u{FEFF}\" \u{7F}\n\u{1F5FF}\u{2028} \u{E9}e\u{301}"),
    ] {
      _ = try folder.add(name, .text, text)
      let kept = try #require(try folder.library.load(name).text)
      var old = try FileWriter("\(folder.path)/old-\(name).dataset")
      try old.write(Array("CAIRNTX1".utf8) + Array(text.utf8))
      try old.finish()
      for other in [RunningText(text), try #require(try folder.library.load("old-\(name)").text)] {
        #expect(kept.count == other.count && kept.words == other.words)
        #expect(kept.characters.elementsEqual(other.characters) { $0 == $1 })
        #expect(
          kept.excerpt(max(0, kept.count - 9)..<kept.count)
            == other.excerpt(max(0, kept.count - 9)..<kept.count))
      }
    }
    let path = "\(folder.path)/long.dataset"
    let mapped = try #require(MappedFile(path))
    let whole = withExtendedLifetime(mapped) { Array(mapped.bytes) }
    for (name, bytes) in [
      ("cut", whole.dropLast(3)), ("changed", whole.dropLast(1) + [0x5D]), ("short", whole.prefix(12)),
    ] {
      var file = try FileWriter("\(folder.path)/\(name).dataset")
      try file.write(Array(bytes))
      try file.finish()
      #expect(throws: DatasetError.self) { try folder.library.load(name) }
    }
  }

  /// More words than a vocabulary may have are told of at once, and are no fault of a model of characters.
  @Test func tooManyWords() throws {
    let text = (0...Tokenizer.limit).map { "w\($0)" }.joined(separator: "\n")
    for text in [text, String(text.dropLast(7)), String(text.dropLast(14))] {
      try inFile(text) { file in
        for running in [file, RunningText(text)] {
          // Beside the numbers there are a letter and the end of a line.
          #expect(running.words == .tooMany)
          #expect(throws: Tokenizer.tooLarge) { try running.outline(.word, limit: nil) }
          #expect(throws: Tokenizer.tooLarge) { try running.reading(.word, limit: 9) }
          let characters = try running.outline(.char, limit: nil)
          #expect(characters.tokens.count == text.utf8.count)
        }
      }
    }
    let fits = (0..<Tokenizer.limit - 2).map { "w\($0)" }.joined(separator: "\n")
    #expect(try RunningText(fits).outline(.word, limit: nil).tokenizer.vocabulary.count == Tokenizer.limit)
  }

  /// A plan that was only checked cannot run by mistake: it has no tokens.
  @Test func aCheckedPlanDoesNotRun() throws {
    let job: JSON = [
      "dataset": ["name": "verse", "context": 8],
      "model": ["preset": "transformer_lm", "layers": 1, "dim": 8, "heads": 1],
      "optimizer": ["type": "sgd"], "train": ["steps": 1],
    ]
    let spec = try JobSpec.decode(job, catalog: verse)
    let checked = try JobPlan.make(spec, catalog: verse, forRunning: false)
    let whole = try JobPlan.make(spec, catalog: verse)
    #expect(checked.memoryBytes == whole.memoryBytes && checked.stepsPerEpoch == whole.stepsPerEpoch)
    #expect(checked.split.train.rows == whole.split.train.rows && checked.layers == whole.layers)
    #expect(throws: TrainingError.self) {
      try Trainer(plan: checked).run(recorder: MemoryRecorder(), control: RunControl())
    }
  }

  @Test func wordsAreFoundByTheirBytes() throws {
    var table = WordTable()
    var wanted: [[UInt8]: Int] = [:]
    var state: UInt64 = 7
    for _ in 0..<50_000 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let word = withUnsafeBytes(of: state >> 33 & 0x3FFF) { Array($0.prefix(Int(state >> 60) % 9)) }
      let number = word.withUnsafeBytes { table.insert($0) }
      #expect(number == wanted[word] ?? wanted.count)
      wanted[word] = number
    }
    #expect(table.count == wanted.count && wanted.count > 10_000)
    for (word, number) in wanted { #expect(word.withUnsafeBytes { table.number(of: $0) } == number) }
    #expect(Array("nobody".utf8).withUnsafeBytes { table.number(of: $0) } == nil)
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
