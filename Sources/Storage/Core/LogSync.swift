// The thread that waits for the disk.
//
// SQLite would wait inside COMMIT (`synchronous=FULL`), and nothing could be written meanwhile. Here COMMIT only appends
// to the write-ahead log (`synchronous=NORMAL`, which keeps the store whole whatever happens), and this thread puts the
// log on the disk before the group is answered, while the writer prepares the next group. A log is valid up to its
// last whole commit, so whatever order the blocks reach the disk in, a group is there once a sync that began after
// its COMMIT has ended; and readers' answers wait as well (`awaitDisk`), so that nobody is told what may yet be lost.
//
// After a failed sync the kernel may take the unwritten blocks for written, and a later sync would succeed without
// them. So nothing is acknowledged any more until the writer has copied the log into the database (`hasFailed`).

import Glibc

/// Makes commits durable, in their order. Unchecked: everything is under `monitor`.
final class LogSync: @unchecked Sendable {
  /// Called on this thread with whether the commit is on the disk.
  typealias Answer = (Bool) -> Void

  private let monitor = Monitor()
  private var waiting: [Answer] = []
  private var announced = 0
  private var done = 0
  private var readersWaiting = 0
  private var stopping = false
  private var failed = false
  private var thread: pthread_t?
  private let sync: () -> Bool
  private let idle: () -> Void

  /// `sync` puts the log on the disk and tells whether it could; `idle` is called when it has come back.
  init(sync: @escaping () -> Bool, idle: @escaping () -> Void) throws(StoreError) {
    self.sync = sync
    self.idle = idle
    let thread = try startThread { [self] in loop() }
    monitor.locked { self.thread = thread }
  }

  // MARK: The writer's side

  /// Says that the next COMMIT begins: from now on readers may see what it brings.
  func announce() { monitor.locked { announced += 1 } }

  /// Takes what was announced, after its COMMIT; `answer` is called once.
  func submit(_ answer: @escaping Answer) {
    monitor.locked { waiting.append(answer) }
    monitor.broadcast()
  }

  /// A sync failed, and nothing is acknowledged until `recover`.
  var hasFailed: Bool { monitor.locked { failed } }

  /// The log was copied into the database, and that is on the disk.
  func recover() { monitor.locked { failed = false } }

  /// Answers what waits and ends the thread.
  func stop() {
    let thread = monitor.locked {
      stopping = true
      monitor.broadcast()
      defer { self.thread = nil }
      return self.thread
    }
    if let thread { pthread_join(thread, nil) }
  }

  // MARK: Everybody's side

  /// Whether the caller is this thread, which must not wait for itself.
  var isCurrent: Bool { monitor.locked { thread.map { pthread_equal($0, pthread_self()) != 0 } ?? false } }

  /// Waits until all that a reader may have seen is on the disk.
  func awaitDisk() {
    if isCurrent { return }
    monitor.locked {
      let seen = announced
      readersWaiting += 1
      while done < seen, !stopping { monitor.wait() }
      readersWaiting -= 1
    }
  }

  // MARK: The thread

  private func loop() {
    while let answers = take() {
      let isDurable = !hasFailed && sync()
      monitor.locked {
        if !isDurable { failed = true }
        done += answers.count
        if readersWaiting > 0 { monitor.broadcast() }
      }
      // The writer commits its next group while this one is answered.
      idle()
      for answer in answers { answer(isDurable) }
    }
  }

  /// All commits that wait, which one sync serves; nil at the end.
  private func take() -> [Answer]? {
    monitor.locked {
      while waiting.isEmpty, !stopping { monitor.wait() }
      guard !waiting.isEmpty else { return nil }
      defer { waiting = [] }
      return waiting
    }
  }
}

/// A file whose bytes are put on the disk.
final class SyncedFile: Sendable {
  private let descriptor: Int32

  /// Opens a file that is there, and puts its name on the disk. Throws `.notWritable`.
  init(path: String) throws(StoreError) {
    try Folder.sync(Folder.parent(path))
    descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Folder.refusal(path) }
  }

  deinit { close(descriptor) }

  /// Whether all that was written is on the disk now.
  func sync() -> Bool {
    while fdatasync(descriptor) != 0 {
      if errno != EINTR { return false }
    }
    return true
  }
}
