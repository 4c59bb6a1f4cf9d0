import Autodiff
import JSON
import Testing

@testable import Training

@Suite struct DatasetPreviewTests {
  static func numbers(_ example: JSON?) -> [Float] {
    (example?["values"]?.arrayValue ?? []).compactMap { $0.doubleValue.map { Float($0) } }
  }

  @Test func plainExamplesAreTheSetsOwn() throws {
    let digits = try DatasetCatalog.builtin.load("digits")
    let preview = try DatasetPreview(digits)
    #expect(preview.count == 1797)
    let shown = try #require(preview.examples(from: 1795, limit: 10).arrayValue)
    #expect(shown.map { $0["index"]?.intValue } == [1795, 1796])
    for example in shown {
      let index = try #require(example["index"]?.intValue)
      #expect(Self.numbers(example) == (0..<64).map { digits.pool.features[index * 64 + $0] })
      #expect(example["label"]?.stringValue == digits.classes[Int(digits.pool.labels[index])])
    }
    #expect(preview.examples(from: 5000, limit: 10) == [])
  }

  @Test func numbersToPredictAndExcerptsOfText() throws {
    let diabetes = try DatasetCatalog.builtin.load("diabetes")
    let row = try #require(try DatasetPreview(diabetes).examples(from: 3, limit: 1).arrayValue?.first)
    #expect(row["target"]?.doubleValue == Double(diabetes.pool.targets[3]))
    #expect(row["label"] == nil)
    let text = String(repeating: "Fünf Bären. ", count: 40)
    let preview = try DatasetPreview(.text(name: "bears", text, source: "", license: ""))
    #expect(preview.count == 3)
    let parts = try #require(preview.examples(from: 0, limit: 3).arrayValue)
    #expect(parts.compactMap { $0["text"]?.stringValue }.joined() == text)
    #expect(parts.map { $0["index"]?.intValue } == [0, 200, 400])
  }

  /// What is shown is what training sees: the same seed, epoch and example give the same picture.
  @Test func augmentedAsInTraining() throws {
    let digits = try DatasetCatalog.builtin.load("digits")
    let augment: JSON = [["type": "rotate", "degrees": 30], ["type": "gaussian_noise", "std": 0.2]]
    let preview = try DatasetPreview(digits, augment: augment)
    let shown = try #require(preview.examples(from: 7, limit: 2, seed: 5, epoch: 3).arrayValue)
    let reader = try FieldReader(["augment": augment], at: "")
    let steps = try reader.list("augment", count: 0...9).map { try $0.method(MethodTable.augmentations) }
    let augmenter = Augmenter(
      steps, shape: digits.inputShape, seed: 5, kernels: try KernelTable.select())
    for (offset, example) in shown.enumerated() {
      let plain = (0..<64).map { digits.pool.features[(7 + offset) * 64 + $0] }
      let values = augmenter.applied(to: plain, row: Int32(7 + offset), epoch: 3)
      #expect(Self.numbers(example) == values)
      #expect(values != plain)
    }
    #expect(preview.examples(from: 7, limit: 2, seed: 5, epoch: 4).arrayValue != shown)
    #expect(preview.examples(from: 7, limit: 2, seed: 6, epoch: 3).arrayValue != shown)
  }

  @Test func faultsAreNamedAsInAJob() throws {
    let iris = try DatasetCatalog.builtin.load("iris")
    let faults: [(JSON, String)] = [
      ([["type": "rotate"]], "augment.0.type"),
      ([["type": "gaussian_noise"], ["type": "gaussian_noise", "std": -1]], "augment.1.std"),
      ([["type": "none"]], "augment.0.type"), (3, "augment"),
    ]
    for (augment, field) in faults {
      let error = #expect(throws: SpecError.self) { try DatasetPreview(iris, augment: augment) }
      #expect(error?.field == field)
    }
  }
}
