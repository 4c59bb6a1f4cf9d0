import Storage
import Training

/// Why a job cannot begin from what it names.
struct CheckpointSourceError: Error, CustomStringConvertible {
  let description: String
}

/// What jobs begin from: the checkpoints of a store's runs, and the weights that people brought.
func checkpointSource(_ store: Store, _ weights: WeightsLibrary) -> JobPlan.CheckpointSource {
  { origin in
    switch origin {
    case .checkpoint(let run, let name):
      let all = try store.listCheckpoints(run: run)
      guard let found = all.last(where: { $0.labels.contains(name) || "\($0.step)" == name }) else {
        throw CheckpointSourceError(description: "run \(run) has no checkpoint \(name)")
      }
      return checkpointBytes(store, run, found)
    case .weights(let name):
      guard let file = weights.read(name) else {
        throw CheckpointSourceError(description: "there are no weights \(name)")
      }
      return file
    }
  }
}

/// A checkpoint, read from the store where its bytes are needed.
func checkpointBytes(_ store: Store, _ run: String, _ checkpoint: CheckpointRecord) -> ByteSource {
  ByteSource(count: checkpoint.bytes) { range in
    try store.readCheckpoint(
      run: run, step: checkpoint.step, offset: range.lowerBound, count: range.count)
  }
}
