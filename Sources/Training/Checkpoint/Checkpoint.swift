// The state of a run as one safetensors file: tensors `model.NAME` and `optimizer.SLOT.NAME` in PyTorch's layouts,
// and in the metadata everything else that going on needs. Whatever is random or scheduled follows from the step.

import Autodiff
import JSON

/// The contents of a checkpoint file.
public struct Checkpoint: Sendable {
  /// The version of the metadata's layout.
  static let version = "1"

  /// Updates done.
  public let step: Int
  /// Epochs completed.
  public let epoch: Int
  /// Metrics of exactly these parameters; empty when they have not been evaluated.
  public let metrics: [(key: String, value: Double)]
  /// The full job spec as JSON text.
  public let spec: String
  /// Whether it was made between two scheduled ones, because the run was paused or stopped.
  public let isInterim: Bool
  /// Model and optimizer; none where only the rest was read.
  private(set) var tensors: [NamedTensor] = []
  let retention: Retention
  /// What methods that look back have seen.
  let state: RunState

  init(
    step: Int, epoch: Int, metrics: [(key: String, value: Double)], spec: String, isInterim: Bool,
    tensors: [NamedTensor] = [], retention: Retention, state: RunState = RunState()
  ) {
    self.state = state
    self.step = step
    self.epoch = epoch
    self.metrics = metrics
    self.spec = spec
    self.isInterim = isInterim
    self.tensors = tensors
    self.retention = retention
  }

  /// Reads and checks a file that `encode` wrote.
  public init(_ bytes: [UInt8]) throws(SafetensorsError) {
    let file = try Safetensors(bytes)
    try self.init(withoutTensorsOf: file)
    for entry in file.entries { tensors.append(try file.tensor(entry)) }
  }

  /// Reads and checks all of a file but its tensors, which may be large.
  init(withoutTensorsOf file: Safetensors) throws(SafetensorsError) {
    func text(_ key: String) throws(SafetensorsError) -> String {
      guard let text = file.metadata(key) else {
        throw SafetensorsError(description: "not a checkpoint: its metadata has no \(key)")
      }
      return text
    }
    func json(_ key: String) throws(SafetensorsError) -> JSON {
      let text = try text(key)
      do { return try JSON.parse(text) } catch {
        throw SafetensorsError(description: "the checkpoint's \(key) is damaged: \(error.message)")
      }
    }
    let damaged = SafetensorsError(description: "the checkpoint's metadata is damaged")
    guard try text("cairn_checkpoint") == Self.version else {
      throw SafetensorsError(description: "the checkpoint is of a version that is not known here")
    }
    guard let step = Int(try text("step")), let epoch = Int(try text("epoch")), step >= 0, epoch >= 0,
      let metrics = try json("metrics").objectValue, let retention = Retention(try json("retention")),
      let state = file.metadata("state") == nil ? RunState() : RunState(try json("state"))
    else { throw damaged }
    self.state = state
    self.step = step
    self.epoch = epoch
    self.metrics = metrics.entries.map { ($0.key, $0.value.doubleValue ?? .nan) }
    self.retention = retention
    spec = try text("spec")
    isInterim = try text("interim") == "true"
  }

  /// The file, of the tensors that were read or given.
  func encode() -> [UInt8] { file(of: tensors.map(\.source)).bytes }

  /// The file with the given tensors.
  func file(of tensors: [TensorSource]) -> SafetensorsFile {
    var metrics: JSONObject = [:]
    for (key, value) in self.metrics { metrics[key] = JSON(value) }
    return SafetensorsFile(
      tensors,
      metadata: [
        ("format", "pt"), ("cairn_checkpoint", Self.version), ("step", "\(step)"), ("epoch", "\(epoch)"),
        ("metrics", JSON.object(metrics).text), ("interim", isInterim ? "true" : "false"),
        ("retention", retention.encoded.text), ("state", state.encoded.text), ("spec", spec),
      ])
  }

