// What a data set is to the trainer: examples with features and labels or targets, and where they came
// from. Loading lives in DatasetCatalog.swift and the files beside it; cutting it into parts in Split.swift.

/// The shape of thing an example is; decides defaults such as `dataset.standardize`.
public enum DatasetKind: String, Sendable {
  case tabular, image, text
}

/// What a data set asks to be predicted: one of its classes, or a number.
public enum DatasetTask: String, Sendable {
  case classification, regression
}

/// The features of all examples, row after row, as compactly as they came.
public enum Features: Sendable {
  /// Values as they are.
  case floats([Float])
  /// Bytes that stand for `byte / 255`, as pixels of 0...1.
  case bytes([UInt8])
  /// Running text as the numbers of its tokens, each once; rows lie anywhere in it.
  case tokens(TokenSequence)
  /// Texts as the numbers of their tokens, row after row.
  case tokenRows(TokenSequence)
  /// Either of the first two, in a file.
  case mapped(MappedFeatures)

  /// Gives the values as they lie to one of the two bodies; numbers of tokens are none.
  func withValues<R>(
    floats: (UnsafeBufferPointer<Float>) -> R, bytes: (UnsafeBufferPointer<UInt8>) -> R
  ) -> R {
    switch self {
    case .floats(let values): values.withUnsafeBufferPointer(floats)
    case .bytes(let values): values.withUnsafeBufferPointer(bytes)
    case .tokens, .tokenRows: floats(UnsafeBufferPointer(start: nil, count: 0))
    case .mapped(let values): values.withValues(floats: floats, bytes: bytes)
    }
  }

  /// How many values there are in all rows together.
  public var count: Int { withValues(floats: \.count, bytes: \.count) }

  /// The value at `index` of the flat table.
  public subscript(index: Int) -> Float {
    switch self {
    case .tokens(let tokens), .tokenRows(let tokens): Float(tokens[index])
    default: withValues(floats: { $0[index] }, bytes: { Float($0[index]) / 255 })
    }
  }
}

/// Features that stay in their file.
public struct MappedFeatures: Sendable {
  let file: MappedFile
  /// Where they start, up to the end of the file.
  let offset: Int
  let isBytes: Bool

  func withValues<R>(
    floats: (UnsafeBufferPointer<Float>) -> R, bytes: (UnsafeBufferPointer<UInt8>) -> R
  ) -> R {
    withExtendedLifetime(file) {
      let raw = UnsafeRawBufferPointer(rebasing: file.bytes[offset...])
      return isBytes ? bytes(raw.bindMemory(to: UInt8.self)) : floats(raw.bindMemory(to: Float.self))
    }
  }
}

/// A table of examples: features row by row, with a label or a target for each.
public struct Examples: Sendable {
  /// Number of examples.
  public let count: Int
  /// Number of features of one example.
  public let width: Int
  /// `count * width` values.
  public let features: Features
  /// Class of each example, from 0; empty for regression.
  public let labels: [Int32]
  /// Number to predict for each example; empty for classification.
  public let targets: [Float]

  /// A table of `width` features a row; there are as many rows as labels or targets.
  public init(width: Int, features: Features, labels: [Int32] = [], targets: [Float] = []) {
    self.count = max(labels.count, targets.count)
    self.width = width
    self.features = features
    self.labels = labels
    self.targets = targets
  }
}

/// What is known of a data set before it is read.
public struct DatasetInfo: Sendable, Equatable {
  /// The name a job asks for.
  public let name: String
  /// Table, pictures or text.
  public let kind: DatasetKind
  /// Classes or numbers.
  public let task: DatasetTask
  /// Number of examples, those of the set's own test split included.
  public let examples: Int
  /// Shape of one example: `[features]`, or `[channels, height, width]`.
  public let inputShape: [Int]
  /// Names of the classes; empty for regression.
  public let classes: [String]
  /// Whether a set of texts has a label for each; otherwise it is one running text.
  public let hasLabels: Bool
  /// Whether the set brings its own test split.
  public let hasTestSplit: Bool
  /// Who made it and where it is from.
  public let source: String
  /// Under which terms it may be passed on.
  public let license: String

  /// Describes a data set without its contents.
  public init(
    name: String, kind: DatasetKind, task: DatasetTask, examples: Int, inputShape: [Int],
    classes: [String] = [],
    hasLabels: Bool = false, hasTestSplit: Bool = false, source: String, license: String
  ) {
    self.name = name
    self.kind = kind
    self.task = task
    self.examples = examples
    self.inputShape = inputShape
    self.classes = classes
    self.hasLabels = hasLabels
    self.hasTestSplit = hasTestSplit
    self.source = source
    self.license = license
  }
}

/// A data set in memory.
public struct Dataset: Sendable {
  /// Name, kind, task, size, shape, classes, source and license.
  public let info: DatasetInfo
  /// Names of the columns; empty for pictures.
  public let columns: [String]
  /// Feature values that are not numbers; training puts the mean of the training part in their place.
  public let missing: Int
  /// The examples that training and validation are cut from.
  public let pool: Examples
  /// The set's own test split, where it has one.
  public let test: Examples?
  /// Running text, for sets of it.
  let text: RunningText?
  /// The texts, for sets of texts with labels.
  let documents: Documents?
  /// How the text has become tokens, once it has.
  let tokenizer: Tokenizer?

  /// A data set of the given parts.
  public init(
    info: DatasetInfo, columns: [String] = [], missing: Int = 0, pool: Examples, test: Examples? = nil
  ) {
    self.init(info: info, columns: columns, missing: missing, pool: pool, test: test, text: nil)
  }

  init(
    info: DatasetInfo, columns: [String] = [], missing: Int = 0, pool: Examples, test: Examples? = nil,
    text: RunningText?, documents: Documents? = nil, tokenizer: Tokenizer? = nil
  ) {
    self.text = text
    self.documents = documents
    self.tokenizer = tokenizer
    self.info = info
    self.columns = columns
    self.missing = missing
    self.pool = pool
    self.test = test
  }

  /// The name a job asks for.
  public var name: String { info.name }

  /// Number of examples, those of the set's own test split included.
  public var examples: Int { pool.count + (test?.count ?? 0) }

  /// Shape of one example: `[features]`, or `[channels, height, width]`.
  public var inputShape: [Int] { info.inputShape }

  /// Names of the classes; empty for regression.
  public var classes: [String] { info.classes }

  /// How many numbers a model gives for one example: one a class, or one.
  public var outputs: Int { info.task == .classification ? classes.count : 1 }

  /// The name of feature `index`: its column's, or `feature 17`.
  public func columnName(_ index: Int) -> String {
    index < columns.count ? columns[index] : "feature \(index)"
  }
}
