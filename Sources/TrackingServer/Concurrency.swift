import CLinux
import Glibc

/// A value behind a lock; the only way to shared mutable state in this room.
///
/// `pthread_mutex_t` on the heap: the thread sanitizer follows it, which it does not do for
/// `Synchronization.Mutex` with this toolchain.
final class Guarded<Value>: @unchecked Sendable {  // every access holds the mutex
  private var value: Value
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let condition: UnsafeMutablePointer<pthread_cond_t>

  init(_ value: Value) {
    self.value = value
    mutex = .allocate(capacity: 1)
    condition = .allocate(capacity: 1)
    pthread_mutex_init(mutex, nil)
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(condition, &attributes)
    pthread_condattr_destroy(&attributes)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return try body(&value)
  }

  /// Changes the value and wakes everyone who waits for it.
  func update(_ body: (inout Value) -> Void) {
    withLock { body(&$0) }
    pthread_cond_broadcast(condition)
  }

  /// Waits until `body` gives a result or the time is over.
  func wait<Result>(seconds: Double, _ body: (inout Value) -> Result?) -> Result? {
    var deadline = timespec()
    clock_gettime(CLOCK_MONOTONIC, &deadline)
    let nanoseconds = deadline.tv_nsec + Int(seconds.truncatingRemainder(dividingBy: 1) * 1e9)
    deadline.tv_sec += Int(seconds) + nanoseconds / 1_000_000_000
    deadline.tv_nsec = nanoseconds % 1_000_000_000
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    while true {
      if let result = body(&value) { return result }
      if pthread_cond_timedwait(condition, mutex, &deadline) == ETIMEDOUT { return body(&value) }
    }
  }
}

/// A joinable thread with a stack that deep parsers and trainers can live in.
final class Thread: @unchecked Sendable {  // the handle is set once, before anyone else sees the object
  private var handle = pthread_t()

  init(_ body: @escaping @Sendable () -> Void) {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    pthread_attr_setstacksize(&attributes, 4 << 20)
    let box = Unmanaged.passRetained(Start(body: body))
    pthread_create(
      &handle, &attributes,
      { argument in
        guard let argument else { return nil }
        let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
        start.body()
        return nil
      }, box.toOpaque())
    pthread_attr_destroy(&attributes)
  }

  func join() { pthread_join(handle, nil) }

  /// Lets it end by itself; it is not joined.
  func detach() { pthread_detach(handle) }

  private final class Start: Sendable {
    let body: @Sendable () -> Void
    init(body: @escaping @Sendable () -> Void) { self.body = body }
  }
}

/// Milliseconds since 1970.
func now() -> Int64 {
  var time = timespec()
  clock_gettime(CLOCK_REALTIME, &time)
  return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
}

/// Seconds on a clock that never jumps.
func monotonicSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// Applies `body` to each item on this thread and `threads - 1` more. The results are in the order of the items, and so
/// is the error that is thrown when there are several.
func concurrentMap<Item: Sendable, Output: Sendable>(
  _ items: [Item], threads: Int, _ body: @escaping @Sendable (Item) throws -> Output
) throws -> [Output] {
  let results = Guarded<[Result<Output, any Error>?]>(Array(repeating: nil, count: items.count))
  let next = Guarded(0)
  let work: @Sendable () -> Void = {
    while true {
      let index = next.withLock { next in
        defer { next += 1 }
        return next
      }
      guard index < items.count else { return }
      let result = Result { try body(items[index]) }
      results.withLock { $0[index] = result }
    }
  }
  let helpers = (1..<max(1, threads)).map { _ in Thread(work) }
  work()
  for helper in helpers { helper.join() }
  return try results.withLock { $0 }.compactMap { try $0?.get() }
}
