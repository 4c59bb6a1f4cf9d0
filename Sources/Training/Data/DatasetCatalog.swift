// Which data sets there are. A row of `builtin` names one, says where it is from and how to read it; nothing
// is read before somebody asks. Add a set by adding a row.

/// Why a data set cannot be used.
public struct DatasetError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The data set.
  public let name: String
  /// What is missing or damaged, and what helps.
  public let reason: String

  /// The two in one sentence.
  public var description: String { "data set \(name): \(reason)" }

  /// A reason why the data set `name` cannot be used.
  public init(name: String, reason: String) {
    self.name = name
    self.reason = reason
  }
}

/// A data set that can be read when it is needed.
public struct DatasetSource: Sendable {
  /// What is known without reading it.
  public let info: DatasetInfo
  /// Nil when it can be used, otherwise what to do about it.
  public let obstacle: @Sendable () -> String?
  /// Reads it; called as often as somebody asks, so it should keep what is expensive.
  public let load: @Sendable () throws(DatasetError) -> Dataset

  /// A source that `load` reads.
  public init(
    _ info: DatasetInfo, obstacle: @escaping @Sendable () -> String? = { nil },
    load: @escaping @Sendable () throws(DatasetError) -> Dataset
  ) {
    self.info = info
    self.obstacle = obstacle
    self.load = load
  }
}

/// The data sets that jobs can name.
public struct DatasetCatalog: Sendable {
  private let sources: [DatasetSource]
  private let library: DatasetLibrary?

  /// A catalog of the given sources, and of what people upload; of two with one name the first counts.
  public init(_ sources: [DatasetSource], library: DatasetLibrary? = nil) {
    self.sources = sources
    self.library = library
  }

  /// The sets that come with the program, and those of a library.
  public static func builtin(with library: DatasetLibrary) -> DatasetCatalog {
    DatasetCatalog(builtinSources, library: library)
  }

  /// Whether a name is that of a set that comes with the program.
  public static func isBuiltin(_ name: String) -> Bool { builtinSources.contains { $0.info.name == name } }

  /// The sets that come with the program.
  public static let builtin = DatasetCatalog(builtinSources)

  /// All sets that can be used now, in the order of the catalog.
  public var list: [DatasetInfo] {
    sources.filter { $0.obstacle() == nil }.map(\.info) + (library?.list ?? [])
  }

  /// What is known of a set without reading it; throws when there is none of that name or it cannot be used.
  public func info(_ name: String) throws(DatasetError) -> DatasetInfo {
    if let library, library.has(name), !Self.isBuiltin(name) { return try library.load(name).info }
    return try source(name).info
  }

  /// Reads a set; the built-in ones stay in memory after the first time.
  public func load(_ name: String) throws(DatasetError) -> Dataset {
    if let library, library.has(name), !Self.isBuiltin(name) { return try library.load(name) }
    return try source(name).load()
  }

  private func source(_ name: String) throws(DatasetError) -> DatasetSource {
    guard let source = sources.first(where: { $0.info.name == name }) else {
      let names = list.map(\.name).joined(separator: ", ")
      throw DatasetError(name: name, reason: "there is no such data set; there are \(names)")
    }
    if let obstacle = source.obstacle() { throw DatasetError(name: name, reason: obstacle) }
    return source
  }

  private static let uci = "CC BY 4.0"

  private static let builtinSources: [DatasetSource] = [
    DatasetSource(digitsInfo) { digits },
    DatasetSource(irisInfo) { iris },
    DatasetSource(wineInfo) { wine },
    DatasetSource(breastCancerInfo) { breastCancer },
    DatasetSource(diabetesInfo) { diabetes },
    DatasetSource(moonsInfo) { moons },
    DatasetSource(spiralsInfo) { spirals },
    DatasetSource(
      fashionInfo,
      obstacle: {
        FashionMNIST.isInstalled(in: FashionMNIST.folder)
          ? nil
          : "install Debian's package dataset-fashion-mnist, or let CAIRN_FASHION_MNIST name a folder with "
            + FashionMNIST.files.joined(separator: ", ") + " (.gz or not)"
      },
      load: { () throws(DatasetError) in try fashion.get() }),
  ]

  private static let digits = EmbeddedData.digits(digitsInfo)
  private static let digitsInfo = DatasetInfo(
    name: "digits", kind: .image, task: .classification, examples: 1797, inputShape: [1, 8, 8],
    classes: (0...9).map(String.init),
    source: "Optical Recognition of Handwritten Digits, test part (Alpaydin, Kaynak 1998), UCI",
    license: uci)

  private static let iris = EmbeddedData.table(
    irisInfo, EmbeddedText.iris, columns: EmbeddedData.irisColumns)
  private static let irisInfo = DatasetInfo(
    name: "iris", kind: .tabular, task: .classification, examples: 150, inputShape: [4],
    classes: ["setosa", "versicolor", "virginica"], source: "Iris (Fisher 1936), UCI", license: uci)

  private static let wine = EmbeddedData.table(
    wineInfo, EmbeddedText.wine, columns: EmbeddedData.wineColumns)
  private static let wineInfo = DatasetInfo(
    name: "wine", kind: .tabular, task: .classification, examples: 178, inputShape: [13],
    classes: ["class_0", "class_1", "class_2"], source: "Wine (Aeberhard, Forina 1991), UCI", license: uci)

  private static let breastCancer = EmbeddedData.table(
    breastCancerInfo, EmbeddedText.breastCancer, columns: EmbeddedData.breastCancerColumns)
  private static let breastCancerInfo = DatasetInfo(
    name: "breast-cancer", kind: .tabular, task: .classification, examples: 569, inputShape: [30],
    classes: ["malignant", "benign"],
    source: "Breast Cancer Wisconsin, Diagnostic (Wolberg, Mangasarian, Street, Street 1993), UCI",
    license: uci)

  private static let diabetes = EmbeddedData.table(
    diabetesInfo, EmbeddedText.diabetes, columns: EmbeddedData.diabetesColumns)
  private static let diabetesInfo = DatasetInfo(
    name: "diabetes", kind: .tabular, task: .regression, examples: 442, inputShape: [10],
    source: "Diabetes (Efron, Hastie, Johnstone, Tibshirani: Least Angle Regression, 2004)",
    license: "published by the authors without restrictions")

  private static let moons = SyntheticData.moons(moonsInfo)
  private static let moonsInfo = DatasetInfo(
    name: "moons", kind: .tabular, task: .classification, examples: 1000, inputShape: [2],
    classes: ["upper", "lower"], source: "made from a seed: two interleaving half circles with noise",
    license: "none needed")

  private static let spirals = SyntheticData.spirals(spiralsInfo)
  private static let spiralsInfo = DatasetInfo(
    name: "spirals", kind: .tabular, task: .classification, examples: 1050, inputShape: [2],
    classes: ["first arm", "second arm", "third arm"],
    source: "made from a seed: three arms of a spiral with noise", license: "none needed")

  private static let fashion = Result { () throws(DatasetError) in
    try FashionMNIST.load(from: FashionMNIST.folder)
  }
  /// Of a folder that somebody gave, only reading tells the size.
  private static let fashionInfo =
    FashionMNIST.isGivenFolder ? (try? fashion.get().info) ?? FashionMNIST.info() : FashionMNIST.info()
}
