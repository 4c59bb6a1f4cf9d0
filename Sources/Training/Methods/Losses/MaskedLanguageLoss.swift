import Autodiff
import JSON

/// Part `p` of each example's tokens is hidden and predicted from all the others: the mean cross-entropy over the hidden
/// ones. Of ten of them eight become the mask, one a random token, one stays as it is. Reference: Devlin, Chang, Lee,
/// Toutanova 2019, "BERT", section 3.1.
struct MaskedLanguageLoss: Loss {
  static let type = "masked_lm"

  let p: Double

  init(_ fields: FieldReader) throws(SpecError) {
    p = try fields.number("p", .positiveShare, default: 0.15)
  }

  var encoded: JSONObject { ["type": .string(Self.type), "p": .number(p)] }

  var task: DatasetTask { .classification }

  func add(to graph: inout Graph, _ output: Node) throws(GraphError) -> Node {
    let labels = try graph.labels(each: output.shape.count == 3 ? output.shape[1] : 1)
    let ones = [Double](repeating: 1, count: output.shape.last ?? 0)
    return try graph.weightedCrossEntropy(output, labels: labels, weights: ones)
  }
}

/// Hides tokens of examples; which ones follows from the seed, the epoch and the example.
struct TokenMasking: Sendable {
  let p: Double
  let seed: UInt64
  /// Tokens that stand for text, from 0; a random one is drawn from these.
  let ordinary: Int
  /// The token that hides.
  let mask: Int32
  /// The token behind a short text, which is never hidden.
  let padding: Int32

  /// What is predicted of a token that is not hidden: nothing.
  static let ignored: Int32 = -100

  /// How many tokens of a row there are before its padding.
  func length(of row: Int32, in examples: Examples) -> Int {
    guard let tokens = examples.tokenRows else { return examples.width }
    let end = Int(row) * examples.width - 1
    var length = examples.width
    while length > 1, tokens[end + length] == padding { length -= 1 }
    return length
  }

  /// How many of so many tokens are hidden, at least one.
  func count(of tokens: Int) -> Int { max(1, Int((p * Double(tokens)).rounded())) }

  /// Hides tokens of one example and writes what they were to its labels; `epoch` is nil in evaluation, where the same
  /// ones are hidden every time.
  func apply(
    _ tokens: UnsafeMutablePointer<Float>, _ labels: UnsafeMutablePointer<Int32>, width: Int, row: Int32,
    epoch: Int?
  ) {
    let purpose: RandomPurpose = epoch == nil ? .maskingInEvaluation : .masking
    let random = Philox(
      seed: seed, stream: purpose.rawValue,
      step: UInt64(truncatingIfNeeded: epoch ?? 0) << 32 | UInt64(UInt32(bitPattern: row)))
    var length = width
    while length > 1, tokens[length - 1] == Float(padding) { length -= 1 }
    labels.update(repeating: Self.ignored, count: width)
    // The permutation and the draws read other blocks: the former the first ones, two numbers each.
    for place in random.permutation(length).prefix(count(of: length)).map({ Int($0) }) {
      labels[place] = Int32(tokens[place])
      let draw = UInt64(length + place) + 1
      switch random.uniformDouble(draw) {
      case ..<0.8: tokens[place] = Float(mask)
      case ..<0.9:
        tokens[place] = Float(
          min(ordinary - 1, Int(random.uniformDouble(draw + UInt64(length)) * Double(ordinary))))
      default: break
      }
    }
  }
}
