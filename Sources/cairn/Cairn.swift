// The command line: parse the arguments, call the rooms below, print. No decision about training, storage or
// the protocol is taken here; a new command is one `Command` value in one of the files beside this one.

import Glibc
import TrackingServer

/// The program's entry point.
@main struct Cairn {
  static let commands: [Command] = [
    .serve, .demo, .train, .submit, .runs, .metrics, .show, .backup, .gc, .importMLflow, .check,
  ]

  static func main() {
    signal(SIGPIPE, SIG_IGN)
    let code = run(Array(CommandLine.arguments.dropFirst()))
    fflush(nil)
    exit(code)
  }

  /// Carries out one command line and gives the exit code.
  static func run(_ words: [String]) -> Int32 {
    guard let word = words.first else {
      complain(overview)
      return 64
    }
    switch word {
    case "--help", "-h", "help":
      if let name = words.dropFirst().first {
        guard let command = commands.first(where: { $0.name == name }) else { return unknown(name) }
        print(command.help, terminator: "")
      } else {
        print(overview, terminator: "")
      }
      return 0
    case "--version", "version":
      print("cairn \(cairnVersion)")
      return 0
    default:
      guard let command = commands.first(where: { $0.name == word }) else { return unknown(word) }
      return run(command, Array(words.dropFirst()))
    }
  }

  private static func run(_ command: Command, _ words: [String]) -> Int32 {
    if words.contains("--help") || words.contains("-h") {
      print(command.help, terminator: "")
      return 0
    }
    do {
      return try command.run(try command.parse(words))
    } catch let complaint as Complaint {
      complain("cairn \(command.name): \(printable(complaint.message))\n")
      if case .usage = complaint { complain("usage: \(command.usage)\n") }
      return complaint.exitCode
    } catch {
      complain("cairn \(command.name): \(printable("\(error)"))\n")
      return 1
    }
  }

  private static func unknown(_ word: String) -> Int32 {
    complain("cairn: '\(word)' is not a cairn command. See 'cairn --help'.\n")
    return 64
  }

  private static var overview: String {
    var text = """
      usage: cairn COMMAND [ARGUMENTS] [--help]

      Cairn trains models and keeps every curve and checkpoint: post a job with curl, watch its
      loss fall in a browser, and come back to any point of any run, bit for bit.


      """
    let groups: [(String, [String])] = [
      ("run a server", ["demo", "serve"]), ("train", ["train", "submit"]),
      ("look at what was trained", ["runs", "metrics", "show"]),
      ("look after the store", ["backup", "gc", "import-mlflow", "check"]),
    ]
    let width = commands.map(\.name.count).max() ?? 0
    for (title, names) in groups {
      text += "\(title)\n"
      for command in commands where names.contains(command.name) {
        text +=
          "   " + command.name + String(repeating: " ", count: width + 2 - command.name.count)
          + command.summary
          + "\n"
      }
      text += "\n"
    }
    return text + """
      'cairn COMMAND --help' tells more about one of them. CAIRN_TOKEN, CAIRN_DATA and CAIRN_SERVER
      stand in for the flags of those names; CAIRN_KERNELS=baseline|avx2|avx512 forces a kernel level.

      """
  }
}

/// Writes to the error stream.
func complain(_ text: String) {
  let bytes = Array(text.utf8)
  _ = write(STDERR_FILENO, bytes, bytes.count)
}

/// Prints a line that a reader behind a pipe is to see at once.
func announce(_ line: String) {
  print(line)
  fflush(nil)
}
