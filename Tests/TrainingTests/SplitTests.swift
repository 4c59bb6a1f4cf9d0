import JSON
import Testing

@testable import Training

@Suite struct SplitTests {
  func split(_ name: String, seed: UInt64 = 1, _ fields: [(String, JSON)] = []) throws -> (Dataset, Split) {
    let spec = try JobSpec.decode(
      job([("dataset.name", .string(name))] + fields.map { ("dataset.\($0.0)", $0.1) }))
    let set = try DatasetCatalog.builtin.load(name)
    return (set, try Split(set, spec.dataset, seed: seed))
  }

  @Test(arguments: ["iris", "digits", "breast-cancer", "diabetes", "spirals"], [0.1, 0.25, 0.013])
  func partsAreDisjointAndCover(_ name: String, _ share: Double) throws {
    let (set, split) = try split(name, [("validation", .number(share)), ("test", 0.2)])
    let parts = [split.train.rows, try #require(split.validation).rows, try #require(split.test).rows]
    #expect(parts.flatMap { $0 }.sorted() == Array(0..<Int32(set.pool.count)))
    #expect(parts.allSatisfy { $0 == $0.sorted() })
    #expect(parts[1].count == max(1, Int((share * Double(set.pool.count)).rounded())))
  }

  @Test(arguments: ["iris", "wine", "digits", "breast-cancer"])
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
    let filler = BatchFiller(standardization: Standardization(split.train))
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

  @Test func bytesAreScaledToOne() {
    let set = Examples(width: 2, features: .bytes([0, 255, 51, 102]), labels: [0, 1])
    var values = [Float](repeating: -1, count: 4)
    values.withUnsafeMutableBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      BatchFiller(standardization: nil).fill([1, 0], of: set, features: base, stride: 2)
    }
    #expect(values == [0.2, 0.4, 0, 1])
  }
}
