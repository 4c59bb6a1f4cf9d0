// The data folder: made when missing, private to its owner, held by one process at a time.

import Glibc

/// Names inside the data folder.
struct Folder: Sendable {
  let path: String
  var database: String { path + "/cairn.db" }
  var lock: String { path + "/lock" }
  var artifacts: String { path + "/artifacts" }

  /// Makes the folder, its parents and `artifacts/` where they are missing.
  func make() throws(StoreError) {
    var made = path.hasPrefix("/") ? "/" : ""
    for part in path.split(separator: "/") {
      made += made.isEmpty || made.hasSuffix("/") ? part : "/" + part
      try makeOne(made)
    }
    try makeOne(artifacts)
    guard access(path, W_OK | X_OK) == 0 else { throw Folder.refusal(path) }
  }

  private func makeOne(_ name: String) throws(StoreError) {
    if mkdir(name, 0o700) == 0 { return }
    let reason = errno
    var status = stat()
    // Some file systems answer EROFS or EACCES for a folder that is there: look, do not guess.
    let isThere = stat(name, &status) == 0
    if isThere && status.st_mode & S_IFMT == S_IFDIR { return }
    errno = isThere ? ENOTDIR : reason
    throw Folder.refusal(name)
  }

  /// Takes the lock that lasts as long as the returned descriptor is open.
  func takeLock() throws(StoreError) -> Int32 {
    let file = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw Folder.refusal(lock) }
    if flock(file, LOCK_EX | LOCK_NB) == 0 { return file }
    let reason = errno
    Glibc.close(file)
    guard reason == EWOULDBLOCK else {
      errno = reason
      throw Folder.refusal(lock)
    }
    throw .locked(path: path)
  }

  static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  static func size(_ path: String) -> Int {
    var status = stat()
    return stat(path, &status) == 0 ? Int(status.st_size) : 0
  }

  /// Puts a finished file and its name on the disk.
  static func sync(_ path: String) throws(StoreError) {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw refusal(path) }
    defer { Glibc.close(file) }
    guard fsync(file) == 0 else { throw refusal(path) }
  }

  static func parent(_ path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  static func refusal(_ path: String) -> StoreError {
    .notWritable(path: path, reason: String(cString: strerror(errno)))
  }
}
