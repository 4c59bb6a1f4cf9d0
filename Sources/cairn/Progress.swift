// What a person sees while jobs train: a bar per job, redrawn in place on a terminal, a line per change elsewhere.

import Glibc
import TrackingServer

/// Progress bars for a fixed list of jobs.
final class ProgressDisplay {
  private let names: [String]
  private let onTerminal = isatty(STDOUT_FILENO) == 1
  private var drawn = 0
  private var lastStates: [String] = []

  init(_ names: [String]) { self.names = names }

  func show(_ jobs: [JobView]) {
    let width = names.map(\.count).max() ?? 0
    let lines = zip(names, jobs).map { name, job in
      name + String(repeating: " ", count: width - name.count) + "  " + line(job)
    }
    if onTerminal {
      if drawn > 0 { print("\u{1B}[\(drawn)A", terminator: "") }
      for line in lines { print("\r\u{1B}[K\(line)") }
      drawn = lines.count
    } else {
      // Without a terminal nothing can be redrawn: say only what changed.
      let states = jobs.map { "\($0.state)/\($0.totalSteps == 0 ? 0 : $0.step * 4 / $0.totalSteps)" }
      for (index, line) in lines.enumerated()
      where index >= lastStates.count || lastStates[index] != states[index] {
        print(line)
      }
      lastStates = states
    }
    fflush(nil)
  }

  func finish() { drawn = 0 }

  private func line(_ job: JobView) -> String {
    let share = job.totalSteps == 0 ? 0 : min(1, Double(job.step) / Double(job.totalSteps))
    let cells = 28
    let full = Int(share * Double(cells))
    let bar = String(repeating: "█", count: full) + String(repeating: "░", count: cells - full)
    let percent = String(Int(share * 100))
    var text =
      "\(bar) \(String(repeating: " ", count: 3 - percent.count))\(percent)%  step \(job.step)/\(job.totalSteps)"
    if let loss = job.latest["val/loss"] { text += "  val/loss \(decimals(loss, 4))" }
    if let accuracy = job.latest["val/accuracy"] { text += "  val/accuracy \(decimals(accuracy, 4))" }
    if job.state != "running" { text += "  \(job.state)" }
    if job.state == "running", let eta = job.etaSeconds, eta >= 1 { text += "  \(duration(eta)) left" }
    return text
  }
}

/// A number with a fixed count of decimals.
func decimals(_ value: Double, _ count: Int) -> String {
  guard value.isFinite, abs(value) < 1e12 else { return "\(value)" }
  var scale = 1.0
  for _ in 0..<count { scale *= 10 }
  let scaled = (abs(value) * scale).rounded()
  let digits = String(UInt64(scaled))
  let padded = String(repeating: "0", count: max(0, count + 1 - digits.count)) + digits
  let sign = value < 0 && scaled > 0 ? "-" : ""
  return sign + padded.dropLast(count) + (count > 0 ? "." : "") + padded.suffix(count)
}

/// `1h 05m`, `2m 10s`, `8s`
func duration(_ seconds: Double) -> String {
  let whole = Int(seconds.rounded())
  func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
  if whole >= 3600 { return "\(whole / 3600)h \(two(whole % 3600 / 60))m" }
  if whole >= 60 { return "\(whole / 60)m \(two(whole % 60))s" }
  return "\(whole)s"
}

/// SIGINT and SIGTERM, blocked everywhere and waited for here; a second one ends the program at once.
struct StopSignal {
  private let set: sigset_t

  /// Must be made before any thread starts, so that all of them inherit the mask.
  init() {
    var set = sigset_t()
    sigemptyset(&set)
    sigaddset(&set, SIGINT)
    sigaddset(&set, SIGTERM)
    pthread_sigmask(SIG_BLOCK, &set, nil)
    self.set = set
  }

  /// Waits for the first signal; from then on the default action is back.
  func wait() {
    var set = set
    var number: Int32 = 0
    sigwait(&set, &number)
    pthread_sigmask(SIG_UNBLOCK, &set, nil)
  }

  /// Whether a signal arrives within a time.
  func arrived(within seconds: Double) -> Bool {
    var set = set
    var time = timespec(tv_sec: Int(seconds), tv_nsec: Int(seconds.truncatingRemainder(dividingBy: 1) * 1e9))
    guard sigtimedwait(&set, nil, &time) > 0 else { return false }
    pthread_sigmask(SIG_UNBLOCK, &set, nil)
    return true
  }
}
