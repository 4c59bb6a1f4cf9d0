// What a run reports to, and how it is asked to stop. The trainer knows nothing of where curves and checkpoints
// are kept.

import Synchronization

/// Curves that get their points together: one row a step, one value a curve.
public struct CurveTable: Sendable, Equatable {
  /// Its place in the list given to `RunRecorder.begin`.
  public let index: Int
  /// The curves' keys, in the order of a row's values.
  public let keys: [String]
}

/// The state of a run at a step, ready to be kept. Its file is made from the run's own memory while it is written, so
/// that no copy of it is held: it is to be written before the run goes on.
public struct TrainingCheckpoint {
  /// Updates done.
  public let step: Int
  /// Epochs completed.
  public let epoch: Int
  /// Metrics of exactly these parameters; empty when they have not been evaluated.
  public let metrics: [(key: String, value: Double)]
  /// Whether it is the best so far; it then takes the label from the one before. It is always the latest.
  public let isBest: Bool
  /// Steps of older checkpoints that need not be kept any longer once this one is.
  public let deleting: [Int]
  /// The safetensors file.
  public let file: SafetensorsFile
}

/// Receives everything a run has to tell, in order, on the run's own thread. What it throws ends the run.
public protocol RunRecorder: AnyObject {
  /// Called once at the start of each `Trainer.run`, before anything else.
  func begin(_ tables: [CurveTable]) throws
  /// A row of `table`: its values at a step, at a time in milliseconds since 1970. After a resume, rows come again
  /// from the checkpoint's step on, with the same values; points that are there already are to be left alone.
  func record(_ table: CurveTable, step: Int64, timestamp: Int64, values: [Double]) throws
  /// A line for the run's log.
  func log(_ line: String) throws
  /// A state to keep, whose file is written before this returns; a second one of the same step replaces the first. Rows
  /// recorded before are part of the past it stands for, and are to be durable no later than it.
  func checkpoint(_ checkpoint: TrainingCheckpoint) throws
  /// Where the run is: updates done and epochs completed. At most about twenty times a second.
  func progress(step: Int, epoch: Int) throws
}

/// Asks a run to end before its time; it looks after every step.
public final class RunControl: Sendable {
  /// What is asked for.
  public enum Request: Int, Sendable {
    /// Keep the state and return, to be resumed when somebody asks.
    case pause = 1
    /// Keep the state and return, to be resumed when the server is back.
    case stop
    /// Return without keeping the state.
    case cancel
  }

  private let state = Atomic<Int>(0)

  /// A control that asks for nothing.
  public init() {}

  /// Asks; cancelling overrides stopping, stopping overrides pausing.
  public func request(_ request: Request) {
    var current = state.load(ordering: .relaxed)
    while current < request.rawValue {
      let (exchanged, found) = state.weakCompareExchange(
        expected: current, desired: request.rawValue, ordering: .relaxed)
      if exchanged { return }
      current = found
    }
  }

  /// What has been asked for, if anything.
  public var pending: Request? { Request(rawValue: state.load(ordering: .relaxed)) }
}

/// How a run ended, when not by an error.
public enum TrainingOutcome: Sendable, Equatable {
  case finished, paused, stopped, cancelled
}

/// Why a run failed.
public struct TrainingError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The step at which it failed, where there is one.
  public let step: Int?
  /// What happened, for the user.
  public let description: String
}
