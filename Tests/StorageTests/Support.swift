// What the tests share: folders that vanish, stores with short waits, a small generator.

import Glibc
import Testing

@testable import Storage

/// A folder that is removed with its last reference.
final class TemporaryFolder: Sendable {
  let path: String

  init() throws {
    var template = Array("/tmp/cairn-storage-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw StoreError.notWritable(path: "/tmp", reason: "mkdtemp") }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit { removeTree(path) }

  /// A store in this folder.
  func open(
    limits: Maintenance.Limits = .init(), migrations: [Migration] = Migrations.all
  ) throws -> Store {
    try Store.open(folder: path, durability: .normal, migrations: migrations, limits: limits)
  }
}

func removeTree(_ path: String) {
  if let folder = opendir(path) {
    while let entry = readdir(folder) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != "." && name != ".." { removeTree(path + "/" + name) }
    }
    closedir(folder)
    rmdir(path)
  } else {
    unlink(path)
  }
}

func copyFile(_ from: String, _ to: String) throws {
  let input = open(from, O_RDONLY)
  let output = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
  defer {
    close(input)
    close(output)
  }
  #expect(input >= 0 && output >= 0)
  var buffer = [UInt8](repeating: 0, count: 1 << 16)
  while true {
    let count = read(input, &buffer, buffer.count)
    if count <= 0 { break }
    #expect(write(output, buffer, count) == count)
  }
}

extension Maintenance.Limits {
  /// Folds, shrinks and checkpoints as soon as the writer is idle.
  static var eager: Maintenance.Limits {
    var limits = Maintenance.Limits()
    limits.foldPoints = 1
    limits.shrinkQuiet = 0
    limits.checkpointQuiet = 0
    limits.sparePages = 0
    return limits
  }

  /// Never folds by itself.
  static var lazy: Maintenance.Limits {
    var limits = Maintenance.Limits()
    limits.foldPoints = .max
    limits.foldPressure = .max
    limits.foldAge = 1 << 60
    limits.foldQuiet = 1 << 60
    return limits
  }
}

extension Store {
  /// Folds everything now.
  func foldAll(budget: Int = 1000) throws {
    try write { connection in
      try connection.emptyInbox()
      for run in try connection.unfoldedRuns().runs.keys {
        while true {
          let slice = try connection.foldSegments(run: run, budget: budget)
          connection.noteFolded(run: run, slice)
          if slice.isComplete { break }
        }
      }
    }
  }

  /// Waits until `condition` holds, at most ten seconds.
  func eventually(_ condition: () throws -> Bool) rethrows -> Bool {
    for _ in 0..<1000 {
      if try condition() { return true }
      usleep(10_000)
    }
    return false
  }
}

/// A small generator whose seed a failing test can print.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

/// Runs `body` on that many threads and waits for all.
func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) throws {
  let threads = try (0..<count).map { index in try startThread { body(index) } }
  for thread in threads { pthread_join(thread, nil) }
}
