// The commands that look after a store: backup, check.

import Storage

private let dataOption = Option(
  name: "data", placeholder: "DIR", fallback: "./cairn-data", variable: "CAIRN_DATA",
  help: "the folder that holds the store")

extension Command {
  static let backup = Command(
    name: "backup", summary: "Copy a store, also a live one, into one file", arguments: ["FILE"],
    options: [dataOption],
    description: """
      Writes a consistent, compacted copy of the store's database to FILE, which must not exist yet.
      A server may be running on the store. To restore: stop the server, put the copy in place of
      cairn.db, delete cairn.db-wal and cairn.db-shm, start.
      """,
    examples: ["cairn backup /backups/cairn-monday.db"]
  ) { arguments in
    let bytes = try Store.backup(folder: arguments.text("data") ?? "", to: arguments.positional[0])
    print("\(arguments.positional[0])  \(bytes) bytes")
    return 0
  }

  static let check = Command(
    name: "check", summary: "Check the integrity of a store", options: [dataOption],
    description: """
      Reads the whole store: SQLite's own integrity check, foreign keys, and the checksum of every
      block of points. Prints what is wrong and exits with 1, or prints 'ok'.
      """,
    examples: ["cairn check --data /srv/cairn"]
  ) { arguments in
    let faults = try Store.check(folder: arguments.text("data") ?? "")
    for fault in faults { print(fault) }
    if faults.isEmpty { print("ok") }
    return faults.isEmpty ? 0 : 1
  }
}
