/// Every limit of the server, each with its unit and the status a client meets beyond it.
public struct HTTPLimits: Sendable {
  // Bytes and counts of a request (RFC 9112 section 3 and 5 leave them to the server).

  /// Bytes of a request line; 414.
  public var requestLine = 8 << 10
  /// Bytes of one field line; 431.
  public var fieldLine = 8 << 10
  /// Bytes of all field lines together; 431.
  public var fieldsTotal = 32 << 10
  /// Field lines of one request; 431.
  public var fieldCount = 100
  /// Bytes of any body, whatever its route allows; 413.
  public var body = 10 << 30
  /// Bytes of the extensions of one chunk; 400.
  public var chunkExtension = 256
  /// Bytes of all trailer lines; 400.
  public var trailers = 4 << 10
  /// Trailer lines; 400.
  public var trailerCount = 16
  /// Bytes of a decoded path; 414.
  public var path = 2 << 10
  /// Segments of a path; 400.
  public var pathSegments = 64
  /// Bytes of one decoded path segment; 400.
  public var pathSegment = 255
  /// Bytes of a raw query; 414. As long as the line allows: `/curves?run=A&run=B...` names a hundred runs.
  public var query = 8 << 10
  /// Pairs of a query; 400.
  public var queryPairs = 128

  // Buffers.

  /// Bytes of a body that are collected before its handler is called; a longer body streams.
  public var collectedBody = 256 << 10
  /// Bytes waiting in one direction of a connection above which their producer is paused.
  public var highMark = 256 << 10
  /// Bytes waiting below which a paused producer goes on.
  public var lowMark = 64 << 10
  /// Bytes read ahead while a request is being answered (pipelining).
  public var lookahead = 16 << 10
  /// Bytes of an unread body that are read and thrown away to keep a connection alive.
  public var drain = 64 << 10
  /// Bytes thrown away before a connection closes, so that the reset does not overtake the answer.
  public var linger = 1 << 20
  /// Bytes a subscriber of an event stream may fall behind before it misses events.
  public var eventBacklog = 4 << 20

  // Seconds.

  /// From the first byte of a head to its last; 408.
  public var headerTime = 10.0
  /// Between requests on one connection; closed without a word.
  public var idleTime = 65.0
  /// Without one byte of an awaited body; 408.
  public var bodyIdleTime = 20.0
  /// After this time an awaited body must have come at `bodyRate` or faster; 408.
  public var bodyRateTime = 10.0
  /// Bytes a second; see `bodyRateTime`.
  public var bodyRate = 1024.0
  /// Without one byte of an answer taken by the client; closed.
  public var writeStallTime = 20.0
  /// For the client to close after we did.
  public var lingerTime = 2.0
  /// Between heartbeats of a silent event stream.
  public var heartbeatTime = 15.0

  // Counts.

  /// Open connections, at most what the process's descriptors allow; beyond it nobody is accepted.
  public var connections = 1024
  /// Open event streams; 503.
  public var eventStreams = 128
  /// Threads that may stand in for workers blocked on a slow client's body or answer.
  public var blockedWorkers = 128

  /// Limits that suit a server on the loopback or in a house network.
  public init() {}
}