  /// The model's tensors alone, averaged where the run averages, under PyTorch's names, for
  /// `torch.nn.Sequential(...).load_state_dict(safetensors.torch.load_file(f))`. Of the checkpoint's file only the header
  /// is read now, and the tensors when they are written.
  public static func modelPart(of source: ByteSource) throws(SafetensorsError) -> SafetensorsExcerpt {
    let file = try Safetensors(source)
    let checkpoint = try Checkpoint(withoutTensorsOf: file)
    return SafetensorsExcerpt(
      of: source, evaluatedEntries(of: file),
      metadata: [("format", "pt"), ("step", "\(checkpoint.step)"), ("spec", checkpoint.spec)])
  }

  /// The model that was evaluated, under PyTorch's names: the average where there is one. Of a checkpoint's file nothing
  /// else is read.
  static func evaluatedModel(of file: Safetensors) throws(SafetensorsError) -> [NamedTensor] {
    _ = try Checkpoint(withoutTensorsOf: file)
    var model: [NamedTensor] = []
    for (name, entry) in evaluatedEntries(of: file) { model.append(try file.tensor(entry).renamed(name)) }
    return model
  }

  /// Where those tensors are, with PyTorch's names.
  private static func evaluatedEntries(of file: Safetensors) -> [(name: String, entry: Safetensors.Entry)] {
    let (prefix, average) = ("model.", "average.")
    let averages = Dictionary(
      file.entries.filter { $0.name.hasPrefix(average) }.map { ($0.name.dropFirst(average.count), $0) }
    ) { first, _ in first }
    return file.entries.filter { $0.name.hasPrefix(prefix) }.map { entry in
      let name = entry.name.dropFirst(prefix.count)
      return (String(name), averages[name] ?? entry)
    }
  }

  /// A file name that carries what matters, of characters that every file system takes:
  /// `digits.layers-5.epochs-15.act-relu.val_loss-0.11.val_accuracy-0.97.safetensors`.
  /// - Parameter spec: the full job spec, as `JobSpec.encode` gives it.
  public static func suggestedName(spec: JSON, epoch: Int, metrics: [(key: String, value: Double)]) -> String
  {
    let model = spec["model"]
    let layers = model?["layers"]?.arrayValue ?? []
    let hidden = model?["hidden"]?.arrayValue?.count ?? 0
    var activations: [String] = []
    for type in layers.compactMap({ $0["type"]?.stringValue }) + [model?["activation"]?.stringValue ?? ""]
    where ActivationLayer.names.contains(type) && !activations.contains(type) {
      activations.append(type)
    }
    let depth = layers.isEmpty ? model?["layers"]?.intValue ?? 2 * hidden + 1 : layers.count
    let parts =
      [
        spec["dataset"]?["name"]?.stringValue ?? "model", "layers-\(depth)", "epochs-\(epoch)",
        "act-\(activations.isEmpty ? "none" : activations.joined(separator: "-"))",
      ] + lossesFirst(metrics).map { "\($0.key)-\(Display.short($0.value, digits: 2))" }
    let name = parts.map(sanitized).joined(separator: ".")
    return name.drop { $0 == "." } + ".safetensors"
  }

  private static func lossesFirst(_ metrics: [(key: String, value: Double)]) -> [(key: String, value: Double)]
  {
    metrics.filter { $0.key.hasSuffix("loss") } + metrics.filter { !$0.key.hasSuffix("loss") }
  }

  private static func sanitized(_ text: String) -> String {
    String(
      text.prefix(80).map { character in
        character.isASCII
          && (character.isLetter || character.isNumber || character == "-" || character == ".")
          ? character : "_"
      })
  }
}

/// Numbers for people.
enum Display {
  /// At least `digits` decimals' worth: 0.97 for 0.9722, 0.0034 for 0.00342, 1234.57 for 1234.567.
  static func short(_ value: Double, digits: Int) -> String {
    guard value.isFinite, abs(value) < 1e12 else { return "\(value)" }
    var decimals = digits
    var size = abs(value)
    while size > 0, size < 0.1, decimals < digits + 10 {
      size *= 10
      decimals += 1
    }
    let factor = ExactMath.pow(10, decimals)
    return "\((value * factor).rounded() / factor)"
  }
}
