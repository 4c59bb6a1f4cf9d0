// Copies and checks of a store, while a server has it open: both only read.

import CSQLite
import Glibc

extension Store {
  /// Copies the store, as it is now and without free pages, to a new file; returns the size of the copy.
  @discardableResult
  public func backup(to file: String) throws -> Int { try Store.backup(folder: folder.path, to: file) }

  /// Every damage that can be found; empty when there is none.
  public func check() throws -> [String] { try Store.check(folder: folder.path) }

  /// Copies the store in `folder`, which a server may have open, to a new file; returns the copy's bytes.
  ///
  /// The copy appears under its name when it is complete. Throws `.conflict` when the file is there already.
  public static func backup(folder: String, to file: String) throws -> Int {
    if Folder.exists(file) { throw StoreError.conflict("\(file) is there already; it was left as it is") }
    let connection = try copier(folder)
    let partial = file + ".partial"
    unlink(partial)
    do {
      try connection.execute("VACUUM INTO ?", .text(partial))
      try Folder.sync(partial)
      guard rename(partial, file) == 0 else { throw Folder.refusal(file) }
    } catch {
      unlink(partial)
      throw error
    }
    try Folder.sync(Folder.parent(file))
    return Folder.size(file)
  }

  /// Checks the store in `folder`, which a server may have open: pages, references, every checksum.
  public static func check(folder: String) throws -> [String] {
    let connection = try copier(folder)
    try connection.execute("BEGIN")
    defer { connection.undo() }
    var damage = try connection.all("PRAGMA integrity_check(100)") { $0.text(0) }.filter { $0 != "ok" }
    try connection.each("PRAGMA foreign_key_check") { row in
      damage.append("a row of \(row.text(0)) refers to a missing row of \(row.text(2))")
    }
    damage += try connection.damagedMetrics()
    damage += try connection.damagedCheckpoints()
    let files = ArtifactFiles(folder: Folder(path: folder).artifacts, isDurable: false)
    damage += try connection.damagedArtifacts(files)
    return damage
  }

  /// Copies a store aside before it is migrated, once for each version.
  static func keepBackup(of folder: Folder, version: Int) throws {
    let file = "\(folder.path)/backup-v\(version).db"
    if !Folder.exists(file) { _ = try backup(folder: folder.path, to: file) }
  }

  private static func copier(_ folder: String) throws -> Connection {
    let file = Folder(path: folder).database
    guard Folder.exists(file) else { throw StoreError.notFound(file) }
    let connection = try Connection(path: file, role: .copier)
    try connection.configure(role: .copier, durability: .full)
    _ = try Migrations.version(of: connection)
    return connection
  }
}
