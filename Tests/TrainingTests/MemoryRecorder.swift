import JSON
import Testing

@testable import Training

/// A checkpoint as a store would keep it.
struct StoredCheckpoint {
  let step: Int
  let epoch: Int
  let metrics: [(key: String, value: Double)]
  let isBest: Bool
  let deleting: [Int]
  let bytes: [UInt8]
}

extension Trainer {
  func run(
    from checkpoint: [UInt8]?, recorder: any RunRecorder, control: RunControl, threads: Int = 1
  ) throws -> TrainingOutcome {
    try run(from: checkpoint.map { ByteSource($0) }, recorder: recorder, control: control, threads: threads)
  }
}

extension Predictor {
  convenience init(checkpoint: [UInt8], catalog: DatasetCatalog) throws {
    try self.init(checkpoint: ByteSource(checkpoint), catalog: catalog)
  }
}

extension Network {
  /// All tensors of a checkpoint in memory.
  func allTensors() throws -> [NamedTensor] {
    let file = try Safetensors(SafetensorsFile(tensors(), metadata: []).bytes)
    return try file.entries.map { try file.tensor($0) }
  }

  func restore(_ tensors: [NamedTensor]) throws {
    try restore(try Safetensors(Safetensors.encode(tensors, metadata: [])))
  }
}

/// Keeps what a run reports, as a store would: points once, checkpoints by step.
final class MemoryRecorder: RunRecorder {
  var curves: [String: [(step: Int64, value: Double)]] = [:]
  var checkpoints: [Int: StoredCheckpoint] = [:]
  var best: Int?
  var lines: [String] = []
  var progress: [(step: Int, epoch: Int)] = []
  /// Called with every row of the first table.
  var onStep: (Int) -> Void = { _ in }
  /// Called with every checkpoint.
  var onCheckpoint: () -> Void = {}

  func begin(_ tables: [CurveTable]) {
    #expect(tables.map(\.index) == Array(tables.indices))
  }

  func record(_ table: CurveTable, step: Int64, timestamp: Int64, values: [Double]) {
    #expect(values.count == table.keys.count)
    for (key, value) in zip(table.keys, values) {
      // Steps come in order, but for those that come again after a resume.
      let isNew = curves[key]?.last.map { $0.step < step } ?? true
      if !isNew, let point = curves[key]?.first(where: { $0.step == step }) {
        if key != "examples_per_second" {
          #expect(point.value.bitPattern == value.bitPattern, "\(key) at \(step) is not the same again")
        }
      } else {
        curves[key, default: []].append((step, value))
      }
    }
    if table.index == 0 { onStep(Int(step)) }
  }

  func log(_ line: String) { lines.append(line) }

  func checkpoint(_ checkpoint: TrainingCheckpoint) {
    onCheckpoint()
    for step in checkpoint.deleting { checkpoints[step] = nil }
    checkpoints[checkpoint.step] = StoredCheckpoint(
      step: checkpoint.step, epoch: checkpoint.epoch, metrics: checkpoint.metrics, isBest: checkpoint.isBest,
      deleting: checkpoint.deleting, bytes: checkpoint.file.bytes)
    #expect(checkpoints[checkpoint.step]?.bytes.count == checkpoint.file.count)
    if checkpoint.isBest { best = checkpoint.step }
  }

  func progress(step: Int, epoch: Int) { progress.append((step, epoch)) }

  var latest: StoredCheckpoint? { checkpoints.max { $0.key < $1.key }?.value }

  /// All curves that are the spec's alone, bit for bit.
  var bits: [String: [[UInt64]]] {
    curves.filter { $0.key != "examples_per_second" }
      .mapValues { $0.map { [UInt64(bitPattern: $0.step), $0.value.bitPattern] } }
  }

  func values(_ key: String) -> [Double] { (curves[key] ?? []).map(\.value) }
}

/// The model's part of a checkpoint's bytes.
func modelPart(of bytes: [UInt8]) throws -> [UInt8] { try Checkpoint.modelPart(of: ByteSource(bytes)).bytes }

func plan(_ json: JSON) throws -> JobPlan { try JobPlan.make(JobSpec.decode(json)) }

/// Runs a job to its end and returns what it reported.
func finished(_ json: JSON, threads: Int = 1) throws -> MemoryRecorder {
  let recorder = MemoryRecorder()
  let outcome = try Trainer(plan: plan(json)).run(recorder: recorder, control: RunControl(), threads: threads)
  #expect(outcome == .finished)
  return recorder
}

/// The job of the project's first page: a small perceptron on the 8x8 digits.
let digitsJob: JSON = [
  "dataset": ["name": "digits"],
  "model": [
    "layers": [
      ["type": "linear", "out": 128], ["type": "relu"], ["type": "linear", "out": 64], ["type": "relu"],
      ["type": "linear", "out": 10],
    ]
  ],
  "optimizer": ["type": "adam", "lr": 0.001], "train": ["epochs": 15, "batch_size": 32],
]

/// A short job with everything random in it.
let dropoutJob: JSON = [
  "dataset": ["name": "digits", "limit": 300, "validation": 0.2, "test": 0.1], "seed": 5,
  "model": [
    "layers": [
      ["type": "linear", "out": 16], ["type": "tanh"], ["type": "dropout", "p": 0.3],
      ["type": "linear", "out": 10],
    ]
  ],
  "optimizer": ["type": "adam", "lr": 0.01, "weight_decay": 0.001],
  "schedule": ["type": "cosine", "warmup": 0.1],
  "train": [
    "epochs": 4, "batch_size": 32, "clip_grad_norm": 0.5, "evaluate_every": ["steps": 5],
  ],
  "checkpoint": ["every_steps": 6, "keep_last": 2, "keep_best": 1],
]
