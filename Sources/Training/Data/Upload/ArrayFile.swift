// Arrays of numbers in files: NumPy's .npy (format versions 1 to 3) and the IDX files of the MNIST family. Nothing is
// executed: an array of Python objects is refused.

/// A number as it lies in a file.
enum ElementType: Equatable {
  case unsigned(bytes: Int)
  case signed(bytes: Int)
  case float(bytes: Int)
  case bool

  var size: Int {
    switch self {
    case .unsigned(let bytes), .signed(let bytes), .float(let bytes): bytes
    case .bool: 1
    }
  }

  var isInteger: Bool { if case .float = self { false } else { true } }
}

/// An array that stays in its file.
struct ArrayFile {
  let file: MappedFile
  let shape: [Int]
  let element: ElementType
  private let isBigEndian: Bool
  private let isFortran: Bool
  private let offset: Int

  /// Elements of the first axis.
  var rows: Int { shape.first ?? 1 }
  /// Elements of one row.
  var width: Int { shape.dropFirst().reduce(1, *) }

  /// The element at `index`, counted with the last axis fastest.
  func value(_ index: Int) -> Double {
    let place = offset + (isFortran ? fortran(index) : index) * element.size
    func load<T: FixedWidthInteger>(_ type: T.Type) -> T {
      let raw = file.bytes.loadUnaligned(fromByteOffset: place, as: type)
      return isBigEndian ? T(bigEndian: raw) : T(littleEndian: raw)
    }
    switch element {
    case .bool: return file.bytes[place] == 0 ? 0 : 1
    case .unsigned(1): return Double(file.bytes[place])
    case .unsigned(2): return Double(load(UInt16.self))
    case .unsigned(4): return Double(load(UInt32.self))
    case .unsigned: return Double(load(UInt64.self))
    case .signed(1): return Double(load(Int8.self))
    case .signed(2): return Double(load(Int16.self))
    case .signed(4): return Double(load(Int32.self))
    case .signed: return Double(load(Int64.self))
    case .float(2): return Double(Safetensors.half(load(UInt16.self)))
    case .float(4): return Double(Float(bitPattern: load(UInt32.self)))
    case .float: return Double(bitPattern: load(UInt64.self))
    }
  }

  /// Where the element at `index` lies when the first axis is fastest.
  private func fortran(_ index: Int) -> Int {
    var (rest, place) = (index, 0)
    var steps = [Int](repeating: 1, count: shape.count)
    for axis in shape.indices.dropFirst() { steps[axis] = steps[axis - 1] * shape[axis - 1] }
    for axis in shape.indices.reversed() {
      place += rest % shape[axis] * steps[axis]
      rest /= shape[axis]
    }
    return place
  }

  private init(
    _ file: MappedFile, _ what: String, shape: [Int], _ element: ElementType, isBigEndian: Bool,
    isFortran: Bool,
    offset: Int
  ) throws(ImportError) {
    var size = element.size
    for count in shape {
      let (product, overflow) = size.multipliedReportingOverflow(by: count)
      size = overflow ? .max : product
    }
    guard size == file.bytes.count - offset else {
      throw .damaged(
        "\(what), byte \(offset): shape \(shape) needs \(size) bytes of data, found \(max(0, file.bytes.count - offset))"
      )
    }
    self.file = file
    self.shape = shape
    self.element = element
    self.isBigEndian = isBigEndian
    self.isFortran = isFortran
    self.offset = offset
  }

  // MARK: IDX

