/// One subscriber of server-sent events (WHATWG HTML section 9.2). Anyone may send from any thread; nothing blocks.
/// A subscriber that falls more than `HTTPLimits.eventBacklog` bytes behind is dropped.
public final class HTTPEventStream: Sendable {
  private struct State: Sendable {
    var pending: [UInt8] = []
    /// Bytes the loop has taken and not sent.
    var inFlight = 0
    var backlog: Int
    var isClosed = false
    /// Too far behind, or the peer is gone: nothing more is sent.
    var isDropped = false
    var isEnded = false
    var isAnnounced = false
    var announce: (@Sendable () -> Void)?
  }

  struct Taken {
    var bytes: [UInt8]
    var isClosed: Bool
    var isDropped: Bool
  }

  private let onClose: @Sendable () -> Void
  private let state: Lock<State>

  /// A stream. `onClose` is called once, on a worker thread, when the stream has ended for whatever reason.
  public init(onClose: @escaping @Sendable () -> Void = {}) {
    self.onClose = onClose
    state = Lock(State(backlog: HTTPLimits().eventBacklog))
  }

  /// Sends bytes of the event stream format, whole events only. False when the subscriber is gone or was dropped
  /// because these bytes would leave it too far behind. With `substitute`, it is not dropped then: what waits for it is
  /// given up, and the substitute tells it so.
  @discardableResult
  public func send(_ bytes: [UInt8], orInstead substitute: @autoclosure () -> [UInt8]? = nil) -> Bool {
    let (accepted, announce) = state.withLock { state -> (Bool, (@Sendable () -> Void)?) in
      guard !state.isClosed, !state.isDropped else { return (false, nil) }
      let fits = state.pending.count + state.inFlight + bytes.count <= state.backlog
      if fits {
        state.pending.append(contentsOf: bytes)
      } else if let substitute = substitute() {
        // What the loop has not taken is whole events, so the stream stays well-formed.
        state.pending = substitute
      } else {
        state.isDropped = true
        state.pending = []
      }
      return (fits || !state.isDropped, Self.announcement(&state))
    }
    announce?()
    return accepted
  }

  /// Ends the stream after what was sent.
  public func close() {
    let announce = state.withLock { state in
      state.isClosed = true
      return Self.announcement(&state)
    }
    announce?()
  }

  /// Whether bytes sent now could still arrive.
  public var isOpen: Bool { state.withLock { !$0.isClosed && !$0.isDropped } }

  /// One event as bytes. Newlines in `data` become several data lines, so that no value can forge an event; `name` and
  /// `id` must not hold newlines and are cut at the first.
  public static func event(_ name: String? = nil, id: String? = nil, data: String) -> [UInt8] {
    var bytes: [UInt8] = []
    func line(_ field: String, _ value: some Sequence<UInt8>) {
      bytes.append(contentsOf: field.utf8)
      bytes.append(contentsOf: value)
      bytes.append(0x0a)
    }
    let isNewline: (UInt8) -> Bool = { $0 == 0x0a || $0 == 0x0d }
    if let id { line("id: ", id.utf8.prefix { !isNewline($0) && $0 != 0 }) }
    if let name { line("event: ", name.utf8.prefix { !isNewline($0) }) }
    for piece in data.utf8.split(omittingEmptySubsequences: false, whereSeparator: isNewline) {
      line("data: ", piece)
    }
    bytes.append(0x0a)
    return bytes
  }

  private static func announcement(_ state: inout State) -> (@Sendable () -> Void)? {
    guard !state.isAnnounced, let announce = state.announce else { return nil }
    state.isAnnounced = true
    return announce
  }

  // The loop's side.

  /// Connects the stream to a connection; what was sent before goes out first.
  func attach(backlog: Int, announce: @escaping @Sendable () -> Void) {
    state.withLock { state in
      state.backlog = backlog
      state.announce = announce
    }
  }

  func take() -> Taken {
    state.withLock { state in
      let bytes = state.pending
      state.pending = []
      state.inFlight += bytes.count
      state.isAnnounced = false
      return Taken(bytes: bytes, isClosed: state.isClosed, isDropped: state.isDropped)
    }
  }

  func report(inFlight: Int) {
    state.withLock { $0.inFlight = inFlight }
  }

  /// The connection is gone. Returns what is left to call, once.
  func end() -> (@Sendable () -> Void)? {
    state.withLock { state in
      state.isClosed = true
      state.isDropped = true
      state.announce = nil
      state.pending = []
      defer { state.isEnded = true }
      return state.isEnded ? nil : onClose
    }
  }
}
