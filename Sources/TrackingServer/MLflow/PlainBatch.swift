import HTTP
import JSON
import Storage

/// Reads the plain form of a `log-batch` body, the one that clients send, straight into columns.
///
/// Nil for anything else: an unknown or repeated field, another type, a model's metric, no JSON. The general reader
/// then takes the body and finds the words for what is wrong with it.
func plainBatch(_ request: HTTPRequest, _ body: [UInt8]) throws -> LogBatch? {
  guard MLflowFields.isJSON(request.headers["Content-Type"] ?? "") else { return nil }
  let parts: PlainBatch? = try? JSONReader.withReader(of: body) { reader in
    var batch = PlainBatch()
    try batch.read(&reader)
    return batch
  }
  guard let parts, let run = parts.run, !run.isEmpty else { return nil }
  return try LogBatch(run: run, metrics: parts.metrics, params: parts.params, tags: parts.tags)
}

private struct PlainBatch {
  /// The body has another form.
  struct NotPlain: Error {}

  var run: String?
  var metrics = MetricBatch()
  var params: [KeyValue] = []
  var tags: [KeyValue] = []
  private var seen: Set<String> = []

  mutating func read(_ reader: inout JSONReader) throws {
    try reader.beginObject()
    while let name = try reader.nextKey() {
      guard seen.insert(name).inserted else { throw NotPlain() }
      switch name {
      case "run_id":
        guard try reader.peek() == .string else { throw NotPlain() }
        run = try reader.string()
      case "metrics": try list(&reader) { batch, reader in try batch.readMetric(&reader) }
      case "params": try list(&reader) { batch, reader in batch.params.append(try batch.pair(&reader)) }
      case "tags": try list(&reader) { batch, reader in batch.tags.append(try batch.pair(&reader)) }
      default: throw NotPlain()
      }
    }
  }

  private mutating func list(
    _ reader: inout JSONReader, _ element: (inout PlainBatch, inout JSONReader) throws -> Void
  ) throws {
    guard try reader.peek() == .array else { throw NotPlain() }
    try reader.beginArray()
    while try reader.nextElement() { try element(&self, &reader) }
  }

  private mutating func readMetric(_ reader: inout JSONReader) throws {
    var key: String?
    var value: Double?
    var timestamp: Int64?
    var step: Int64?
    guard try reader.peek() == .object else { throw NotPlain() }
    try reader.beginObject()
    while let name = try reader.nextKey() {
      switch name {
      case "key" where key == nil: key = try reader.string()
      case "value" where value == nil: value = try reader.double()
      case "timestamp" where timestamp == nil: timestamp = try integer(&reader)
      case "step" where step == nil: step = try integer(&reader)
      // Clients say the run once more with each metric.
      case "run_id": _ = try reader.string()
      default: throw NotPlain()
      }
    }
    guard let key, !key.isEmpty, let value, let timestamp else { throw NotPlain() }
    metrics.append(metrics.key(key), step: step ?? 0, timestamp: timestamp, value: clamped(value))
  }

  private func integer(_ reader: inout JSONReader) throws -> Int64 {
    guard try reader.peek() == .number, case .integer(let value) = try reader.value() else {
      throw NotPlain()
    }
    return value
  }

  private func pair(_ reader: inout JSONReader) throws -> KeyValue {
    var pair = KeyValue("", "")
    guard try reader.peek() == .object else { throw NotPlain() }
    try reader.beginObject()
    while let name = try reader.nextKey() {
      switch name {
      case "key" where pair.key.isEmpty: pair.key = try reader.string()
      case "value" where pair.value.isEmpty: pair.value = try reader.string()
      default: throw NotPlain()
      }
    }
    guard !pair.key.isEmpty else { throw NotPlain() }
    return pair
  }
}
