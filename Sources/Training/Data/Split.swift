// Which examples are trained on, which are evaluated while training, which once at the end: a pure function of
// the data set, the spec and the seed. The three never share an example.

import Autodiff

/// Some examples of a table, by their row.
struct Part: Sendable {
  let examples: Examples
  /// Rows in the table's own order.
  var rows: [Int32]
  /// Where the last example of running text may begin.
  var lastStart: Int32 = 0

  var count: Int { rows.count }
}

/// A data set cut into its three parts.
struct Split: Sendable {
  let train: Part
  /// Nil when nothing is set aside.
  let validation: Part?
  let test: Part?

  init(_ dataset: Dataset, _ spec: DatasetSpec, seed: UInt64) throws(SpecError) {
    let pool = dataset.pool
    let cut = spec.splitSeed.map(UInt64.init) ?? seed
    if pool.tokens != nil {
      let text = try TextSplit(pool, spec)
      (train, validation, test) = (text.train, text.validation, text.test)
      return
    }
    let count = min(pool.count, spec.limit ?? pool.count)
    var left = Array(0..<Int32(count))
    func take(_ size: PartSize, _ purpose: RandomPurpose) -> Part? {
      switch size {
      case .ownTestSplit: return dataset.test.map { Part(examples: $0, rows: Array(0..<Int32($0.count))) }
      case .fraction(0): return nil
      case .fraction(let share):
        let wanted = max(1, Int((share * Double(count)).rounded()))
        let chosen = Self.draw(min(wanted, left.count), of: left, pool, RandomStream(seed: cut, purpose))
        let taken = Set(chosen)
        left.removeAll { taken.contains($0) }
        return chosen.isEmpty ? nil : Part(examples: pool, rows: chosen)
      }
    }
    test = take(spec.test, .testSplit)
    if let folds = spec.folds {
      let chosen = Self.fold(spec.fold, of: folds, left, pool, RandomStream(seed: cut, .validationSplit))
      guard !chosen.isEmpty else {
        throw SpecError(
          "dataset.folds", "must be at most the number of examples, \(left.count), got \(folds)")
      }
      let taken = Set(chosen)
      left.removeAll { taken.contains($0) }
      validation = Part(examples: pool, rows: chosen)
    } else {
      validation = take(spec.validation, .validationSplit)
    }
    guard !left.isEmpty else {
      throw SpecError("dataset.validation", "leaves nothing to train on: the set has \(count) examples here")
    }
    train = Part(
      examples: pool, rows: spec.bootstrap ? Self.resample(left, RandomStream(seed: seed, .bootstrap)) : left)
  }

  /// As many of the rows drawn with replacement, in the set's order (Efron 1979).
  private static func resample(_ rows: [Int32], _ random: RandomStream) -> [Int32] {
    rows.indices.map { rows[Int(random.uniform(0, $0) * Double(rows.count))] }.sorted()
  }

  /// Fold `number` of `count`: the rows of each class are shuffled and dealt out one by one, so that folds differ by at
  /// most one example, in all and of each class.
  private static func fold(
    _ number: Int, of count: Int, _ rows: [Int32], _ examples: Examples, _ random: RandomStream
  ) -> [Int32] {
    var chosen: [Int32] = []
    var dealt = 0
    for (label, stratum) in strata(rows, examples) {
      for position in random.permutation(step: Int(label), count: stratum.count) {
        if dealt % count == number { chosen.append(stratum[Int(position)]) }
        dealt += 1
      }
    }
    return chosen.sorted()
  }

  /// The rows of each class, by class; all together where there are no classes.
  private static func strata(_ rows: [Int32], _ examples: Examples) -> [(label: Int32, rows: [Int32])] {
    var strata: [Int32: [Int32]] = [:]
    for row in rows {
      strata[examples.labels.isEmpty ? 0 : examples.labels[Int(row)], default: []].append(row)
    }
    return strata.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  /// Draws `wanted` of the rows, of each class its share, the fractions left over going to the largest first.
  private static func draw(_ wanted: Int, of rows: [Int32], _ examples: Examples, _ random: RandomStream)
    -> [Int32]
  {
    let strata = strata(rows, examples)
    var quotas = strata.map { stratum in
      let share = wanted * stratum.rows.count
      return (stratum: stratum, count: share / rows.count, remainder: share % rows.count)
    }
    let missing = wanted - quotas.reduce(0) { $0 + $1.count }
    let byRemainder = quotas.indices.sorted { a, b in
      (quotas[b].remainder, a) < (quotas[a].remainder, b)
    }
    for index in byRemainder.prefix(missing) { quotas[index].count += 1 }
    var chosen: [Int32] = []
    for (stratum, count, _) in quotas {
      let order = random.permutation(step: Int(stratum.label), count: stratum.rows.count)
      for position in order.prefix(count) { chosen.append(stratum.rows[Int(position)]) }
    }
    return chosen.sorted()
  }
}

/// Mean and standard deviation of each feature of the training part, to bring every part to the same scale. Missing
/// values take no part.
struct Standardization: Sendable {
  let mean: [Float]
  /// One over the standard deviation (dividing by n); 1 where a feature never changes.
  let scale: [Float]

