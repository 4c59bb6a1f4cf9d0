// The front door: a configuration in, a running server out.
import CLinux
import Glibc

/// Everything a server is made of.
public struct HTTPServerConfiguration: Sendable {
  /// `localhost` (IPv4 and IPv6) or an address; `0.0.0.0` and `::` mean every interface.
  public var host = "127.0.0.1"
  /// The port; 0 lets the system choose.
  public var port = 0
  /// Sizes, times and counts.
  public var limits = HTTPLimits()
  /// The route table.
  public var routes: [HTTPRoute]
  /// Answers GET and HEAD where no route does (static files); nil is 404.
  public var fallback: @Sendable (HTTPRequest) throws -> HTTPResponse? = { _ in nil }
  /// Throws when the caller lacks a route's permission; called on a worker before the route's handler.
  public var authorize: @Sendable (HTTPPermission, HTTPRequest) throws -> Void = { _, _ in }
  /// What a thrown error other than HTTPFailure means; nil is 500 with an id that the log explains.
  public var translate: @Sendable (any Error) -> HTTPFailure? = { _ in nil }
  /// The answer for a failure; must be quick, because the loop calls it too.
  public var renderFailure: @Sendable (HTTPFailure) -> HTTPResponse = {
    .text("\($0.code): \($0.message)\n", status: $0.status)
  }
  /// Fields on every answer that does not set them itself.
  public var commonHeaders: HTTPHeaders = [
    "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
  ]
  /// Hosts to answer for besides the loopback names and `host`; see BrowserGuard.
  public var allowedHosts: [String] = []
  /// Handlers that run at the same time.
  public var workers = 4
  /// Gets one line for each thing the operator should know.
  public var log: @Sendable (String) -> Void = { _ in }

  /// A configuration with safe defaults.
  public init(routes: [HTTPRoute] = []) { self.routes = routes }
}

/// An HTTP/1.1 server: one thread moves bytes, a fixed number of workers run handlers.
public final class HTTPServer: Sendable {
  /// The port it listens on.
  public let port: Int
  private let loop: EventLoop
  private let pool: WorkerPool

  /// Binds and listens, so that clients may connect, but answers nobody before `start`. Throws when the address is
  /// taken or wrong, or when the route table contradicts itself.
  public init(_ configuration: HTTPServerConfiguration) throws(HTTPServerError) {
    let router = try Router(configuration.routes)
    let listener = try Listener(host: configuration.host, port: configuration.port)
    port = listener.port
    pool = WorkerPool(size: configuration.workers, blocked: configuration.limits.blockedWorkers)
    do throws(HTTPServerError) {
      loop = try EventLoop(configuration, router: router, listener: listener, pool: pool)
    } catch {
      for descriptor in listener.descriptors { close(descriptor) }
      throw error
    }
  }

  deinit { stop(grace: 0) }

  /// Begins to accept and answer.
  public func start() { loop.post(.start) }

  /// Stops: no new connections, idle ones close, event streams end, requests in progress may finish within `grace`
  /// seconds. Blocks until all is over; further calls return when the first one has done its work.
  public func stop(grace: Double) {
    let deadline = Clock.now + Clock.nanoseconds(grace)
    loop.stop(deadline: deadline)
    // Handlers may still be cleaning up after their connection; they get the rest of the grace, and a moment at least.
    pool.close(deadline: max(deadline, Clock.now + Clock.nanoseconds(0.1)))
  }

  /// The counters now.
  public var gauges: HTTPGauges { loop.gauges.withLock { $0 } }
}
