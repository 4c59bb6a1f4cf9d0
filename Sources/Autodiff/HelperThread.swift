import Glibc

/// A thread that carries out one function. Whoever started it sees to it that the function ends, and then joins it.
public struct HelperThread: Sendable {
  private let thread: pthread_t

  /// Starts the thread; nil when the system has none left.
  public init?(_ body: @escaping @Sendable () -> Void) {
    let start = Unmanaged.passRetained(Start(body))
    var thread = pthread_t()
    let result = pthread_create(
      &thread, nil,
      { argument in
        if let argument { Unmanaged<Start>.fromOpaque(argument).takeRetainedValue().body() }
        return nil
      }, start.toOpaque())
    guard result == 0 else {
      start.release()
      return nil
    }
    self.thread = thread
  }

  /// Waits until the function has ended.
  public func join() { pthread_join(thread, nil) }

  private final class Start {
    let body: @Sendable () -> Void

    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }
}
