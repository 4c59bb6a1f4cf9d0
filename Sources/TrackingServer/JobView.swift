import JSON
import Storage

/// The states of a job, as the API spells them.
let jobStateNames = ["queued", "running", "paused", "finished", "failed", "cancelled"]

/// A job as the program's own front ends show it.
public struct JobView: Sendable {
  /// The job's number.
  public var id: Int64
  /// The run that holds its curves: 32 hex digits.
  public var runID: String
  /// The run's name.
  public var name: String
  /// One of queued, running, paused, finished, failed, cancelled.
  public var state: String
  /// Why it failed.
  public var error: String?
  /// Updates done.
  public var step: Int64
  /// Updates that the whole job takes; 0 while unknown.
  public var totalSteps: Int64
  /// Seconds that the rest will take, as far as the pace so far tells.
  public var etaSeconds: Double?
  /// The newest value of each metric that was asked for with the job.
  public var latest: [String: Double] = [:]

  /// Whether nothing more will happen to it.
  public var isOver: Bool { ["finished", "failed", "cancelled"].contains(state) }

  /// Reads the answer of `GET /api/v1/jobs/{id}`.
  public init(_ job: JSON) {
    id = Int64(job["id"]?.intValue ?? 0)
    runID = job["run_id"]?.stringValue ?? ""
    name = job["name"]?.stringValue ?? "job \(id)"
    state = job["state"]?.stringValue ?? ""
    error = job["error"]?.stringValue
    step = Int64(job["progress"]?["step"]?.intValue ?? 0)
    totalSteps = Int64(job["progress"]?["total_steps"]?.intValue ?? 0)
    etaSeconds = job["progress"]?["eta_seconds"]?.doubleValue
  }
}
