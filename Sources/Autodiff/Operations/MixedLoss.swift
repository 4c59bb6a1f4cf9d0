extension Graph {
  /// The loss that has just been added, twice: by its own labels or targets, and by others of the same shape. What a run
  /// is given by `Executor.mix` says how much each of the two counts, in the loss as in its gradient.
  /// References: Zhang et al. 2018 (mixup); Yun et al. 2019 (CutMix).
  public mutating func mixed(_ loss: Node) throws(GraphError) -> Node {
    guard let index = steps.indices.last, steps[index].outputs == [loss.value],
      let inner = steps[index].operation as? any Loss
    else { throw GraphError("mixed loss", "expected the loss that was added last") }
    let place = steps[index].inputs.firstIndex { [.labels, .targets].contains(values[$0].origin) }
    guard let place else { throw GraphError("mixed loss", "expected a loss with labels or targets") }
    let own = values[steps[index].inputs[place]]
    let other = add(
      Value(
        origin: own.origin == .labels ? .otherLabels : .otherTargets, rows: own.rows, columns: own.columns))
    let results = add(Value(origin: .results, rows: 1, columns: 16))
    steps[index].operation = MixedLoss(inner: inner, place: place)
    steps[index].inputs.append(other)
    steps[index].outputs.append(results)
    return loss
  }
}

/// Reads what its loss reads, and the other answers last. Outputs the results of both. Backward needs the inputs.
struct MixedLoss: Loss {
  let name = "mixed loss"
  let inner: any Loss
  /// Which of the loss's inputs the other answers stand for.
  let place: Int
  var makes = LossResults.loss

  init(inner: any Loss, place: Int) { (self.inner, self.place) = (inner, place) }

  func emit(_ step: Step, _ emitter: inout Emitter) {
    var inner = inner
    inner.makes = makes
    let own = Array(step.inputs.dropLast())
    var others = own
    others[place] = step.inputs[own.count]
    let gradient = makes == .loss ? nil : step.outputs.last
    let share = gradient.map {
      emitter.temporary(rows: emitter.values[$0].rows, columns: emitter.values[$0].columns)
    }
    let results = makes == .gradient ? [] : step.outputs.prefix(2)
    inner.emit(Step(inner, inputs: own, outputs: results.prefix(1) + (gradient.map { [$0] } ?? [])), &emitter)
    inner.emit(Step(inner, inputs: others, outputs: results.suffix(1) + (share.map { [$0] } ?? [])), &emitter)
    if let gradient, let share { emitter.elementwise(.combine, [share, gradient], numbers: [0, 1]) }
  }
}
