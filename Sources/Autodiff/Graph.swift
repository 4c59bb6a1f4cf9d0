// The graph: what a caller builds, one operation after the other. Shapes are checked as it grows.

/// Operations on a batch of examples, from inputs and parameters to a loss.
///
/// A graph is built for one batch size; the plans of one run come from graphs that declare the same parameters in
/// the same order and differ in the batch.
public struct Graph: Sendable {
  /// Examples in a batch.
  public let batch: Int
  /// The parameters so far, in the order of their declaration.
  public private(set) var layout = ParameterLayout()
  /// What the model keeps besides parameters: running statistics and counters.
  public private(set) var buffers = ParameterLayout()

  var values: [Value] = []
  /// Numbers that never change, with padding.
  var constants: [[Float]] = []
  var steps: [Step] = []
  /// What values are called in messages.
  var names: [Int: String] = [:]
  /// How many terms a loss is the mean of; 0 where its results say what it is divided by.
  var lossTerms: [Int: Int] = [:]

  /// An empty graph for batches of `batch` examples.
  public init(batch: Int) throws(GraphError) {
    guard batch >= 1 else { throw GraphError("graph", "a batch needs at least 1 example, got \(batch)") }
    self.batch = batch
  }

  /// The examples: [batch] + `exampleShape`. A graph has one input.
  public mutating func input(_ exampleShape: [Int]) throws(GraphError) -> Node {
    try declare(.input, exampleShape, "input")
  }

  /// The class numbers, `each` for an example, one example after the other: [batch * each]. A graph has them at
  /// most once.
  public mutating func labels(each: Int = 1) throws(GraphError) -> Node {
    try declare(.labels, [each], "labels")
  }

  /// What the outputs should be: [batch] + `exampleShape`. A graph has them at most once.
  public mutating func targets(_ exampleShape: [Int]) throws(GraphError) -> Node {
    try declare(.targets, exampleShape, "targets")
  }

  /// A parameter, named and shaped as in PyTorch's `state_dict`: [out, in], [out, in, height, width], [n], or a table
  /// [rows, columns]. One that does not train costs no gradient.
  public mutating func parameter(
    _ name: String, _ shape: [Int], isTable: Bool = false, trains: Bool = true
  ) throws(GraphError)
    -> Node
  {
    let operation = "parameter \(name)"
    try Self.checkSizes(shape, operation)
    guard [1, 2, 4].contains(shape.count) else {
      throw GraphError(operation, "expected one, two or four dimensions, got shape \(shape)")
    }
    guard layout.index(of: name) == nil else { throw GraphError(operation, "is declared twice") }
    guard !isTable || shape.count == 2 else {
      throw GraphError(operation, "expected a table of two dimensions, got shape \(shape)")
    }
    let index = layout.append(name, shape, isTable: isTable)
    let entry = layout.entries[index]
    return Node(
      value: add(
        Value(origin: .parameter(index), rows: entry.rows, columns: entry.columns, needsGradient: trains)),
      shape: shape)
  }

  /// Says what a value is called in messages: `the output of layer 2 (linear)`.
  public mutating func name(_ node: Node, _ text: String) { names[node.value] = text }

  /// A table of numbers that never change: [rows, columns], a row after the other.
  mutating func constant(_ numbers: [Float], columns: Int) -> Node {
    let rows = numbers.count / columns
    let value = Value(origin: .constant(constants.count), rows: rows, columns: columns)
    var stored = [Float](repeating: 0, count: value.floats)
    for (index, number) in numbers.enumerated() {
      stored[index / columns * value.stride + index % columns] = number
    }
    constants.append(stored)
    return Node(value: add(value), shape: [rows, columns])
  }

  /// What the model keeps from step to step and no gradient changes, as PyTorch's buffers: [n], or [] for a
  /// counter.
  public mutating func buffer(_ name: String, _ shape: [Int]) throws(GraphError) -> Node {
    let operation = "buffer \(name)"
    try Self.checkSizes(shape, operation)
    guard shape.count <= 1 else {
      throw GraphError(operation, "expected at most one dimension, got shape \(shape)")
    }
    guard buffers.index(of: name) == nil else { throw GraphError(operation, "is declared twice") }
    let index = buffers.append(name, shape)
    let columns = buffers.entries[index].columns
    return Node(value: add(Value(origin: .buffer(index), rows: 1, columns: columns)), shape: shape)
  }