  init(_ part: Part) {
    (mean, scale) = part.examples.features.withValues(
      floats: { source in Self.moments(part) { Double(source[$0]) } },
      bytes: { source in Self.moments(part) { Double(Float(source[$0]) / 255) } })
  }

  private static func moments(_ part: Part, _ value: (Int) -> Double) -> (mean: [Float], scale: [Float]) {
    let width = part.examples.width
    var counts = [Int](repeating: 0, count: width)
    func sums(_ term: (Int, Double) -> Double) -> [Double] {
      var sums = [Double](repeating: 0, count: width)
      for row in part.rows {
        for column in 0..<width {
          let value = value(Int(row) * width + column)
          if !value.isNaN { sums[column] += term(column, value) }
        }
      }
      return sums
    }
    let totals = sums { column, value in
      counts[column] += 1
      return value
    }
    let means = totals.indices.map { counts[$0] > 0 ? totals[$0] / Double(counts[$0]) : 0 }
    let squares = sums { column, value in (value - means[column]) * (value - means[column]) }
    let scale = squares.indices.map { column in
      squares[column] > 0 ? Float(1 / (squares[column] / Double(counts[column])).squareRoot()) : 1
    }
    return (means.map { Float($0) }, scale)
  }
}

/// Copies rows of a part into a model's inputs, scaled.
struct BatchFiller {
  let standardization: Standardization?
  let passes: FlatPasses

  /// Writes the features of each of `rows` to `features`, `stride` floats after those of the row before; augmented as in
  /// an epoch before they are scaled.
  func fill(
    _ rows: ArraySlice<Int32>, of examples: Examples, features: UnsafeMutablePointer<Float>, stride: Int,
    augmenting: (augmenter: Augmenter, epoch: Int)? = nil
  ) {
    let width = examples.width
    if let tokens = examples.tokens ?? examples.tokenRows {
      let step = examples.tokens == nil ? width : 1
      tokens.withNumbers { numbers in
        for (index, row) in rows.enumerated() {
          let (from, to) = (Int(row) * step, features + index * stride)
          for column in 0..<width { to[column] = Float(numbers[from + column]) }
        }
      }
      return
    }
    rows.withUnsafeBufferPointer { rows in
      examples.features.withValues(
        floats: { passes.gather(rows, of: $0, columns: width, to: features, stride: stride) },
        bytes: { passes.gather(rows, of: $0, columns: width, to: features, stride: stride) })
      guard let (augmenter, epoch) = augmenting else { return }
      passes.forEach(rows.count, nanosecondsEach: augmenter.nanosecondsEach) { range, scratch in
        for index in range {
          augmenter.apply(features + index * stride, row: rows[index], epoch: epoch, scratch: scratch)
        }
      }
    }
    standardize(features, rows: rows.count, stride: stride)
  }

  /// Writes the right answers of each of `rows`: classes, `targets` `stride` floats apart, or the tokens that follow.
  func fillAnswers(
    _ rows: ArraySlice<Int32>, of examples: Examples, labels: UnsafeMutablePointer<Int32>,
    targets: UnsafeMutablePointer<Float>, stride: Int
  ) {
    let (width, tokens) = (examples.width, examples.tokens)
    for (index, row) in rows.enumerated() {
      if let tokens {
        for column in 0..<width { labels[index * width + column] = tokens[Int(row) + column + 1] }
      } else if examples.labels.isEmpty {
        targets[index * stride] = examples.targets[Int(row)]
      } else {
        labels[index] = examples.labels[Int(row)]
      }
    }
  }

  /// Brings rows of raw features to the scale the model is trained on.
  func standardize(_ features: UnsafeMutablePointer<Float>, rows: Int, stride: Int) {
    guard let standardization else { return }
    standardization.mean.withUnsafeBufferPointer { mean in
      standardization.scale.withUnsafeBufferPointer { scale in
        // A missing value is taken to be the mean.
        passes.standardize(features, rows: rows, stride: stride, mean: mean, scale: scale)
      }
    }
  }
}

/// The order in which an epoch goes through the training part: a pure function of seed and epoch.
struct EpochOrder: Sendable {
  let rows: [Int32]
  let shuffle: Bool
  let random: RandomStream
  /// Running text is cut anew every epoch, a random part of an example later: how long one is, and where the last may
  /// begin. A model that always saw the same cuts would learn where they are.
  private let text: (context: Int, lastStart: Int32)?

  init(_ part: Part, shuffle: Bool, seed: UInt64) {
    rows = part.rows
    text = part.examples.tokens == nil ? nil : (part.examples.width, part.lastStart)
    self.shuffle = shuffle
    random = RandomStream(seed: seed, .order)
  }

  /// Rows of epoch `epoch` (from 0), in order.
  func order(epoch: Int) -> [Int32] {
    guard shuffle else { return rows }
    let order = random.permutation(step: epoch, count: rows.count).map { rows[Int($0)] }
    guard let text else { return order }
    let shift = Int32(RandomStream(seed: random.seed, .textShift).uniform(epoch, 0) * Double(text.context))
    return order.map { min($0 + shift, text.lastStart) }
  }
}
