// The one lock of the room. It is a pthread mutex on the heap because the thread sanitizer misreads
// Synchronization.Mutex, and because waiting for a condition belongs to it.
import Glibc

/// A value that is only reached while its mutex is held, with a condition to wait for changes.
public final class Lock<State: Sendable>: @unchecked Sendable {  // `state` is only touched under `mutex`
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let changed: UnsafeMutablePointer<pthread_cond_t>
  private var state: State

  /// A lock around `state`.
  public init(_ state: State) {
    self.state = state
    mutex = .allocate(capacity: 1)
    changed = .allocate(capacity: 1)
    pthread_mutex_init(mutex, nil)
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(changed, &attributes)
    pthread_condattr_destroy(&attributes)
  }

  deinit {
    pthread_cond_destroy(changed)
    pthread_mutex_destroy(mutex)
    changed.deallocate()
    mutex.deallocate()
  }

  /// Runs `body` with the state while nobody else can reach it; what it throws passes through.
  public func withLock<Result, Failure: Error>(
    _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return try body(&state)
  }

  /// Waits until `blocked` is false, then runs `body`. `blocked` is asked at first and after every wake-up, and may note
  /// that in the state. A wait beyond `deadline` (Clock's nanoseconds) ends too.
  public func waiting<Result, Failure: Error>(
    while blocked: (inout State) -> Bool, until deadline: UInt64? = nil,
    _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    while blocked(&state) {
      if let deadline {
        var time = timespec(
          tv_sec: Int(deadline / 1_000_000_000), tv_nsec: Int(deadline % 1_000_000_000))
        if pthread_cond_timedwait(changed, mutex, &time) == ETIMEDOUT { break }
      } else {
        pthread_cond_wait(changed, mutex)
      }
    }
    return try body(&state)
  }

  /// Wakes one waiting thread.
  public func wakeOne() { pthread_cond_signal(changed) }

  /// Wakes every waiting thread.
  public func wakeAll() { pthread_cond_broadcast(changed) }
}

/// Monotonic time: it never jumps with the wall clock.
enum Clock {
  /// Nanoseconds since some fixed moment.
  static var now: UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  static func nanoseconds(_ seconds: Double) -> UInt64 {
    UInt64(max(0, min(seconds, 1e9)) * 1e9)
  }
}

/// A plain thread with its own stack size; every signal is blocked in it, so that main's signalfd gets them.
enum Thread {
  private final class Body {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  /// Starts a detached thread; false when the system refuses one.
  static func start(stack: Int, _ body: @escaping @Sendable () -> Void) -> Bool {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setstacksize(&attributes, stack)
    pthread_attr_setdetachstate(&attributes, CInt(PTHREAD_CREATE_DETACHED))

    var all = sigset_t()
    var before = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }

    let box = Unmanaged.passRetained(Body(body))
    var thread = pthread_t()
    let failure = pthread_create(
      &thread, &attributes,
      { argument in
        if let argument { Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run() }
        return nil
      }, box.toOpaque())
    if failure != 0 { box.release() }
    return failure == 0
  }
}
