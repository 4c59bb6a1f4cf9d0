import Glibc
import HTTP
import Storage

/// The server's gauges in Prometheus' text format.
final class Gauges: Sendable {
  private let context: Context
  private let server = Guarded<HTTPServer?>(nil)
  private let started = now()

  init(context: Context) { self.context = context }

  /// Names the HTTP server, which is made after the routes that show its gauges.
  func attach(_ http: HTTPServer) { server.withLock { $0 = http } }

  func text() -> String {
    var lines: [String] = []
    func add(_ name: String, _ type: String, _ help: String, _ samples: [(labels: String, value: Double)]) {
      lines += ["# HELP cairn_\(name) \(help)", "# TYPE cairn_\(name) \(type)"]
      lines += samples.map { "cairn_\(name)\($0.labels) \($0.value)" }
    }
    add("uptime_seconds", "gauge", "Seconds since the start.", [("", Double(now() - started) / 1000)])
    add("cpu_seconds_total", "counter", "Processor time used by the process.", [("", processorSeconds())])
    add("resident_memory_bytes", "gauge", "Memory held by the process.", [("", residentBytes())])
    add("jobs_running", "gauge", "Jobs in training.", [("", Double(context.scheduler.activeCount))])
    add("event_streams", "gauge", "Open event streams.", [("", Double(context.hub.subscriberCount))])
    let stored = context.store.gauges
    add(
      "store_writes_waiting", "gauge", "Writes that wait for their commit.",
      [("", Double(stored.queuedWrites))])
    add("store_commits_total", "counter", "Transactions since the start.", [("", Double(stored.commits))])
    add("store_writes_total", "counter", "Writes since the start.", [("", Double(stored.writes))])
    add("store_log_bytes", "gauge", "Size of the write-ahead log.", [("", Double(stored.walBytes))])
    add(
      "store_unfolded_points", "gauge", "Points that wait to be put in order.",
      [("", Double(stored.unfoldedPoints))])
    if let http = server.withLock({ $0 })?.gauges {
      add("http_connections", "gauge", "Open connections.", [("", Double(http.openConnections))])
      add(
        "http_connections_total", "counter", "Accepted connections.", [("", Double(http.acceptedConnections))]
      )
      add(
        "http_answers_total", "counter", "Answers by class of status.",
        (2...5).map { ("{status=\"\($0)xx\"}", Double(http.answers[$0])) })
      add("http_received_bytes_total", "counter", "Bytes read.", [("", Double(http.bytesReceived))])
      add("http_sent_bytes_total", "counter", "Bytes sent.", [("", Double(http.bytesSent))])
      add("http_handler_seconds_total", "counter", "Time spent in handlers.", [("", http.handlerSeconds)])
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private func processorSeconds() -> Double {
    var time = timespec()
    guard clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0 else { return 0 }
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  private func residentBytes() -> Double {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var text = [CChar](repeating: 0, count: 128)
    guard fgets(&text, Int32(text.count), file) != nil else { return 0 }
    let fields = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self).split(
      separator: " ")
    return fields.count > 1 ? (Double(fields[1]) ?? 0) * Double(sysconf(Int32(_SC_PAGESIZE))) : 0
  }
}
