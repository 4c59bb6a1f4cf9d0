// A trained model put to use: outputs for examples, and texts that go on.

import Autodiff
import JSON

/// A model in the state of a checkpoint. Used by one thread.
public final class Predictor {
  let plan: JobPlan
  let network: Network

  /// Reads a checkpoint of the job. Throws when the job's data cannot be read or the checkpoint is not the job's. Without
  /// `readsText` only inputs that are given can be asked about, and none of the job's own texts.
  public init(
    spec: JobSpec, catalog: DatasetCatalog, checkpoint: ByteSource, threads: Int = 1, readsText: Bool = true
  ) throws {
    plan = try JobPlan.make(spec, catalog: catalog, isResuming: true, forRunning: readsText)
    network = try Network(plan, threads: threads, try KernelTable.select())
    let file = try Safetensors(checkpoint)
    _ = try Checkpoint(withoutTensorsOf: file)
    try network.restore(file, forUse: true)
  }

  /// Shape of one input: `[features]`, or `[channels, height, width]`.
  public var inputShape: [Int] { plan.dataset.inputShape }

  /// Whether it continues texts; otherwise it takes inputs.
  public var isText: Bool { plan.dataset.predictsTokens }

  /// Whether its inputs are texts, each of which gets one label.
  public var takesTexts: Bool { plan.dataset.info.hasLabels }

  /// Whether it predicts tokens that are hidden rather than those that follow.
  public var fillsMasks: Bool { plan.masking != nil }

  /// The network's outputs for each text.
  public func outputs(texts: [String]) throws -> [[Float]] {
    guard let tokenizer = plan.dataset.tokenizer else { throw SpecError("inputs", "must be numbers") }
    let context = plan.dataset.pool.width
    return try outputs(texts.map { tokenizer.row($0, context: context).map { Float($0) } })
  }

  /// Whether its outputs are logits of classes.
  public var isClassifier: Bool { plan.dataset.info.task == .classification }

  /// The network's outputs for each input: features as the data set has them, which are scaled as in training. Throws
  /// for an input that does not have as many numbers as an example.
  public func outputs(_ inputs: [[Float]]) throws -> [[Float]] {
    let width = plan.dataset.pool.width
    for (index, input) in inputs.enumerated() where input.count != width {
      throw SpecError(
        "inputs.\(index)",
        "must have the \(width) numbers of an example, \(plan.dataset.inputShape), got \(input.count)")
    }
    var outputs: [[Float]] = []
    while outputs.count < inputs.count {
      let part = inputs[outputs.count..<min(outputs.count + Programs.evaluationBatch, inputs.count)]
      outputs += try network.outputs(Array(part))
    }
    return outputs
  }

  /// What a row of logits says of the classes: probabilities that add up to 1, or where each class is a yes or no of its
  /// own the probabilities of yes. One logit is the second class's.
  public func probabilities(_ logits: [Float]) -> [Double] {
    guard plan.spec.loss is BinaryCrossEntropyLoss else { return Self.softmax(logits, temperature: 1) }
    let yes = logits.map { 1 / (1 + ExactMath.exp(-Double($0))) }
    return yes.count == 1 ? [1 - yes[0], yes[0]] : yes
  }

  /// Continues a text by `tokens` tokens, each drawn from softmax(logits / temperature), or with temperature 0 the
  /// likeliest; the same seed gives the same text. Throws for a prompt that the vocabulary does not have. `goOn` is asked
  /// before each token, and throws to end the text.
  public func continueText(
    _ prompt: String, tokens: Int, temperature: Double, seed: UInt64, goOn: () throws -> Void = {}
  ) throws -> String {
    guard let tokenizer = plan.dataset.tokenizer else { throw SpecError("prompt", "is for models of text") }
    let context = plan.dataset.pool.width
    var text = try Self.encode(prompt, tokenizer)
    let first = text.count
    let random = RandomStream(seed: seed, .sampling)
    for step in 0..<tokens {
      try goOn()
      let seen = text.suffix(context)
      let logits = try network.nextLogits(seen.isEmpty ? [0] : Array(seen))
      text.append(Int32(Self.draw(logits, temperature, random.uniform(step, 0))))
    }
    return tokenizer.decode(Array(text[first...]))
  }

  private static func encode(_ prompt: String, _ tokenizer: Tokenizer) throws(SpecError) -> [Int32] {
    let encoded = tokenizer.encode(prompt)
    if let unknown = encoded.firstIndex(of: nil) {
      let token = Tokenizer.split(tokenizer.kind, prompt)[unknown]
      throw SpecError(
        "prompt", "has \(JSON.string(token).text), which the text that was trained on does not have")
    }
    return encoded.compactMap { $0 }
  }

  private static func draw(_ logits: [Float], _ temperature: Double, _ uniform: Double) -> Int {
    guard temperature > 0 else {
      return logits.indices.max { (logits[$0], -$0) < (logits[$1], -$1) } ?? 0
    }
    var left = uniform
    let shares = softmax(logits, temperature: temperature)
    for (token, share) in shares.enumerated() {
      left -= share
      if left < 0 { return token }
    }
    return shares.lastIndex { $0 > 0 } ?? 0
  }

  private static func softmax(_ logits: [Float], temperature: Double) -> [Double] {
    let top = Double(logits.max() ?? 0)
    let powers = logits.map { ExactMath.exp((Double($0) - top) / temperature) }
    let total = powers.reduce(0, +)
    return powers.map { $0 / total }
  }
}