  /// Two zero bytes, a type, the number of dimensions, their sizes and the data, all big-endian. `what` names the
  /// file in errors.
  static func idx(_ file: MappedFile, _ what: String) throws(ImportError) -> ArrayFile {
    let bytes = file.bytes
    guard bytes.count >= 4, bytes[0] == 0, bytes[1] == 0 else {
      throw .damaged("\(what), byte 0: not an IDX file (it starts with two zero bytes)")
    }
    let types: [UInt8: ElementType] = [
      0x08: .unsigned(bytes: 1), 0x09: .signed(bytes: 1), 0x0B: .signed(bytes: 2), 0x0C: .signed(bytes: 4),
      0x0D: .float(bytes: 4), 0x0E: .float(bytes: 8),
    ]
    guard let element = types[bytes[2]] else { throw .damaged("\(what), byte 2: unknown type \(bytes[2])") }
    let dimensions = Int(bytes[3])
    guard dimensions >= 1, dimensions <= 8 else {
      throw .damaged("\(what), byte 3: \(dimensions) dimensions")
    }
    guard bytes.count >= 4 + 4 * dimensions else {
      throw .damaged("\(what), byte \(bytes.count): the file ends early")
    }
    let shape = (0..<dimensions).map {
      Int(UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 4 + 4 * $0, as: UInt32.self)))
    }
    return try ArrayFile(
      file, what, shape: shape, element, isBigEndian: true, isFortran: false, offset: 4 + 4 * dimensions)
  }

  // MARK: NPY

  /// NumPy's format: magic, version, and a header that is a Python dictionary.
  static func npy(_ file: MappedFile, _ what: String) throws(ImportError) -> ArrayFile {
    let bytes = file.bytes
    guard bytes.count >= 12, bytes.prefix(6).elementsEqual([0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59]) else {
      throw .damaged("\(what), byte 0: not a .npy file")
    }
    guard (1...3).contains(bytes[6]) else {
      throw .damaged("\(what), byte 6: version \(bytes[6]) is not known")
    }
    let start = bytes[6] == 1 ? 10 : 12
    let length =
      bytes[6] == 1
      ? Int(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt16.self)))
      : Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self)))
    guard length <= 10_000, start + length <= bytes.count else {
      throw .damaged("\(what), byte 8: a header of \(length) bytes (at most 10000, and within the file)")
    }
    let header = String(decoding: bytes[start..<start + length], as: UTF8.self)
    func damaged(_ message: String) -> ImportError { .damaged("\(what), byte \(start): \(message)") }
    guard let descr = entry("descr", header), let order = entry("fortran_order", header),
      let shapeText = entry("shape", header), order == "True" || order == "False"
    else { throw damaged("the header is not a dictionary with descr, fortran_order and shape") }
    let parts = shapeText.dropFirst().dropLast().split(separator: ",").map { $0.filter { $0 != " " } }
    let shape = parts.filter { !$0.isEmpty }.map { Int($0) ?? -1 }
    guard shapeText.hasPrefix("("), shapeText.hasSuffix(")"), shape.allSatisfy({ $0 >= 0 }), shape.count <= 8
    else {
      throw damaged("the shape \(shapeText.prefix(40)) is not one")
    }
    guard descr.count >= 4, let quote = descr.first, quote == "'" || quote == "\"", descr.last == quote else {
      throw damaged("structured arrays are not read")
    }
    let type = descr.dropFirst().dropLast()
    guard let element = element(type) else {
      throw damaged(
        type.contains("O")
          ? "the array holds Python objects; they are never read"
          : "numbers of type \(type.prefix(20)) are not read")
    }
    return try ArrayFile(
      file, what, shape: shape, element, isBigEndian: type.first == ">", isFortran: order == "True",
      offset: start + length)
  }

  /// The text of one entry of a dictionary such as `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`.
  private static func entry(_ name: String, _ header: String) -> Substring? {
    let key = ["'\(name)':", "\"\(name)\":"].compactMap { firstRange(of: $0, in: header) }.first
    guard let key else { return nil }
    let rest = header[key...].drop { $0 == " " }
    guard let first = rest.first else { return nil }
    let end: String.Index?
    switch first {
    case "(": end = rest.firstIndex(of: ")")
    case "'", "\"": end = rest.dropFirst().firstIndex(of: first)
    case "[": end = rest.firstIndex(of: "]")
    default: return rest.prefix { $0 != "," && $0 != "}" && $0 != " " }
    }
    return end.map { rest[...$0] }
  }

  /// The index after the first occurrence of `text`.
  private static func firstRange(of text: String, in whole: String) -> String.Index? {
    var index = whole.startIndex
    while index < whole.endIndex {
      if whole[index...].hasPrefix(text) { return whole.index(index, offsetBy: text.count) }
      index = whole.index(after: index)
    }
    return nil
  }

  private static func element(_ type: Substring) -> ElementType? {
    guard let order = type.first, "<>|=".contains(order) else { return nil }
    switch type.dropFirst() {
    case "b1": return .bool
    case "u1": return .unsigned(bytes: 1)
    case "u2": return .unsigned(bytes: 2)
    case "u4": return .unsigned(bytes: 4)
    case "u8": return .unsigned(bytes: 8)
    case "i1": return .signed(bytes: 1)
    case "i2": return .signed(bytes: 2)
    case "i4": return .signed(bytes: 4)
    case "i8": return .signed(bytes: 8)
    case "f2": return .float(bytes: 2)
    case "f4": return .float(bytes: 4)
    case "f8": return .float(bytes: 8)
    default: return nil
    }
  }
}
