// The threads that share an instruction.

import Glibc
import Kernels
import Synchronization

/// A caller and its helpers, who carry out commands together. Between two commands a helper looks for the next one
/// for some 100 microseconds and then sleeps. One thread at a time may use a pool.
public final class ThreadPool {
  /// How many share a command, the caller included.
  public let threads: Int
  private let shared: SharedCommand
  private let helpers: [HelperThread]

  /// Starts `threads` - 1 helpers, or as many as the system allows.
  public init(threads: Int) {
    let wanted = max(1, min(threads, 64))
    let shared = SharedCommand(wanted)
    var helpers: [HelperThread] = []
    for number in 1..<wanted {
      guard let helper = HelperThread({ shared.help(number) }) else { break }
      helpers.append(helper)
    }
    self.shared = shared
    self.helpers = helpers
    self.threads = helpers.count + 1
    shared.threads = self.threads
  }

  deinit {
    shared.end()
    for helper in helpers { helper.join() }
  }

  /// Floats of scratch that the caller may use between commands: partial sums of long arenas.
  static let partialCount = 4096
  var partials: UnsafeMutablePointer<Float> { shared.scratch }

  /// Makes sure that each thread has as many floats of scratch; not while a command runs.
  func reserve(scratch floats: Int) { shared.reserve(floats) }

  /// Carries out a command, with all threads when it has units to share.
  func run(_ command: UnsafePointer<Command>, _ context: UnsafePointer<RunContext>) {
    if threads == 1 || command.pointee.split.units == 1 {
      Command.run(command, context, 0, command.pointee.split.units, shared.callerScratch)
    } else {
      shared.publish(command, context)
      shared.runPart(0)
      shared.waitForHelpers()
    }
  }
}

/// The command that caller and helpers work on. The caller writes it, then raises `generation`, which the helpers
/// read first; they lower `busy` when they are done, which the caller reads before it goes on.
private final class SharedCommand: @unchecked Sendable {  // handed over by the two atomics as said above
  /// Looks at an atomic before a thread lets others have its core: some 7 microseconds.
  private static let spins = 10_000
  /// Looks with a system call between them, some 100 microseconds: a helper that slept through the small commands
  /// in the middle of a step would come 30 late to the large one behind them. Where other threads wait for a core
  /// they get it at the first of these looks.
  private static let yields = 200

  private(set) var scratch: UnsafeMutablePointer<Float>
  /// Floats of scratch of each thread.
  private var scratchFloats = Kernels.productScratchFloats + 16
  var threads: Int
  private var command: UnsafePointer<Command>?
  private var context: UnsafePointer<RunContext>?
  private var isEnding = false

  private let generation = Atomic<UInt32>(0)
  private let busy = Atomic<Int>(0)
  private let sleepers = Atomic<Int>(0)
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let wake = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  init(_ threads: Int) {
    self.threads = threads
    scratch = Self.memory(ThreadPool.partialCount + threads * scratchFloats)
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(wake, nil)
  }

  deinit {
    pthread_cond_destroy(wake)
    pthread_mutex_destroy(mutex)
    wake.deallocate()
    mutex.deallocate()
    UnsafeMutableRawPointer(scratch).deallocate()
  }

  private static func memory(_ floats: Int) -> UnsafeMutablePointer<Float> {
    UnsafeMutableRawPointer.allocate(byteCount: floats * 4, alignment: 64)
      .initializeMemory(as: Float.self, repeating: 0, count: floats)
  }

  func reserve(_ floats: Int) {
    guard floats > scratchFloats else { return }
    UnsafeMutableRawPointer(scratch).deallocate()
    scratchFloats = (floats + 15) & ~15
    scratch = Self.memory(ThreadPool.partialCount + threads * scratchFloats)
  }

  var callerScratch: UnsafeMutablePointer<Float> { scratch + ThreadPool.partialCount }

  func publish(_ command: UnsafePointer<Command>, _ context: UnsafePointer<RunContext>) {
    self.command = command
    self.context = context
    busy.store(threads - 1, ordering: .relaxed)
    announce()
  }

  func end() {
    isEnding = true
    announce()
  }

  /// A helper counts itself among the sleepers before it looks at the generation for the last time, and the caller
  /// raises the generation before it looks for sleepers: one of both sees the other.
  private func announce() {
    generation.add(1, ordering: .sequentiallyConsistent)
    if sleepers.load(ordering: .sequentiallyConsistent) > 0 {
      pthread_mutex_lock(mutex)
      pthread_cond_broadcast(wake)
      pthread_mutex_unlock(mutex)
    }
  }

  func waitForHelpers() {
    var spins = 0
    while busy.load(ordering: .acquiring) > 0 {
      spins += 1
      // A helper may have lost its core.
      if spins > Self.spins { sched_yield() }
    }
  }

  /// Part `number` of the units, as even as they can be cut.
  func runPart(_ number: Int) {
    guard let command, let context else { return }
    let units = command.pointee.split.units
    let first = units * number / threads
    let last = units * (number + 1) / threads
    if first < last {
      Command.run(command, context, first, last, callerScratch + number * scratchFloats)
    }
  }

  func help(_ number: Int) {
    var seen: UInt32 = 0
    while true {
      seen = nextGeneration(after: seen)
      if isEnding { return }
      runPart(number)
      busy.subtract(1, ordering: .releasing)
    }
  }

  private func nextGeneration(after seen: UInt32) -> UInt32 {
    for _ in 0..<Self.spins {
      let current = generation.load(ordering: .acquiring)
      if current != seen { return current }
    }
    for _ in 0..<Self.yields {
      sched_yield()
      let current = generation.load(ordering: .acquiring)
      if current != seen { return current }
    }
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    sleepers.add(1, ordering: .sequentiallyConsistent)
    defer { sleepers.subtract(1, ordering: .sequentiallyConsistent) }
    while generation.load(ordering: .sequentiallyConsistent) == seen { pthread_cond_wait(wake, mutex) }
    return generation.load(ordering: .acquiring)
  }
}
