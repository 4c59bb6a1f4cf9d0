// From a graph to a plan: everything that is decided before the first step.

/// What a plan is for.
public enum PlanMode: Sendable {
  /// Loss and gradients.
  case training
  /// Forward only; dropout does nothing.
  case evaluation
  /// Forward only, as in training; running statistics become the means over the batches since their counters were 0.
  case statistics
}

/// A graph made ready to run any number of times: a flat list of instructions, and a place in memory for each value.
public struct Plan: Sendable {
  /// The parameters it reads, and where its gradients go.
  public let layout: ParameterLayout
  /// What it keeps from run to run besides parameters.
  public let buffers: ParameterLayout
  /// Examples in a batch.
  public let batch: Int
  /// What it is for.
  public let mode: PlanMode
  /// Bytes of activations, inputs, results and tables of its own. Parameters, gradients and optimizer slots take
  /// `layout.bytes` each.
  public var memoryBytes: Int {
    (memory.floats + constants.reduce(0) { $0 + $1.count }) * MemoryLayout<Float>.stride
  }
  /// How many instructions a run carries out.
  public var instructionCount: Int { instructions.count }

  let values: [Value]
  let instructions: [Instruction]
  let memory: MemoryPlan
  /// Numbers that never change, a block for each.
  let constants: [[Float]]
  let loss: Int?
  /// The same loss by the other answers, where it is mixed.
  let otherLoss: Int?
  let output: Int?
  /// How many terms the loss is the mean of.
  let lossTerms: Int
  /// Values that an executor shows besides the output.
  let probes: [Int]
  /// What values are called in messages.
  let names: [Int: String]

  /// Makes the plan of a graph. `loss` is what training minimizes and `output` what the executor shows, the logits
  /// for example; a training plan needs a loss that every parameter has a part in. `probes` are further
  /// values to be shown.
  public static func make(
    _ graph: Graph, loss: Node?, output: Node?, mode: PlanMode, probes: [Node] = []
  ) throws(GraphError) -> Plan {
    try Plan(graph, loss: loss, output: output, mode: mode, fuses: true, probes: probes)
  }

  /// `fuses` is false where a test compares with the composed form.
  init(_ graph: Graph, loss: Node?, output: Node?, mode: PlanMode, fuses: Bool, probes: [Node] = [])
    throws(GraphError)
  {
    if let loss, graph.values[loss.value].origin != .results {
      throw GraphError("plan", "expected a loss, got a value of shape \(loss.shape)")
    }
    if let output { try graph.requireFloats(output, "plan output") }
    var output = output?.value
    var program = Program(
      values: graph.values, steps: graph.steps,
      visible: Set([loss?.value, output].compactMap { $0 } + probes.map(\.value)))
    if mode == .evaluation {
      output = program.removeDropout(output)
      BatchNorm.useRunningStatistics(&program)
      Attention.removeDropout(&program)
    }
    if mode == .statistics { BatchNorm.accumulateStatistics(&program) }
    program.removeUnreached()
    if mode == .training {
      guard let loss else { throw GraphError("plan", "training needs a loss") }
      program = try Differentiation.extend(program, loss: loss.value, layout: graph.layout)
    }
    if fuses { program.fuse() }
    let emitter = Emitter(program)
    layout = graph.layout
    buffers = graph.buffers
    constants = graph.constants
    batch = graph.batch
    self.mode = mode
    names = graph.names
    values = emitter.values
    instructions = emitter.instructions
    memory = MemoryPlan(values, instructions, keeping: [output].compactMap { $0 } + probes.map(\.value))
    self.probes = probes.map(\.value)
    self.loss = loss?.value
    otherLoss = graph.steps.first { $0.operation is MixedLoss }?.outputs[1]
    self.output = output
    lossTerms = loss.flatMap { graph.lossTerms[$0.value] } ?? 1
  }
}

/// A step that another one has taken over.
struct Nothing: Operation {
  let name = "nothing"

  func emit(_ step: Step, _ emitter: inout Emitter) {}
}

extension Program {
  /// The fusions, in the order they are tried.
  private static let fusions: [@Sendable (inout Program) -> Void] = [
    { Linear.fuse(&$0) }, { GeluWithSlope.fuse(&$0) }, { LinearInputGradient.fuse(&$0) },
    { Convolution.fuse(&$0) },
    { BatchNorm.fuse(&$0) }, { BatchNormPool.fuse(&$0) }, { ConvolutionWeightGradient.fuse(&$0) },
    { RowNormalizationGradient.fuse(&$0) }, { fuseLosses(&$0) },
  ]

  mutating func fuse() {
    for fusion in Self.fusions {
      fusion(&self)
      steps.removeAll { $0.operation is Nothing }
    }
  }

  /// Makes the readers of dropout read its input; gives what the output now is.
  fileprivate mutating func removeDropout(_ output: Int?) -> Int? {
    var replaced: [Int: Int] = [:]
    for index in steps.indices {
      steps[index].inputs = steps[index].inputs.map { replaced[$0] ?? $0 }
      if steps[index].operation is Dropout { replaced[steps[index].outputs[0]] = steps[index].inputs[0] }
    }
    steps.removeAll { $0.operation is Dropout }
    guard let output else { return nil }
    if let source = replaced[output] { visible.insert(source) }
    return replaced[output] ?? output
  }

  /// Removes the steps that nothing visible depends on.
  fileprivate mutating func removeUnreached() {
    var needed = visible
    for step in steps.reversed() where !needed.isDisjoint(with: step.outputs) {
      needed.formUnion(step.inputs)
    }
    steps.removeAll { needed.isDisjoint(with: $0.outputs) }
  }
}
