// Two arrays, examples and their labels or targets, become a data set.

enum ArrayImport {
  /// Writes the data set of `images` and `labels` to `target`. Three or four axes are pictures (without or with
  /// channels), one or two are a table. Bytes stand for byte / 255, other numbers for themselves.
  static func arrays(
    images: ArrayFile, labels: ArrayFile, to target: String, task asked: DatasetTask?, source: String
  ) throws(ImportError) -> DatasetHeader {
    let shape = images.shape
    guard (1...4).contains(shape.count) else {
      throw .damaged(
        field: "images",
        "images must have 1 or 2 axes (a table), or 3 or 4 (pictures [N, H, W] or [N, C, H, W]), got \(shape)"
      )
    }
    guard images.rows > 0, images.width > 0 else {
      throw .damaged(field: "images", "images hold nothing: \(shape)")
    }
    guard images.rows <= Int(Int32.max) else {
      throw .damaged(field: "images", "images are \(images.rows); at most \(Int32.max) are read")
    }
    guard labels.width == 1, labels.rows == images.rows else {
      throw .damaged(
        field: "labels",
        "labels must be one number for each of the \(images.rows) images, got \(labels.shape)")
    }
    let task = asked ?? (labels.element.isInteger ? .classification : .regression)
    let classes = task == .classification ? try Self.classes(labels) : []
    let targets = task == .regression ? try Self.targets(labels) : []
    let isBytes = images.element == .unsigned(bytes: 1)
    let missing = isBytes ? 0 : try Self.missing(images)
    let header = DatasetHeader(
      kind: shape.count >= 3 ? .image : .tabular, task: task, examples: images.rows,
      inputShape: shape.count == 4
        ? Array(shape.dropFirst()) : shape.count == 3 ? [1] + shape.dropFirst() : [images.width],
      classes: (0..<(classes.max().map { Int($0) + 1 } ?? 0)).map(String.init), isBytes: isBytes,
      missing: missing,
      source: source)
    var writer = try DatasetFile.begin(target, header, labels: classes, targets: targets)
    for index in 0..<images.rows * images.width {
      let value = images.value(index)
      if isBytes { try writer.write(CollectionOfOne(UInt8(value))) } else { try writer.write(Float(value)) }
    }
    try writer.finish()
    return header
  }

  private static func classes(_ labels: ArrayFile) throws(ImportError) -> [Int32] {
    var classes: [Int32] = []
    classes.reserveCapacity(labels.rows)
    for index in 0..<labels.rows {
      let value = labels.value(index)
      guard value >= 0, value < Double(TableImport.maxClasses), value == value.rounded() else {
        throw .damaged(
          field: "labels",
          "labels must be integers from 0 to \(TableImport.maxClasses - 1), got \(value) at index \(index)")
      }
      classes.append(Int32(value))
    }
    guard let most = classes.max(), most > 0 else {
      throw .damaged(field: "labels", "labels hold one class only")
    }
    return classes
  }

  private static func targets(_ labels: ArrayFile) throws(ImportError) -> [Float] {
    var targets: [Float] = []
    targets.reserveCapacity(labels.rows)
    for index in 0..<labels.rows {
      let value = Float(labels.value(index))
      guard value.isFinite else {
        throw .damaged(
          field: "labels", "labels must be finite numbers, got \(labels.value(index)) at index \(index)")
      }
      targets.append(value)
    }
    return targets
  }

  /// How many features are not numbers; an infinite one is refused.
  private static func missing(_ images: ArrayFile) throws(ImportError) -> Int {
    guard case .float = images.element else { return 0 }
    var missing = 0
    for index in 0..<images.rows * images.width {
      let value = Float(images.value(index))
      if value.isNaN {
        missing += 1
      } else if value.isInfinite {
        throw .damaged(
          field: "images",
          "images must be finite, got \(images.value(index)) in example \(index / images.width)")
      }
    }
    return missing
  }
}
