/// The server's counters since its start, for `GET /metrics`.
public struct HTTPGauges: Sendable {
  /// Upper bounds, in seconds, of the first buckets of `handlerTime`; the last bucket is everything above.
  public static let handlerTimeBounds = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10,
  ]

  /// Connections that are open now.
  public internal(set) var openConnections = 0
  /// Event streams that are open now.
  public internal(set) var openEventStreams = 0
  /// Connections accepted.
  public internal(set) var acceptedConnections = 0
  /// Connections turned away because the process had no descriptor left.
  public internal(set) var refusedConnections = 0
  /// Answers by the first digit of their status: index 2 counts 200 to 299; 0 and 1 stay zero.
  public internal(set) var answers = [Int](repeating: 0, count: 6)
  /// Bytes read from sockets.
  public internal(set) var bytesReceived = 0
  /// Bytes taken by sockets.
  public internal(set) var bytesSent = 0
  /// Handlers' running times: how many ended within each bound of `handlerTimeBounds`, not cumulated.
  public internal(set) var handlerTime = [Int](repeating: 0, count: handlerTimeBounds.count + 1)
  /// The sum of the handlers' running times in seconds.
  public internal(set) var handlerSeconds = 0.0

  mutating func recordHandler(seconds: Double) {
    let bucket = Self.handlerTimeBounds.firstIndex { seconds <= $0 } ?? Self.handlerTimeBounds.count
    handlerTime[bucket] += 1
    handlerSeconds += seconds
  }
}
