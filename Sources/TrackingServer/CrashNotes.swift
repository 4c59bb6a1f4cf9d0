// Which job was in training when a fault in the program's own code ended the process. Training is the same to the bit every
// time, so a job that did it once would do it at every start, and nobody could use the server any more.

import Glibc

/// Names of jobs in training, each with its thread, where a signal handler can read them, and the file that it leaves.
enum CrashNotes {
  private static let faults = [SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGFPE, SIGABRT]
  fileprivate static let slots = 64

  /// Takes down what follows in `path`, and gives the jobs that an earlier process has left there.
  static func begin(_ path: String) -> Set<Int64> {
    let left = read(path)
    unlink(path)
    notes.path.update(from: Array(path.utf8CString.prefix(4095)), count: min(4095, path.utf8.count + 1))
    for fault in faults {
      var action = sigaction()
      action.__sigaction_handler.sa_sigaction = noteFault
      action.sa_flags = SA_SIGINFO | SA_ONSTACK
      var before = sigaction()
      guard sigaction(fault, &action, &before) == 0 else { continue }
      notes.before[Int(fault)] = before
    }
    return left
  }

  /// What `body` does on this thread is a job's.
  static func during<Result>(_ job: Int64, _ body: () -> Result) -> Result {
    let slot = notes.free.withLock { $0.popLast() }
    defer {
      if let slot {
        notes.jobs[slot] = 0
        notes.free.withLock { $0.append(slot) }
      }
    }
    if let slot {
      notes.threads[slot] = pthread_self()
      notes.jobs[slot] = job
    }
    return body()
  }

  private static func read(_ path: String) -> Set<Int64> {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return [] }
    defer { close(descriptor) }
    var jobs = [Int64](repeating: 0, count: slots)
    let bytes = jobs.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
    return Set(jobs.prefix(max(0, bytes) / 8).filter { $0 > 0 })
  }
}

/// Memory that is there before a fault and is never given back. Unchecked: a slot is written by the thread that holds
/// it, and read by its fault.
private struct Notes: @unchecked Sendable {
  let jobs = UnsafeMutablePointer<Int64>.allocate(capacity: CrashNotes.slots)
  let threads = UnsafeMutablePointer<pthread_t>.allocate(capacity: CrashNotes.slots)
  let path = UnsafeMutablePointer<CChar>.allocate(capacity: 4096)
  let before = UnsafeMutablePointer<sigaction>.allocate(capacity: 65)
  let free = Guarded(Array(0..<CrashNotes.slots))

  init() {
    jobs.initialize(repeating: 0, count: CrashNotes.slots)
    threads.initialize(repeating: pthread_t(), count: CrashNotes.slots)
    path.initialize(repeating: 0, count: 4096)
    before.initialize(repeating: sigaction(), count: 65)
  }
}

private let notes = Notes()

/// Writes down the job of the thread at fault, or where the thread is none of a job's the only job there is; then the fault
/// takes its course. Calls nothing that a signal handler may not call.
private let noteFault:
  @convention(c) (Int32, UnsafeMutablePointer<siginfo_t>?, UnsafeMutableRawPointer?) -> Void = {
    signal, info, _ in
    var (own, only, count): (Int64, Int64, Int) = (0, 0, 0)
    let thread = pthread_self()
    for slot in 0..<CrashNotes.slots where notes.jobs[slot] != 0 {
      (only, count) = (notes.jobs[slot], count + 1)
      if notes.threads[slot] == thread { own = only }
    }
    var job = own != 0 ? own : count == 1 ? only : 0
    if job != 0 {
      let descriptor = open(notes.path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
      if descriptor >= 0 {
        _ = write(descriptor, &job, 8)
        close(descriptor)
      }
    }
    // An instruction that faults does so again; a signal that was sent, as by abort, is sent on.
    if (info?.pointee.si_code ?? 0) > 0 {
      sigaction(signal, &notes.before[Int(signal)], nil)
    } else {
      Glibc.signal(signal, SIG_DFL)
      raise(signal)
    }
  }
