// What an operation is.

/// An operation on values. A conforming struct and its builder on `Graph` are one file: shape rule (the builder),
/// forward (`emit`), gradient, and with the gradient's inputs what is kept for the backward pass.
protocol Operation: Sendable {
  /// As in messages: `linear`.
  var name: String { get }

  /// Adds the steps that make the gradients of the step's inputs from that of its output. `dy` is nil at the loss,
  /// whose own gradient is 1.
  func differentiate(_ step: Step, _ dy: Int?, _ gradients: inout Differentiation) throws(GraphError)

  /// Adds the instructions that carry the step out.
  func emit(_ step: Step, _ emitter: inout Emitter)
}

extension Operation {
  /// For steps of the backward pass.
  func differentiate(_ step: Step, _ dy: Int?, _ gradients: inout Differentiation) throws(GraphError) {
    throw GraphError(name, "has no gradient")
  }
}

/// Steps in order over values: a graph on its way to a plan.
struct Program: Sendable {
  var values: [Value]
  var steps: [Step]
  /// Values that the caller sees, which no fusion may take away.
  var visible: Set<Int>

  /// Adds a value as large as another.
  mutating func addValue(like other: Int) -> Int {
    values.append(Value(origin: .computed, rows: values[other].rows, columns: values[other].columns))
    return values.count - 1
  }

  /// The steps that read a value.
  func readers(of value: Int) -> [Int] {
    steps.indices.filter { steps[$0].inputs.contains(value) }
  }

  /// The only step that reads a value that nobody else sees.
  func onlyReader(of value: Int) -> Int? {
    guard !visible.contains(value), values[value].origin == .computed else { return nil }
    let readers = readers(of: value)
    return readers.count == 1 ? readers[0] : nil
  }
}

/// Reverse accumulation: walks the steps backwards and asks each for its inputs' gradients.
struct Differentiation {
  var program: Program
  /// The parts of each value's gradient found so far.
  private var parts: [Int: [Int]] = [:]

  /// Whether anybody wants a value's gradient.
  func isWanted(_ value: Int) -> Bool { program.values[value].needsGradient }

  /// Adds a step that makes a part of a value's gradient, where anybody wants it.
  mutating func contribute(to value: Int, _ operation: any Operation, _ inputs: [Int]) {
    guard isWanted(value) else { return }
    let part = program.addValue(like: value)
    program.steps.append(Step(operation, inputs: inputs, outputs: [part]))
    parts[value, default: []].append(part)
  }

  /// A value's gradient is, or has as a part, one that is there already.
  mutating func pass(_ gradient: Int, to value: Int) {
    parts[value, default: []].append(gradient)
  }

  /// Adds a step that makes parts of several values' gradients, its outputs in their order.
  mutating func contribute(to values: [Int], _ operation: any Operation, _ inputs: [Int]) {
    guard values.contains(where: isWanted) else { return }
    let outputs = values.map { program.addValue(like: $0) }
    program.steps.append(Step(operation, inputs: inputs, outputs: outputs))
    for (value, part) in zip(values, outputs) { parts[value, default: []].append(part) }
  }

  /// The gradient of a value all of whose readers have been asked: the sum of its parts.
  private mutating func gradient(of value: Int) -> Int? {
    guard var parts = parts[value], var sum = parts.first else { return nil }
    parts.removeFirst()
    for part in parts {
      let next = program.addValue(like: value)
      program.steps.append(Step(Addition(), inputs: [sum, part], outputs: [next]))
      sum = next
    }
    return sum
  }

  /// A program that also makes the gradient of `loss` by every parameter.
  static func extend(_ program: Program, loss: Int, layout: ParameterLayout) throws(GraphError) -> Program {
    var walk = Differentiation(program: program)
    for step in program.steps.reversed() {
      let output = step.outputs[0]
      guard output == loss || walk.parts[output] != nil else { continue }
      let dy = output == loss ? nil : walk.gradient(of: output)
      try step.operation.differentiate(step, dy, &walk)
    }
    for value in program.values.indices {
      guard case .parameter(let index) = program.values[value].origin, walk.isWanted(value) else { continue }
      guard let gradient = walk.gradient(of: value) else {
        throw GraphError("parameter \(layout.entries[index].name)", "has no part in the loss")
      }
      walk.program.values[gradient].origin = .gradient(index)
    }
    return walk.program
  }
}
