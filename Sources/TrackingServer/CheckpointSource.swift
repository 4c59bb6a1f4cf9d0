import Storage
import Training

/// Why a job cannot begin from the checkpoint it names.
struct CheckpointSourceError: Error, CustomStringConvertible {
  let description: String
}

/// The checkpoints of a store's runs, for jobs that begin from one.
func checkpointSource(_ store: Store) -> JobPlan.CheckpointSource {
  { run, name in
    let all = try store.listCheckpoints(run: run)
    guard let found = all.last(where: { $0.labels.contains(name) || "\($0.step)" == name }) else {
      throw CheckpointSourceError(description: "run \(run) has no checkpoint \(name)")
    }
    return try store.readCheckpoint(run: run, step: found.step, offset: 0, count: found.bytes)
  }
}
