// Some examples of a data set to look at, as they are or as a job's augmentations would show them to the model.

import Autodiff
import JSON

/// A look at examples of a data set.
public struct DatasetPreview: Sendable {
  /// Characters of an excerpt of running text.
  static let excerpt = 200

  private let dataset: Dataset
  private let steps: [any Augmentation]
  private let kernels: KernelTable

  /// A look through the augmentations of a job's `augment` list; a fault is named as in the job: `augment.0.degrees`.
  public init(_ dataset: Dataset, augment: JSON = []) throws {
    let fields = try FieldReader(["augment": augment], at: "")
    var steps: [any Augmentation] = []
    for (index, item) in try fields.list("augment", count: 0...32).enumerated() {
      guard dataset.info.kind != .text else { throw SpecError("augment.\(index).type", "is not for text") }
      let step = try item.method(MethodTable.augmentations)
      try step.check(dataset.inputShape, "augment.\(index)")
      steps.append(step)
    }
    self.dataset = dataset
    self.steps = steps
    kernels = try KernelTable.select()
  }

  /// How many examples there are to look at; excerpts for running text.
  public var count: Int {
    guard let text = dataset.text else { return dataset.pool.count }
    return (text.count + Self.excerpt - 1) / Self.excerpt
  }

  /// Up to `limit` examples from `first` on, as they are in one epoch of a job with this seed: each with its index, its
  /// class (`label`) or number (`target`), and its `values` in the order of the input shape, or its `text`.
  public func examples(from first: Int, limit: Int, seed: UInt64 = 0, epoch: Int = 0) -> JSON {
    let indices = min(first, count)..<min(first + limit, count)
    if let text = dataset.text { return .array(indices.map { Self.excerpt($0, of: text) }) }
    let augmenter = Augmenter(steps, shape: dataset.inputShape, seed: seed, kernels: kernels)
    return .array(
      indices.map { index in
        let row = Int32(index)
        let width = dataset.pool.width
        let values = augmenter.applied(
          to: (0..<width).map { dataset.pool.features[index * width + $0] }, row: row, epoch: epoch)
        var example: JSONObject = ["index": JSON(index)]
        if let documents = dataset.documents {
          example["text"] = .string(documents[index])
        } else {
          example["values"] = .array(values.map(Self.short))
        }
        if index < dataset.pool.labels.count {
          let label = Int(dataset.pool.labels[index])
          example["label"] = .string(
            dataset.classes.indices.contains(label) ? dataset.classes[label] : "\(label)")
        } else if index < dataset.pool.targets.count {
          example["target"] = Self.short(dataset.pool.targets[index])
        }
        return .object(example)
      })
  }

  private static func excerpt(_ index: Int, of text: RunningText) -> JSON {
    let first = index * excerpt
    return ["index": JSON(first), "text": .string(text.excerpt(first..<min(first + excerpt, text.count)))]
  }

  /// The shortest number that is the same 32-bit float.
  private static func short(_ value: Float) -> JSON { JSON(Double("\(value)") ?? Double(value)) }
}
