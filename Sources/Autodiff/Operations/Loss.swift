// What losses have in common.

/// What a step of a loss makes; `both` has the loss as first output and the gradient as second.
enum LossResults: Sendable {
  case loss, gradient, both
}

/// A loss: a number from predictions (the first input) and what they should be.
protocol Loss: Operation {
  var makes: LossResults { get set }
}

extension Loss {
  func differentiate(_ step: Step, _ dy: Int?, _ gradients: inout Differentiation) throws(GraphError) {
    guard dy == nil else { throw GraphError(name, "a loss must be the end of its graph") }
    guard gradients.isWanted(step.inputs[0]) else { return }
    var operation = self
    operation.makes = .gradient
    gradients.contribute(to: step.inputs[0], operation, step.inputs)
  }

  /// The operand for the gradient, where the step makes it.
  func gradientOutput(_ step: Step) -> [Int] {
    makes == .loss ? [] : [step.outputs[step.outputs.count - 1]]
  }
}

extension Graph {
  /// Adds a loss, the mean over `count` terms.
  mutating func applyLoss(_ loss: any Loss, _ inputs: [Node], count: Int) -> Node {
    let value = add(
      Value(
        origin: .results, rows: 1, columns: 16, needsGradient: values[inputs[0].value].needsGradient))
    steps.append(Step(loss, inputs: inputs.map(\.value), outputs: [value]))
    lossTerms[value] = count
    return Node(value: value, shape: [1])
  }
}

/// A loss and its gradient -> one step.
func fuseLosses(_ program: inout Program) {
  for index in program.steps.indices {
    guard var loss = program.steps[index].operation as? any Loss, loss.makes == .loss else { continue }
    let partner = program.steps.indices.first {
      (program.steps[$0].operation as? any Loss)?.makes == .gradient
        && program.steps[$0].inputs == program.steps[index].inputs
    }
    guard let partner else { continue }
    loss.makes = .both
    program.steps[index].operation = loss
    program.steps[index].outputs += program.steps[partner].outputs
    program.steps[partner] = Step(Nothing(), inputs: [], outputs: [])
  }
}
