// Fashion-MNIST as Debian packages it, or from a folder of IDX files, read when a job first asks for it.

import Glibc

enum FashionMNIST {
  private static let classes = [
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
  ]

  /// `CAIRN_FASHION_MNIST`, or where Debian's package puts the files.
  static var folder: String {
    getenv("CAIRN_FASHION_MNIST").map { String(cString: $0) } ?? "/usr/share/datasets/fashion-mnist"
  }

  /// Whether somebody named a folder of their own.
  static var isGivenFolder: Bool { getenv("CAIRN_FASHION_MNIST") != nil }

  static let files = [
    "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte",
  ]

  /// Whether the four files are there, compressed or not.
  static func isInstalled(in folder: String) -> Bool {
    files.allSatisfy { path(of: $0, in: folder) != nil }
  }

  /// What is known of the set; by default of the one that Debian packages.
  static func info(examples: Int = 70_000, shape: [Int] = [28, 28]) -> DatasetInfo {
    DatasetInfo(
      name: "fashion-mnist", kind: .image, task: .classification, examples: examples, inputShape: [1] + shape,
      classes: classes, hasTestSplit: true, source: "Fashion-MNIST (Xiao, Rasul, Vollgraf 2017), Zalando SE",
      license: "Expat")
  }

  static func load(from folder: String) throws(DatasetError) -> Dataset {
    let (pool, shape) = try examples(files[0], files[1], folder)
    let (test, testShape) = try examples(files[2], files[3], folder)
    guard shape == testShape else {
      throw DatasetError(name: "fashion-mnist", reason: "the two parts have pictures of different sizes")
    }
    return Dataset(info: info(examples: pool.count + test.count, shape: shape), pool: pool, test: test)
  }

  private static func examples(_ images: String, _ labels: String, _ folder: String)
    throws(DatasetError) -> (Examples, shape: [Int])
  {
    let pictures = try idx(images, dimensions: 3, folder)
    let classes = try idx(labels, dimensions: 1, folder)
    guard pictures.shape[0] == classes.shape[0] else {
      throw DatasetError(
        name: "fashion-mnist", reason: "\(pictures.shape[0]) pictures but \(classes.shape[0]) labels")
    }
    guard classes.values.allSatisfy({ $0 < 10 }) else {
      throw DatasetError(name: "fashion-mnist", reason: "\(labels) holds a label above 9")
    }
    return (
      Examples(
        width: pictures.shape[1] * pictures.shape[2], features: .bytes(pictures.values),
        labels: classes.values.map { Int32($0) }),
      Array(pictures.shape.dropFirst())
    )
  }

  private static func idx(_ name: String, dimensions: Int, _ folder: String) throws(DatasetError)
    -> (shape: [Int], values: [UInt8])
  {
    guard let path = path(of: name, in: folder), let raw = readFile(path, limit: 1 << 28) else {
      throw DatasetError(name: "fashion-mnist", reason: "\(folder)/\(name) cannot be read")
    }
    do {
      let bytes = Gzip.isGzip(raw) ? try Gzip.decompress(raw, limit: 1 << 28) : raw
      return try IDX.read(bytes, dimensions: dimensions)
    } catch let error as InflateError {
      throw DatasetError(name: "fashion-mnist", reason: "\(path), byte \(error.offset): \(error.message)")
    } catch {
      throw DatasetError(name: "fashion-mnist", reason: "\(path): \(error)")
    }
  }

  private static func path(of name: String, in folder: String) -> String? {
    ["\(folder)/\(name).gz", "\(folder)/\(name)"].first { access($0, R_OK) == 0 }
  }
}

/// The format of the MNIST family: two zero bytes, a type, the number of dimensions, big-endian sizes, data.
enum IDX {
  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// Unsigned bytes of the given number of dimensions.
  static func read(_ bytes: [UInt8], dimensions: Int) throws -> (shape: [Int], values: [UInt8]) {
    let header = 4 + 4 * dimensions
    guard bytes.count >= header, bytes[0] == 0, bytes[1] == 0, bytes[2] == 8, Int(bytes[3]) == dimensions
    else { throw Failure(description: "byte 0: not an IDX file of bytes with \(dimensions) dimensions") }
    let shape = (0..<dimensions).map { axis in
      bytes[4 + 4 * axis..<8 + 4 * axis].reduce(0) { $0 << 8 | Int($1) }
    }
    var count = 1
    for size in shape {
      let (product, overflow) = count.multipliedReportingOverflow(by: size)
      count = overflow ? Int.max : product
    }
    guard count == bytes.count - header else {
      throw Failure(
        description: "byte \(header): \(shape) needs \(count) bytes, found \(bytes.count - header)")
    }
    return (shape, Array(bytes[header...]))
  }
}

/// The whole file, or nil when it cannot be read or is longer than `limit`.
func readFile(_ path: String, limit: Int) -> [UInt8]? {
  let descriptor = open(path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else { return nil }
  defer { close(descriptor) }
  let size = Int(lseek(descriptor, 0, SEEK_END))
  guard size >= 0, size <= limit, lseek(descriptor, 0, SEEK_SET) == 0 else { return nil }
  var filled = 0
  let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
    while filled < size {
      let got = read(descriptor, buffer.baseAddress.map { $0 + filled }, size - filled)
      if got <= 0 { break }
      filled += got
    }
    count = filled
  }
  return filled == size ? bytes : nil
}
