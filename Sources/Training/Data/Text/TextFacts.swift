// What is known of running text without going through it: found once when it is brought, and kept behind it in its file.

import JSON

/// The words of a text.
enum TextWords: Sendable, Equatable {
  /// All that occur, in the order of their scalars, and how many tokens the text is.
  case known(vocabulary: [String], tokens: Int)
  /// More than a vocabulary may have.
  case tooMany

  /// Goes through a text.
  init(_ bytes: UnsafeRawBufferPointer) {
    var table = WordTable()
    var tokens = 0
    _ = Tokenizer.forEachPiece(bytes) { piece in
      tokens += 1
      return table.insert(piece) < Tokenizer.limit
    }
    guard table.count <= Tokenizer.limit else {
      self = .tooMany
      return
    }
    let words = (0..<table.count).map(table.word)
    self = .known(vocabulary: words.sorted(by: Tokenizer.precedes), tokens: tokens)
  }
}

/// What one reading of a text tells.
struct TextFacts: Sendable {
  /// How many scalars it has.
  let count: Int
  /// Which scalars it has, in their order, and how often.
  let characters: [(scalar: Unicode.Scalar, count: Int)]
  /// The byte where each `RunningText.stride`-th scalar begins.
  let marks: [Int]
  /// Nil where nobody has looked.
  var words: TextWords?

  init(_ survey: TextSurvey, words: TextWords? = nil) {
    (count, characters, marks) = (survey.count, survey.characters, survey.marks)
    self.words = words
  }

  /// As it is stored.
  var encoded: JSON {
    var object: JSONObject = [
      "count": JSON(count),
      "characters": .array(characters.map { [JSON(Int($0.scalar.value)), JSON($0.count)] }),
      "marks": .array(marks.map { JSON($0) }),
    ]
    if case .known(let vocabulary, let tokens) = words {
      object["words"] = .array(vocabulary.map(JSON.string))
      object["tokens"] = JSON(tokens)
    }
    return .object(object)
  }

  /// Facts about `bytes` bytes of text as they were stored; nil where they cannot be.
  init?(_ json: JSON, bytes: Int) {
    guard let count = json["count"]?.intValue, let marks = json["marks"]?.arrayValue?.compactMap(\.intValue),
      marks.count == count / RunningText.stride + 1, marks.allSatisfy({ (0...bytes).contains($0) }),
      let characters = json["characters"]?.arrayValue
    else { return nil }
    self.characters = characters.compactMap { pair in
      guard let pair = pair.arrayValue, pair.count == 2, let value = pair[0].intValue,
        let count = pair[1].intValue,
        let scalar = UInt32(exactly: value).flatMap(Unicode.Scalar.init)
      else { return nil }
      return (scalar, count)
    }
    guard self.characters.reduce(0, { $0 + $1.count }) == count else { return nil }
    (self.count, self.marks, words) = (count, marks, .tooMany)
    guard let vocabulary = json["words"]?.arrayValue?.compactMap(\.stringValue) else { return }
    guard let tokens = json["tokens"]?.intValue, vocabulary.count <= Tokenizer.limit else { return nil }
    words = .known(vocabulary: vocabulary, tokens: tokens)
  }
}
