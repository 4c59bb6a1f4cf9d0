import JSON
import Testing

@testable import Training

@Suite struct DatasetTests {
  @Test(arguments: [
    ("digits", 1797, [1, 8, 8], 10), ("iris", 150, [4], 3), ("wine", 178, [13], 3),
    ("breast-cancer", 569, [30], 2), ("moons", 1000, [2], 2), ("spirals", 1050, [2], 3),
  ])
  func builtinClassification(_ name: String, _ examples: Int, _ shape: [Int], _ classes: Int) throws {
    let set = try DatasetCatalog.builtin.load(name)
    #expect(set.examples == examples && set.inputShape == shape && set.classes.count == classes)
    #expect(set.pool.features.count == examples * shape.reduce(1, *))
    #expect(Set(set.pool.labels) == Set(0..<Int32(classes)))
    let report = QualityReport(set)
    #expect(report.missing == 0)
    #expect(report.classBalance.reduce(0) { $0 + $1.examples } == examples)
  }

  /// Sums from scikit-learn's own loaders.
  @Test func contentsAreScikitLearns() throws {
    func sum(_ name: String) throws -> Double {
      let pool = try DatasetCatalog.builtin.load(name).pool
      return (0..<pool.features.count).reduce(0) { $0 + Double(pool.features[$1]) }
    }
    #expect(try sum("digits") * 16 == 561718)
    #expect(try abs(sum("iris") - 2078.7) < 1e-3)
    #expect(try abs(sum("wine") - 159975.296) < 1e-2)
    #expect(try abs(sum("breast-cancer") - 1056474.4596) < 0.2)
    let diabetes = try DatasetCatalog.builtin.load("diabetes")
    #expect(diabetes.examples == 442 && diabetes.classes.isEmpty && diabetes.outputs == 1)
    #expect(diabetes.pool.targets.reduce(0, +) == 67243)
    #expect(try abs(sum("diabetes") - 276404.2336) < 1e-2)
    let digits = try DatasetCatalog.builtin.load("digits").pool
    #expect(digits.labels.prefix(10) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    #expect((0..<8).map { digits.features[$0] * 16 } == [0, 0, 5, 13, 9, 1, 0, 0])
  }

  @Test func namesWithoutContents() throws {
    #expect(DatasetCatalog.builtin.list.map(\.name).starts(with: ["digits", "iris", "wine"]))
    #expect(throws: DatasetError.self) { try DatasetCatalog.builtin.info("nothing") }
    #expect(DatasetCatalog.builtin.list.allSatisfy { !$0.source.isEmpty && !$0.license.isEmpty })
  }

  /// What is said of a set unread is what reading finds.
  @Test(arguments: DatasetCatalog.builtin.list.map(\.name)) func factsAreTrue(_ name: String) throws {
    let set = try DatasetCatalog.builtin.load(name)
    #expect(set.info == (try DatasetCatalog.builtin.info(name)))
    #expect(set.info.examples == set.examples)
    #expect(
      set.inputShape.reduce(1, *) == set.pool.width
        && set.pool.features.count == set.pool.count * set.pool.width)
    #expect(
      set.classes.isEmpty == (set.info.task == .regression) && set.classes.count == Set(set.pool.labels).count
    )
    #expect((set.test != nil) == set.info.hasTestSplit)
  }

  @Test func reportFindsFaults() {
    let info = DatasetInfo(
      name: "x", kind: .tabular, task: .classification, examples: 4, inputShape: [2], classes: ["a", "b"],
      source: "-",
      license: "-")
    let values: [Float] = [1, 5, 2, 5, .nan, 5, 1, 5]
    let set = Dataset(
      info: info, columns: ["u", "v"],
      pool: Examples(width: 2, features: .floats(values), labels: [0, 1, 1, 0]))
    let report = QualityReport(set)
    #expect(report.missing == 1 && report.constantColumns == ["v"] && report.duplicateRows == 1)
    #expect(report.classBalance.map(\.examples) == [2, 2])
    #expect(report.ranges[0].min == 1 && report.ranges[0].max == 2 && report.ranges[0].mean == 4.0 / 3)
    #expect(report.encode()["duplicate_rows"] == 1)
  }

  @Test func irisHasOneKnownDuplicate() throws {
    #expect(try QualityReport(DatasetCatalog.builtin.load("iris")).duplicateRows == 1)
  }

  @Test(.enabled(if: FashionMNIST.isInstalled(in: "/usr/share/datasets/fashion-mnist")))
  func fashionMNIST() throws {
    let set = try FashionMNIST.load(from: "/usr/share/datasets/fashion-mnist")
    #expect(set.info == FashionMNIST.info())
    #expect(set.pool.count == 60000 && set.test?.count == 10000 && set.inputShape == [1, 28, 28])
    #expect(set.pool.labels.prefix(5) == [9, 0, 0, 3, 0])
    #expect(QualityReport(set).classBalance.allSatisfy { $0.examples == 7000 })
  }

  @Test func fashionMNISTAbsent() {
    #expect(!FashionMNIST.isInstalled(in: "/nonexistent"))
    let source = DatasetSource(
      DatasetInfo(
        name: "f", kind: .image, task: .classification, examples: 0, inputShape: [1], source: "", license: ""),
      obstacle: { "install it" },
      load: { () throws(DatasetError) in throw DatasetError(name: "f", reason: "") })
    let catalog = DatasetCatalog([source])
    #expect(catalog.list.isEmpty)
    #expect(throws: DatasetError(name: "f", reason: "install it")) { try catalog.load("f") }
  }

  @Test func damagedIDX() {
    #expect(throws: IDX.Failure.self) { try IDX.read([0, 0, 8, 1, 0, 0, 0, 3, 1, 2], dimensions: 1) }
    #expect(throws: IDX.Failure.self) { try IDX.read([0, 0, 13, 1, 0, 0, 0, 1, 1], dimensions: 1) }
    #expect(throws: IDX.Failure.self) { try IDX.read([0, 0, 8], dimensions: 1) }
    let huge: [UInt8] = [0, 0, 8, 3] + [UInt8](repeating: 255, count: 12)
    #expect(throws: IDX.Failure.self) { try IDX.read(huge, dimensions: 3) }
  }
}
