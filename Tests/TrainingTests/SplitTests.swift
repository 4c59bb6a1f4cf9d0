import Autodiff
import JSON
import Testing

@testable import Training

@Suite struct SplitTests {
  static func passes() throws -> FlatPasses {
    FlatPasses(pool: ThreadPool(threads: 2), kernels: try KernelTable.select())
  }

  func split(_ name: String, seed: UInt64 = 1, _ fields: [(String, JSON)] = []) throws -> (Dataset, Split) {
    let spec = try JobSpec.decode(
      job([("dataset.name", .string(name))] + fields.map { ("dataset.\($0.0)", $0.1) }))
    let set = try DatasetCatalog.builtin.load(name)
    return (set, try Split(set, spec.dataset, seed: seed))
  }

  @Test(
    "G1 parts are disjoint and cover", arguments: ["iris", "digits", "breast-cancer", "diabetes", "spirals"],
    [0.1, 0.25, 0.013])
  func partsAreDisjointAndCover(_ name: String, _ share: Double) throws {
    let (set, split) = try split(name, [("validation", .number(share)), ("test", 0.2)])
    let parts = [split.train.rows, try #require(split.validation).rows, try #require(split.test).rows]
    #expect(parts.flatMap { $0 }.sorted() == Array(0..<Int32(set.pool.count)))
    #expect(parts.allSatisfy { $0 == $0.sorted() })
    #expect(parts[1].count == max(1, Int((share * Double(set.pool.count)).rounded())))
  }

  @Test("G1 parts are stratified", arguments: ["iris", "wine", "digits", "breast-cancer"])
  func everyClassGivesItsShare(_ name: String) throws {
    let (set, split) = try split(name, [("validation", 0.1)])
    let chosen = try #require(split.validation).rows
    for label in 0..<Int32(set.classes.count) {
      let all = set.pool.labels.count { $0 == label }
      let here = chosen.count { set.pool.labels[Int($0)] == label }
      #expect(abs(Double(here) - 0.1 * Double(all)) < 1)
    }
  }

  @Test func followsTheSeedAlone() throws {
    #expect(try split("iris").1.train.rows == split("iris").1.train.rows)
    #expect(try split("iris").1.train.rows != split("iris", seed: 2).1.train.rows)
  }

  /// Rows G1 and G2: the folds are disjoint, cover what is not for testing, and give each class its share.
  @Test(arguments: ["iris", "digits", "diabetes"], [2, 3, 10])
  func G2_folds(_ name: String, _ count: Int) throws {
    var all: [Int32] = []
    for fold in 0..<count {
      let (set, split) = try split(name, [("folds", JSON(count)), ("fold", JSON(fold)), ("test", 0.2)])
      let (chosen, test) = (try #require(split.validation).rows, try #require(split.test).rows)
      #expect(
        (split.train.rows + chosen + test).sorted() == Array(0..<Int32(set.pool.count))
          && chosen == chosen.sorted())
      let rest = set.pool.count - test.count
      #expect(abs(chosen.count - rest / count) <= 1)
      for label in 0..<Int32(set.classes.count) {
        let classes = (chosen + split.train.rows).count { set.pool.labels[Int($0)] == label }
        let here = chosen.count { set.pool.labels[Int($0)] == label }
        #expect(abs(Double(here) - Double(classes) / Double(count)) <= 1)
      }
      all += chosen
      if fold == count - 1 { #expect((all + test).sorted() == Array(0..<Int32(set.pool.count))) }
    }
    let spec = try JobSpec.decode(job([("dataset.folds", 4), ("dataset.fold", 3)]))
    #expect(try JobSpec.decode(spec.encode()) == spec && spec.encode()["dataset"]?["validation"] == nil)
  }

  /// Row G9, the sets: as many examples as before, about 1 - 1/e of them different, others for another seed.
  @Test func G9_bootstrap() throws {
    let (_, plain) = try split("digits")
    let sets = try (1...3).map { try split("digits", seed: UInt64($0), [("bootstrap", true)]).1 }
    for set in sets {
      #expect(set.train.rows.count == plain.train.rows.count)
      let different = Double(Set(set.train.rows).count) / Double(set.train.rows.count)
      #expect(abs(different - 0.632) < 0.02)
      #expect(Set(set.train.rows).isDisjoint(with: try #require(set.validation).rows))
    }
    #expect(Set(sets[0].train.rows).isSubset(of: plain.train.rows))
    #expect(sets[0].train.rows != sets[1].train.rows && sets[1].train.rows != sets[2].train.rows)
  }

  @Test func limitsAndEdges() throws {
    #expect(try split("iris", [("limit", 20), ("validation", 0.1)]).1.train.rows.count == 18)
    #expect(try split("iris", [("validation", 0)]).1.validation == nil)
    #expect(throws: SpecError.self) { try split("iris", [("limit", 1), ("validation", 0.5)]) }
  }

  @Test func epochsAreShuffledEachAnew() throws {
    let part = try split("iris").1.train
    let order = EpochOrder(part, shuffle: true, seed: 3)
    #expect(order.order(epoch: 0).sorted() == part.rows)
    #expect(order.order(epoch: 0) != order.order(epoch: 1))
    #expect(order.order(epoch: 1) == EpochOrder(part, shuffle: true, seed: 3).order(epoch: 1))
    #expect(order.order(epoch: 1) != EpochOrder(part, shuffle: true, seed: 4).order(epoch: 1))
    #expect(EpochOrder(part, shuffle: false, seed: 3).order(epoch: 5) == part.rows)
  }

  @Test func standardizationIsTheTrainingParts() throws {
    let (set, split) = try split("wine", [("validation", 0.3)])
    let filler = BatchFiller(
      standardization: Standardization(split.train), passes: try Self.passes())
    let width = set.pool.width
    var values = [Float](repeating: 0, count: split.train.count * width)
    values.withUnsafeMutableBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      filler.fill(split.train.rows[...], of: set.pool, features: base, stride: width)
    }
    for column in 0..<width {
      let column = stride(from: column, to: values.count, by: width).map { Double(values[$0]) }
      let mean = column.reduce(0, +) / Double(column.count)
      let variance = column.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(column.count)
      #expect(abs(mean) < 1e-5 && abs(variance - 1) < 1e-5)
    }
    let constant = Examples(width: 1, features: .floats([3, 3]), labels: [0, 1])
    #expect(Standardization(Part(examples: constant, rows: [0, 1])).scale == [1])
  }

  @Test func bytesAreScaledToOne() throws {
    let filler = BatchFiller(standardization: nil, passes: try Self.passes())
    let set = Examples(width: 2, features: .bytes([0, 255, 51, 102]), labels: [0, 1])
    var values = [Float](repeating: -1, count: 4)
    values.withUnsafeMutableBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      filler.fill([1, 0], of: set, features: base, stride: 2)
    }
    #expect(values == [0.2, 0.4, 0, 1])
  }
}
