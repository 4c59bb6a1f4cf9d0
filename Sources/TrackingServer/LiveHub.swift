import HTTP
import JSON

/// What can happen in the house, as the event stream names it.
enum LiveEventKind: String, Sendable { case metric, run, job, checkpoint, log }

/// Which events a subscriber wants; empty sets want all.
struct LiveFilter: Sendable {
  var runs: Set<String> = []
  var experiments: Set<String> = []

  func wants(run: String, experiment: String) -> Bool {
    (runs.isEmpty && experiments.isEmpty) || runs.contains(run) || experiments.contains(experiment)
  }
}

/// Passes events from committed writes to the open event streams, and keeps the newest ones so that a
/// subscriber who lost the connection resumes without a gap.
///
/// Event ids are `BOOT-SEQUENCE`: a number from before a restart, or one that has left the buffer, gets one
/// `reset` event, upon which the client reads anew. So does one from before an event that was left out because
/// nobody was there to hear it.
final class LiveHub: Sendable {
  /// Bytes of past events that are kept for resuming.
  static let historyLimit = 8 << 20
  /// Bytes of past events that are sent to one who resumes; who missed more reads anew.
  static let replayLimit = 2 << 20
  /// Seconds for which events are kept for one who was there and may come back.
  static let patience = 30.0

  private struct Event: Sendable {
    var sequence: UInt64
    var run: String
    var experiment: String
    var frame: [UInt8]
  }

  private struct State {
    var nextSequence: UInt64 = 1
    var history: [Event] = []
    var historyStart = 0  // events before this index have left the buffer
    var historyBytes = 0
    var subscribers: [Int: (filter: LiveFilter, stream: HTTPEventStream)] = [:]
    var nextSubscriber = 0
    /// When who was there last will be back no more, in seconds.
    var heardUntil = 0.0
    /// Events were left out since an id was last given out.
    var hasGap = false
  }

  private let boot: String
  private let clock: @Sendable () -> Double
  private let state = Guarded(State())

  /// A hub whose ids begin with `boot`; `clock` gives seconds.
  init(boot: Int64, clock: @escaping @Sendable () -> Double = monotonicSeconds) {
    self.boot = String(boot)
    self.clock = clock
  }

  /// How many event streams are open.
  var subscriberCount: Int { state.withLock { $0.subscribers.count } }

  /// The id of the newest event, for one who will open a stream: resuming from it misses nothing.
  func startingPoint() -> String {
    state.withLock { state in
      heard(&state)
      return "\(boot)-\(state.nextSequence - 1)"
    }
  }

  /// Whether somebody listens, or did a moment ago and may go on from there.
  var isHeard: Bool { state.withLock { isHeard($0) } }

  /// Leaves an event out because nobody would hear it: whoever comes back nevertheless is told to read anew. False when
  /// somebody listens now, so that the event has to be published.
  func leaveOut() -> Bool {
    state.withLock { state in
      if isHeard(state) { return false }
      if !state.hasGap {
        state.hasGap = true
        state.nextSequence += 1
        (state.history, state.historyStart, state.historyBytes) = ([], 0, 0)
      }
      return true
    }
  }

  private func isHeard(_ state: State) -> Bool { !state.subscribers.isEmpty || clock() < state.heardUntil }

  private func heard(_ state: inout State) {
    state.heardUntil = clock() + Self.patience
    state.hasGap = false
  }

  /// Bytes of past events that are kept now.
  var historyBytes: Int { state.withLock { $0.historyBytes } }

  /// Sends one event to everyone who wants it.
  func publish(_ kind: LiveEventKind, run: String, experiment: String, data: [UInt8]) {
    state.withLock { state in
      let sequence = state.nextSequence
      state.nextSequence += 1
      state.hasGap = false
      let frame = Self.frame(kind.rawValue, id: "\(boot)-\(sequence)", data: data)
      state.history.append(Event(sequence: sequence, run: run, experiment: experiment, frame: frame))
      state.historyBytes += frame.count
      Self.forget(&state)
      for (key, subscriber) in state.subscribers
      where subscriber.filter.wants(run: run, experiment: experiment) {
        // One who cannot follow is told to read anew rather than cut off.
        let isThere = subscriber.stream.send(
          frame, orInstead: Self.frame("reset", id: "\(boot)-\(sequence)", data: Array("{}".utf8)))
        if !isThere {
          state.subscribers[key] = nil
          heard(&state)
        }
      }
    }
  }

  /// Opens a stream; events after `lastID` come first, or one `reset` when they are gone.
  func subscribe(_ filter: LiveFilter, after lastID: String?) -> HTTPEventStream {
    state.withLock { state in
      heard(&state)
      let key = state.nextSubscriber
      state.nextSubscriber += 1
      let stream = HTTPEventStream(onClose: { [weak self] in self?.unsubscribe(key) })
      state.subscribers[key] = (filter, stream)
      guard let lastID else { return stream }
      let current = state.nextSequence - 1
      let oldest =
        state.history.count > state.historyStart ? state.history[state.historyStart].sequence : current + 1
      var missed: [UInt8]?
      if let last = sequence(in: lastID), last <= current, last + 1 >= oldest {
        let frames = state.history[state.historyStart...].filter { event in
          event.sequence > last && filter.wants(run: event.run, experiment: event.experiment)
        }.map(\.frame)
        if frames.reduce(0, { $0 + $1.count }) <= Self.replayLimit { missed = Array(frames.joined()) }
      }
      stream.send(missed ?? Self.frame("reset", id: "\(boot)-\(current)", data: Array("{}".utf8)))
      return stream
    }
  }

  /// Ends every stream, at shutdown.
  func close() {
    let streams = state.withLock { state in
      let streams = state.subscribers.values.map(\.stream)
      state.subscribers = [:]
      return streams
    }
    for stream in streams { stream.close() }
  }

  private func unsubscribe(_ key: Int) {
    state.withLock { state in
      if state.subscribers.removeValue(forKey: key) != nil { heard(&state) }
    }
  }

  private func sequence(in id: String) -> UInt64? {
    let parts = id.split(separator: "-", omittingEmptySubsequences: false)
    return parts.count == 2 && parts[0] == boot ? UInt64(parts[1]) : nil
  }

  /// Drops the oldest events beyond the limit; the array is compacted when half of it is dropped.
  private static func forget(_ state: inout State) {
    while state.historyBytes > historyLimit {
      state.historyBytes -= state.history[state.historyStart].frame.count
      state.history[state.historyStart].frame = []
      state.historyStart += 1
    }
    if state.historyStart > 1024, state.historyStart * 2 > state.history.count {
      state.history.removeFirst(state.historyStart)
      state.historyStart = 0
    }
  }

  /// One frame of the server-sent events format (WHATWG HTML 9.2); JSON has no line breaks to split.
  private static func frame(_ event: String, id: String, data: [UInt8]) -> [UInt8] {
    var bytes = Array("event: \(event)\nid: \(id)\ndata: ".utf8)
    bytes += data
    bytes += [10, 10]
    return bytes
  }
}
