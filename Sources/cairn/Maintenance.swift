// The commands that look after a store: backup, gc, check.

import Glibc
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

  static let gc = Command(
    name: "gc", summary: "Remove deleted runs and models for good and give the disk back",
    options: [
      dataOption,
      Option(
        name: "older-than", placeholder: "DAYS", fallback: "0",
        help: "only what was deleted at least so many days ago"),
    ],
    description: """
      Deleting a run, a logged model or an experiment hides it. This removes what is hidden, with
      its curves, checkpoints and artifacts, and makes the file smaller; what a version in the
      model registry still names stays until the version is gone. The server must not be running.
      """,
    examples: ["cairn gc --data /srv/cairn --older-than 30"]
  ) { arguments in
    let text = arguments.text("older-than") ?? "0"
    guard let days = Int64(text), (0...100_000).contains(days) else {
      throw Complaint.usage("--older-than must be a number of days from 0 to 100000, got '\(text)'")
    }
    let store = try Store.open(folder: arguments.text("data") ?? "")
    defer { store.close() }
    let now = Int64(time(nil)) * 1000 + 999
    let removed = try store.collect(before: now - days * 86_400_000)
    print(
      "removed \(removed.runs) runs, \(removed.models) models and \(removed.experiments) experiments; "
        + "freed \(removed.bytes) bytes")
    if removed.kept > 0 { print("kept \(removed.kept) whose files the model registry names") }
    return 0
  }

  static let importMLflow = Command(
    name: "import-mlflow", summary: "Bring an MLflow store over", arguments: ["PATH"],
    options: [
      dataOption,
      Option(
        name: "artifacts", placeholder: "DIR",
        help: "where MLflow's server kept proxied artifacts (default: mlartifacts beside the database)"),
    ],
    description: """
      PATH is an mlflow.db or an mlruns folder. Experiments, runs with their histories, parameters,
      tags and data sets, logged models, the model registry, and artifacts on this machine are
      copied; PATH is left as it is. Importing again adds what is new and changes nothing else.
      The server must not be running.
      """,
    examples: ["cairn import-mlflow ./mlruns", "cairn import-mlflow mlflow.db --artifacts ./mlartifacts"]
  ) { arguments in
    let store = try Store.open(folder: arguments.text("data") ?? "")
    defer { store.close() }
    let onTerminal = isatty(STDERR_FILENO) == 1
    let summary = try store.importMLflow(arguments.positional[0], artifacts: arguments.text("artifacts")) {
      if onTerminal { complain("\r\($0) of \($1) runs") }
    }
    if onTerminal { complain("\n") }
    print("experiments  \(summary.experiments) new")
    print("runs         \(summary.runs) new, \(summary.knownRuns) there already")
    print("points       \(summary.points) read")
    print("models       \(summary.loggedModels) new")
    print("registry     \(summary.registeredModels) models and \(summary.modelVersions) versions new")
    print("artifacts    \(summary.artifacts) written")
    for problem in summary.problems { print(printable(problem)) }
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