  /// Adds an operation with one result of the given shape; what operations' builders end with. The result has
  /// `rows` rows in memory; without a number, those of the first input where it has the same shape, else one for
  /// each example or time step.
  mutating func apply(_ operation: any Operation, _ inputs: [Node], shape: [Int], rows: Int? = nil) -> Node {
    let needsGradient = inputs.contains { values[$0.value].needsGradient }
    let (first, count) = (values[inputs[0].value], shape.reduce(1, *))
    let value =
      if let rows {
        add(Value(origin: .computed, rows: rows, columns: count / rows, needsGradient: needsGradient))
      } else if shape == inputs[0].shape {
        add(
          Value(
            origin: .computed, rows: first.rows, columns: count / first.rows, needsGradient: needsGradient))
      } else {
        add(Value(origin: .computed, shape: shape, needsGradient: needsGradient))
      }
    steps.append(Step(operation, inputs: inputs.map(\.value), outputs: [value]))
    return Node(value: value, shape: shape)
  }

  /// Throws unless a value is [batch, n, ...] of floats.
  func requireFloats(_ node: Node, _ operation: String) throws(GraphError) {
    switch values[node.value].origin {
    case .labels: throw GraphError(operation, "expected floats, got labels of shape \(node.shape)")
    case .parameter(let index):
      throw GraphError(
        operation, "expected a batch, got parameter \(layout.entries[index].name) \(node.shape)")
    case .buffer(let index):
      throw GraphError(operation, "expected a batch, got buffer \(buffers.entries[index].name)")
    case .constant: throw GraphError(operation, "expected a batch, got a constant \(node.shape)")
    case .results: throw GraphError(operation, "expected a batch, got a loss")
    default: break
    }
    guard node.shape.count >= 2 else {
      throw GraphError(operation, "expected shape [batch, ...], got \(node.shape)")
    }
  }

  private mutating func declare(_ origin: Value.Origin, _ exampleShape: [Int], _ operation: String)
    throws(GraphError) -> Node
  {
    try Self.checkSizes(exampleShape, operation)
    guard !values.contains(where: { $0.origin == origin }) else {
      throw GraphError(operation, "is declared twice")
    }
    if origin == .labels {
      let count = exampleShape.reduce(batch, *)
      return Node(value: add(Value(origin: origin, rows: 1, columns: count)), shape: [count])
    }
    let shape = [batch] + (exampleShape.isEmpty ? [1] : exampleShape)
    return Node(value: add(Value(origin: origin, shape: shape)), shape: shape)
  }

  mutating func add(_ value: Value) -> Int {
    values.append(value)
    return values.count - 1
  }

  private static func checkSizes(_ shape: [Int], _ operation: String) throws(GraphError) {
    var count = 1
    for size in shape {
      let (product, overflow) = count.multipliedReportingOverflow(by: size)
      guard size >= 1, !overflow, product <= 1 << 40 else {
        throw GraphError(operation, "sizes must be at least 1 and reasonable, got shape \(shape)")
      }
      count = product
    }
  }
}

/// What a graph and a program say of a value: where it comes from and how it lies in memory.
struct Value: Sendable {
  /// Where a value comes from.
  enum Origin: Sendable, Equatable {
    case input, labels, targets
    /// A second set of labels or targets, where a loss is mixed.
    case otherLabels, otherTargets
    case parameter(Int)
    /// What the model keeps besides its parameters.
    case buffer(Int)
    /// A table of the plan's own.
    case constant(Int)
    /// The gradient of a parameter, which lies in the gradients' arena.
    case gradient(Int)
    /// A loss: its sum and the number of hits, two doubles.
    case results
    case computed
  }

  var origin: Origin
  /// Examples, or time steps of all examples; rows as stored for a parameter.
  let rows: Int
  /// Numbers in a row, without padding.
  let columns: Int
  /// Whether a parameter has a part in it.
  var needsGradient = false

  init(origin: Origin, rows: Int, columns: Int, needsGradient: Bool = false) {
    self.origin = origin
    self.rows = rows
    self.columns = columns
    self.needsGradient = needsGradient
  }

  /// A batch of examples, one a row; of sequences [batch, time, width], one time step a row.
  init(origin: Origin, shape: [Int], needsGradient: Bool = false) {
    let leading = shape.count == 3 ? 2 : 1
    self.init(
      origin: origin, rows: shape.prefix(leading).reduce(1, *),
      columns: shape.dropFirst(leading).reduce(1, *),
      needsGradient: needsGradient)
  }

  /// Floats from one row to the next.
  var stride: Int { padded(columns) }
  /// Floats in memory.
  var floats: Int { rows * stride }
}

/// An operation in its place: which values it reads and which it makes.
struct Step: Sendable {
  var operation: any Operation
  var inputs: [Int]
  var outputs: [Int]

  init(_ operation: any Operation, inputs: [Int], outputs: [Int]) {
    self.operation = operation
    self.inputs = inputs
    self.outputs = outputs
  }
}
