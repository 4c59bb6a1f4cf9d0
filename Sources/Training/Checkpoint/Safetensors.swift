// The safetensors format: an 8-byte length, a JSON header, and the tensors' bytes, without holes. Written as the
// reference writer does; read with everything checked, because files come from anyone.
// Reference: github.com/huggingface/safetensors, "Format".

import JSON

/// Why bytes are not a safetensors file.
public struct SafetensorsError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What is wrong, in plain words.
  public let description: String
}

/// One tensor of 32-bit floats, or of 64-bit integers as counters are, row-major.
public struct NamedTensor: Sendable, Equatable {
  /// Its name, as in PyTorch's `state_dict`.
  public let name: String
  /// Sizes of its dimensions; empty for a single number.
  public let shape: [Int]
  /// As many values as the shape says; none where the tensor holds integers.
  public let values: [Float]
  /// The values of a tensor of integers.
  public let integers: [Int64]?

  /// A tensor of the given name, shape and values.
  public init(name: String, shape: [Int], values: [Float]) {
    self.name = name
    self.shape = shape
    self.values = values
    integers = nil
  }

  /// A tensor of integers.
  public init(name: String, shape: [Int], integers: [Int64]) {
    self.name = name
    self.shape = shape
    values = []
    self.integers = integers
  }

  /// The number that a counter holds; 0 where it holds none.
  var count: Int64 { integers?.first ?? values.first.flatMap { Int64(exactly: $0.rounded()) } ?? 0 }

  /// The same numbers as 32-bit floats.
  var floats: NamedTensor {
    integers.map { NamedTensor(name: name, shape: shape, values: $0.map { Float($0) }) } ?? self
  }

  /// The same tensor under another name.
  func renamed(_ name: String) -> NamedTensor {
    integers.map { NamedTensor(name: name, shape: shape, integers: $0) }
      ?? NamedTensor(name: name, shape: shape, values: values)
  }

  /// The type of its elements in a file.
  var type: TensorType { integers == nil ? .f32 : .i64 }
  /// Bytes of all elements.
  var bytes: Int { type.size * (integers?.count ?? values.count) }
}

/// Element types a file may hold, in the order in which the reference writer puts them.
public enum TensorType: String, Sendable {
  case u64 = "U64", i64 = "I64", f64 = "F64", c64 = "C64", f32 = "F32", u32 = "U32", i32 = "I32"
  case bf16 = "BF16", f16 = "F16", u16 = "U16", i16 = "I16"
  case f8e4m3 = "F8_E4M3", f8e5m2 = "F8_E5M2", i8 = "I8", u8 = "U8", bool = "BOOL"

  /// Whether its numbers can become 32-bit floats.
  var isConvertible: Bool { ![.c64, .f8e4m3, .f8e5m2].contains(self) }

  /// Bytes of one element.
  public var size: Int {
    switch self {
    case .u64, .i64, .f64, .c64: 8
    case .f32, .u32, .i32: 4
    case .bf16, .f16, .u16, .i16: 2
    case .f8e4m3, .f8e5m2, .i8, .u8, .bool: 1
    }
  }
}

/// A safetensors file that has been checked whole.
public struct Safetensors: Sendable {
  /// A tensor's place in the file.
  public struct Entry: Sendable {
    /// Its name.
    public let name: String
    /// The type of its elements.
    public let type: TensorType
    /// Sizes of its dimensions.
    public let shape: [Int]
    /// Its bytes within the whole file.
    public let range: Range<Int>
  }

  /// All tensors in the order of their bytes.
  public let entries: [Entry]
  /// The texts of `__metadata__`, in file order.
  public let metadata: [(key: String, value: String)]
  private let bytes: ByteSource

  static let headerLimit = 100_000_000

  /// Checks the bytes as the format's reference reader does: header, types, shapes, sizes, no holes, no overlaps,
  /// nothing left over.
  public init(_ bytes: [UInt8]) throws(SafetensorsError) { try self.init(ByteSource(bytes)) }

  /// Checks a file of which only the header is read, in the same way.
  public init(_ source: ByteSource) throws(SafetensorsError) {
    (entries, metadata) = try Self.header(count: source.count) { range throws(SafetensorsError) in
      try source.bytes(range)
    }
    bytes = source
  }

  /// The tensors of a file whose bytes are in memory or mapped: of these only the header is looked at. Throws as the
  /// initializer does, and for tensors of types that `floats` does not convert.
  public static func usableEntries(of bytes: UnsafeRawBufferPointer) throws(SafetensorsError) -> [Entry] {
    let entries = try header(count: bytes.count) { range in Array(bytes[range]) }.entries
    if let entry = entries.first(where: { !$0.type.isConvertible }) { throw Self.unread(entry) }
    return entries
  }

