// The command line's grammar: a command is a value that lists its options, so the help is always what is parsed.

import Glibc

/// A flag of a command, `--name VALUE` or, without a placeholder, `--name`.
struct Option: Sendable {
  var name: String
  var placeholder: String?
  /// Shown in the help and used when neither the flag nor the variable is given.
  var fallback: String?
  /// An environment variable that stands in for the flag.
  var variable: String?
  var help: String
}

/// One command of the program.
struct Command: Sendable {
  var name: String
  var summary: String
  var arguments: [String] = []
  var options: [Option] = []
  /// The paragraphs of the help, after the usage line.
  var description: String
  var examples: [String] = []
  var run: @Sendable (Arguments) throws -> Int32
}

/// What the user gave for one command.
struct Arguments {
  var positional: [String]
  var values: [String: String]

  func text(_ name: String) -> String? { values[name] }
  func has(_ name: String) -> Bool { values[name] != nil }

  func integer(_ name: String, in range: ClosedRange<Int>) throws -> Int? {
    guard let text = values[name] else { return nil }
    guard let value = Int(text), range.contains(value) else {
      throw Complaint.usage(
        "--\(name) must be an integer from \(range.lowerBound) to \(range.upperBound), got \"\(text)\"")
    }
    return value
  }
}

/// An end of the program that the user is told about: the message on the error stream, then the exit code.
enum Complaint: Error {
  /// Wrong words on the command line (sysexits EX_USAGE, 64).
  case usage(String)
  /// The command could not do what it was asked to.
  case failure(String)

  var message: String {
    switch self {
    case .usage(let text), .failure(let text): text
    }
  }

  var exitCode: Int32 {
    switch self {
    case .usage: 64
    case .failure: 1
    }
  }
}

extension Command {
  /// Reads the words after the command's name.
  func parse(_ words: [String]) throws -> Arguments {
    var arguments = Arguments(positional: [], values: [:])
    for option in options {
      if let fallback = option.fallback { arguments.values[option.name] = fallback }
      if let variable = option.variable, let value = environment(variable) {
        arguments.values[option.name] = value
      }
    }
    var rest = words[...]
    while let word = rest.popFirst() {
      guard word.hasPrefix("--"), word.count > 2 else {
        if word.hasPrefix("-"), word != "-" { throw Complaint.usage("unknown flag \(word)") }
        arguments.positional.append(word)
        continue
      }
      let parts = word.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let name = String(parts[0])
      guard let option = options.first(where: { $0.name == name }) else {
        throw Complaint.usage("unknown flag --\(name)")
      }
      if option.placeholder == nil {
        if parts.count > 1 { throw Complaint.usage("--\(name) takes no value") }
        arguments.values[name] = "true"
      } else if parts.count > 1 {
        arguments.values[name] = String(parts[1])
      } else {
        guard let value = rest.popFirst() else { throw Complaint.usage("--\(name) needs a value") }
        arguments.values[name] = value
      }
    }
    if arguments.positional.count != self.arguments.count {
      let wanted = self.arguments.isEmpty ? "no arguments" : self.arguments.joined(separator: " ")
      throw Complaint.usage("\(name) takes \(wanted), got \(arguments.positional.count)")
    }
    return arguments
  }

  /// `cairn NAME ARGUMENTS [--flag VALUE] ...`
  var usage: String {
    var line = (["cairn", name] + arguments).joined(separator: " ")
    for option in options { line += " [--\(option.name)\(option.placeholder.map { " \($0)" } ?? "")]" }
    return wrapped(line, indent: 7 + 6 + name.count + 1, first: 7)
  }

  /// The whole help page.
  var help: String {
    var page = "usage: \(usage)\n\n\(description)\n"
    if !options.isEmpty {
      page += "\nOptions\n"
      for option in options {
        var notes: [String] = []
        if let fallback = option.fallback { notes.append("default \(fallback)") }
        if let variable = option.variable { notes.append("or $\(variable)") }
        let text = option.help + (notes.isEmpty ? "" : " (\(notes.joined(separator: "; ")))")
        let flag = "--\(option.name)\(option.placeholder.map { " \($0)" } ?? "")"
        let padded = "    " + flag + String(repeating: " ", count: max(2, 26 - flag.count))
        page += padded + wrapped(text, indent: 30, first: padded.count) + "\n"
      }
    }
    if !examples.isEmpty { page += "\nExamples\n" + examples.map { "    \($0)\n" }.joined() }
    return page
  }
}

/// Breaks a text into lines of at most 90 columns, the later ones indented.
func wrapped(_ text: String, indent: Int, first: Int) -> String {
  var lines: [String] = [""]
  var column = first
  for word in text.split(separator: " ") {
    if column + word.count + 1 > 90, lines.last?.isEmpty == false {
      lines.append("")
      column = indent
    }
    if lines[lines.count - 1].isEmpty {
      lines[lines.count - 1] = String(word)
    } else {
      lines[lines.count - 1] += " \(word)"
    }
    column += word.count + 1
  }
  return lines.joined(separator: "\n" + String(repeating: " ", count: indent))
}

/// A variable of the environment; an empty one counts as not set.
func environment(_ name: String) -> String? {
  guard let value = getenv(name) else { return nil }
  let text = String(cString: value)
  return text.isEmpty ? nil : text
}
