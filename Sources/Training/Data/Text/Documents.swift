// Texts that each have a label. The data set holds the texts, and a job's `context` and `tokenizer` make examples of
// them: the first `context` tokens of a text, and behind a shorter one padding. What is predicted is the label, or with
// the loss `masked_lm` the tokens themselves.

import JSON
import Synchronization

/// The tokens of texts by what a token is.
private final class NewestWords: Sendable {
  private let known = Mutex<[TokenizerKind: [String]]>([:])

  func vocabulary(_ kind: TokenizerKind, _ make: () -> [String]) -> [String] {
    known.withLock { known in
      let found = known[kind] ?? make()
      known[kind] = found
      return found
    }
  }
}

/// Texts with labels as they lie in a file, read when they are needed.
public struct Documents: Sendable {
  private let file: MappedFile
  private let first: Int
  /// Where the ends of the texts begin, 8 bytes each.
  private let ends: Int
  /// How many texts there are.
  public let count: Int
  /// Where files of their tokens belong.
  let folder: String
  let newest = NewestReading()
  private let words = NewestWords()

  /// Texts one after the other from byte `first` of a file on, each up to its end, counted from there; the ends lie from byte
  /// `ends` on.
  init(file: MappedFile, first: Int, ends: Int, count: Int, folder: String) {
    (self.file, self.first, self.ends, self.count, self.folder) = (file, first, ends, count, folder)
  }

  private func end(_ index: Int) -> Int {
    Int(file.bytes.loadUnaligned(fromByteOffset: ends + 8 * index, as: Int64.self))
  }

  /// The UTF-8 of a text.
  func bytes(_ index: Int) -> UnsafeRawBufferPointer {
    let start = index == 0 ? 0 : end(index - 1)
    return UnsafeRawBufferPointer(rebasing: file.bytes[first + start..<first + end(index)])
  }

  /// How many scalars a text has.
  func characters(_ index: Int) -> Int { bytes(index).count { $0 & 0xC0 != 0x80 } }

  /// The tokens that texts are made of, the most frequent first; of words those that occur more than once, as one that
  /// does not is learned from once and then never seen. Gone through for the first who asks.
  func vocabulary(_ kind: TokenizerKind) -> [String] {
    words.vocabulary(kind) {
      var table = WordTable()
      var counts: [Int] = []
      func add(_ token: UnsafeRawBufferPointer) {
        let number = table.insert(token)
        if number < counts.count { counts[number] += 1 } else { counts.append(1) }
      }
      for index in 0..<count {
        let bytes = bytes(index)
        guard kind == .word else {
          var reader = ScalarReader(bytes)
          var start = 0
          while reader.next() != nil {
            add(UnsafeRawBufferPointer(rebasing: bytes[start..<reader.place]))
            start = reader.place
          }
          continue
        }
        _ = Tokenizer.forEachPiece(bytes) {
          add($0)
          return true
        }
      }
      let least = kind == .word ? 2 : 1
      let known = counts.indices.filter { counts[$0] >= least }.map {
        (word: table.word($0), count: counts[$0])
      }
      return known.sorted {
        $0.count != $1.count ? $0.count > $1.count : Tokenizer.precedes($0.word, $1.word)
      }.map(\.word)
    }
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

  /// The texts as tokens, a row of `context` for each; without `reads` the tokens are only counted.
  func tokenizedDocuments(_ spec: TextSpec, _ documents: Documents, reads: Bool) throws(SpecError) -> Dataset
  {
    let key = JSON.object(spec.encoded).text
    let reading = try documents.newest.reading(key, reads: reads) { () throws(SpecError) in
      let known = documents.vocabulary(spec.tokenizer)
      let words = known.prefix(spec.vocabulary ?? known.count).sorted(by: Tokenizer.precedes)
      guard words.count + SpecialToken.allCases.count <= Tokenizer.limit else { throw Tokenizer.tooLarge }
      let tokenizer = Tokenizer(spec.tokenizer, vocabulary: words + SpecialToken.allCases.map(\.rawValue))
      guard reads else {
        return TextReading(
          tokenizer: tokenizer, tokens: TokenSequence(unread: documents.count * spec.context))
      }
      do throws(ImportError) {
        var writer = try TokenWriter(vocabulary: tokenizer.vocabulary.count, folder: documents.folder)
        for index in 0..<documents.count {
          try writer.write(tokenizer.row(documents.bytes(index), context: spec.context))
        }
        return TextReading(tokenizer: tokenizer, tokens: try writer.finish())
      } catch {
        throw Self.unwritable(error)
      }
    }
    let tokens = DatasetInfo(
      name: info.name, kind: .text, task: .classification, examples: info.examples,
      inputShape: [spec.context],
      classes: info.classes, hasLabels: true, source: info.source, license: info.license)
    return Dataset(
      info: tokens,
      pool: Examples(width: spec.context, features: .tokenRows(reading.tokens), labels: pool.labels),
      text: nil, documents: documents, tokenizer: reading.tokenizer)
  }
}

extension Tokenizer {
  /// Tokens there may be.
  static let limit = 65_536

  static var tooLarge: SpecError {
    SpecError("dataset.tokenizer", "makes a vocabulary of more than \(limit) tokens")
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
  func row(_ text: UnsafeRawBufferPointer, context: Int) -> [Int32] {
    let unknown = number(.unknown) ?? 0
    var row: [Int32] = []
    row.reserveCapacity(context)
    _ = encode(text, atMost: context) { row.append($0 ?? unknown) }
    if row.isEmpty { row = [unknown] }
    return row + [Int32](repeating: number(.padding) ?? 0, count: context - row.count)
  }

  /// The same of a text in memory.
  func row(_ text: String, context: Int) -> [Int32] {
    Array(text.utf8).withUnsafeBytes { row($0, context: context) }
  }
}