  private static func unread(_ entry: Entry) -> SafetensorsError {
    SafetensorsError(description: "tensor \(entry.name) is \(entry.type.rawValue), which is not read")
  }

  private static func header(
    count: Int, read: (Range<Int>) throws(SafetensorsError) -> [UInt8]
  ) throws(SafetensorsError) -> (entries: [Entry], metadata: [(key: String, value: String)]) {
    let data = try Self.dataOffset(count, read)
    let header: JSON
    let text = try read(8..<data)
    do { header = try JSON.parse(text) } catch {
      throw SafetensorsError(description: "the header is not JSON: \(error.message)")
    }
    guard let object = header.objectValue else {
      throw SafetensorsError(description: "the header is not an object")
    }
    var entries: [Entry] = []
    var metadata: [(key: String, value: String)] = []
    for (name, value) in object.entries {
      if name == "__metadata__" {
        metadata = try Self.metadata(value)
      } else {
        entries.append(try Self.entry(name, value, data: data, end: count))
      }
    }
    entries.sort { ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound) }
    var expected = data
    for entry in entries {
      guard entry.range.lowerBound == expected else {
        throw SafetensorsError(description: "tensor \(entry.name) leaves a hole or overlaps the one before")
      }
      expected = entry.range.upperBound
    }
    guard expected == count else {
      throw SafetensorsError(description: "\(count - expected) bytes belong to no tensor")
    }
    return (entries, metadata)
  }

  /// The text under a key of `__metadata__`.
  public func metadata(_ key: String) -> String? {
    metadata.first { $0.key == key }?.value
  }

  /// A tensor's values; throws when there is none of that name or it holds neither 32-bit floats nor
  /// 64-bit integers.
  public func tensor(_ name: String) throws(SafetensorsError) -> NamedTensor {
    guard let entry = entries.first(where: { $0.name == name }) else {
      throw SafetensorsError(description: "there is no tensor \(name)")
    }
    return try tensor(entry)
  }

  /// The values of one entry of this file.
  public func tensor(_ entry: Entry) throws(SafetensorsError) -> NamedTensor {
    if entry.type == .i64 {
      let integers = try bytes.bytes(entry.range).withUnsafeBytes { bytes in
        stride(from: 0, to: bytes.count, by: 8).map {
          Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: $0, as: Int64.self))
        }
      }
      return NamedTensor(name: entry.name, shape: entry.shape, integers: integers)
    }
    let values = try values(entry, 0..<entry.range.count / TensorType.f32.size)
    return NamedTensor(name: entry.name, shape: entry.shape, values: values)
  }

  /// Some of the values of an entry of 32-bit floats, counted in the file's order.
  func values(_ entry: Entry, _ elements: Range<Int>) throws(SafetensorsError) -> [Float] {
    guard entry.type == .f32 else {
      throw SafetensorsError(description: "tensor \(entry.name) is \(entry.type.rawValue), not F32")
    }
    let first = entry.range.lowerBound
    let bytes = try bytes.bytes(first + 4 * elements.lowerBound..<first + 4 * elements.upperBound)
    return [Float](unsafeUninitializedCapacity: elements.count) { buffer, count in
      bytes.withUnsafeBytes { UnsafeMutableRawBufferPointer(buffer).copyMemory(from: $0) }
      count = elements.count
    }
  }

  /// The values of one entry as 32-bit floats, whatever numbers it holds; throws for complex numbers and 8-bit floats.
  public func floats(_ entry: Entry) throws(SafetensorsError) -> NamedTensor {
    if entry.type == .f32 { return try tensor(entry) }
    guard entry.type.isConvertible else { throw Self.unread(entry) }
    let bytes = try bytes.bytes(entry.range)
    func convert<T>(_ type: T.Type, _ float: (T) -> Float) -> NamedTensor {
      let values = bytes.withUnsafeBytes { source in
        stride(from: 0, to: source.count, by: MemoryLayout<T>.size).map {
          float(source.loadUnaligned(fromByteOffset: $0, as: T.self))
        }
      }
      return NamedTensor(name: entry.name, shape: entry.shape, values: values)
    }
    switch entry.type {
    case .f64: return convert(UInt64.self) { Float(Double(bitPattern: $0)) }
    case .f16: return convert(UInt16.self, Self.half)
    case .bf16: return convert(UInt16.self) { Float(bitPattern: UInt32($0) << 16) }
    case .i64: return convert(Int64.self) { Float($0) }
    case .i32: return convert(Int32.self) { Float($0) }
    case .i16: return convert(Int16.self) { Float($0) }
    case .i8: return convert(Int8.self) { Float($0) }
    case .u64: return convert(UInt64.self) { Float($0) }
    case .u32: return convert(UInt32.self) { Float($0) }
    case .u16: return convert(UInt16.self) { Float($0) }
    case .u8: return convert(UInt8.self) { Float($0) }
    case .bool: return convert(UInt8.self) { $0 == 0 ? 0 : 1 }
    case .f32, .c64, .f8e4m3, .f8e5m2: throw Self.unread(entry)
    }
  }

  /// IEEE 754 binary16.
  static func half(_ bits: UInt16) -> Float {
    let sign: Float = bits >> 15 == 1 ? -1 : 1
    let (exponent, fraction) = (Int(bits >> 10 & 31), Float(bits & 1023))
    switch exponent {
    case 0: return sign * fraction / Float(1 << 24)
    case 31: return fraction == 0 ? sign * .infinity : .nan
    default: return sign * Float(sign: .plus, exponent: exponent - 15, significand: 1 + fraction / 1024)
    }
  }

  /// A file of the given tensors, ordered by size of their elements and name, and metadata in the order given.
  public static func encode(_ tensors: [NamedTensor], metadata: [(key: String, value: String)]) -> [UInt8] {
    SafetensorsFile(tensors.map(\.source), metadata: metadata).bytes
  }

  // MARK: Checks

  private static func dataOffset(
    _ count: Int, _ read: (Range<Int>) throws(SafetensorsError) -> [UInt8]
  ) throws(SafetensorsError) -> Int {
    guard count >= 8 else { throw SafetensorsError(description: "shorter than its 8-byte length") }
    let length = try read(0..<8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard length <= headerLimit else {
      throw SafetensorsError(description: "a header of \(length) bytes is over the limit of \(headerLimit)")
    }
    guard Int(length) <= count - 8 else {
      throw SafetensorsError(description: "the header of \(length) bytes ends after the file")
    }
    guard length > 0, try read(8..<9) == [0x7B] else {
      throw SafetensorsError(description: "the header does not begin with {")
    }
    return 8 + Int(length)
  }

  private static func metadata(_ json: JSON) throws(SafetensorsError) -> [(key: String, value: String)] {
    guard let object = json.objectValue else {
      throw SafetensorsError(description: "__metadata__ is not an object")
    }
    var texts: [(key: String, value: String)] = []
    for (key, value) in object.entries {
      guard let text = value.stringValue else {
        throw SafetensorsError(description: "__metadata__.\(key) is not a string")
      }
      texts.append((key, text))
    }
    return texts
  }

  private static func entry(_ name: String, _ json: JSON, data: Int, end: Int) throws(SafetensorsError)
    -> Entry
  {
    func fail(_ why: String) -> SafetensorsError { SafetensorsError(description: "tensor \(name) \(why)") }
    guard let object = json.objectValue, object.entries.count == 3 else {
      throw fail("must have dtype, shape and data_offsets")
    }
    guard let text = object["dtype"]?.stringValue, let type = TensorType(rawValue: text) else {
      throw fail("has an unknown dtype")
    }
    guard let shape = object["shape"].flatMap(integers), shape.allSatisfy({ $0 >= 0 }) else {
      throw fail("has no valid shape")
    }
    guard let offsets = object["data_offsets"].flatMap(integers), offsets.count == 2, offsets[0] >= 0,
      offsets[0] <= offsets[1], offsets[1] <= end - data
    else { throw fail("has data_offsets outside of the file") }
    var size = type.size
    for dimension in shape {
      let (product, overflow) = size.multipliedReportingOverflow(by: dimension)
      guard !overflow else { throw fail("has a shape that is too large") }
      size = product
    }
    guard size == offsets[1] - offsets[0] else {
      throw fail("has \(offsets[1] - offsets[0]) bytes, but its shape needs \(size)")
    }
    return Entry(name: name, type: type, shape: shape, range: data + offsets[0]..<data + offsets[1])
  }

  private static func integers(_ json: JSON) -> [Int]? {
    guard let items = json.arrayValue else { return nil }
    let numbers = items.compactMap { item -> Int? in
      if case .integer(let value) = item { Int(value) } else { nil }
    }
    return numbers.count == items.count ? numbers : nil
  }
}
