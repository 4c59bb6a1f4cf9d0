// The instructions of a plan, and how operations emit them.

/// What an instruction does; each is a case of the switch in `Command.run`.
enum Opcode: UInt8, Sendable {
  case product, transpose, columnSums
  case add, multiply, relu, reluGradient, tanh, tanhGradient, dropout
  case convolution, flipWeights, convolutionInputGradient, convolutionWeightGradient
  case convolutionPoolWeightGradient, sumPartials
  case maxPool, maxPoolGradient, averagePool, averagePoolGradient, toPlanes, toChannels
  case batchMoments, batchStatistics, batchCoefficients, batchNormalize
  case batchGradientSums, batchGradientCombine, batchGradient
  case batchPool, batchPoolGradientSums, batchPoolGradient
  case crossEntropy, squaredError, addRows
  case gatherRows, gatherBytes, gatherLabels, standardizeRows
  case robustError, binaryCrossEntropy, labelWeights, weightedCrossEntropy
  case repack, activation, geluWithSlope, activationGradient, clearPadding
  case normalizeRows, normalizeRowsGradient, normalizeRowsParameterGradients
  case embed, embedGradient, addPositions, positionsGradient, attention, attentionGradient
  case sumsOfSquares, scale, clamp, combine, interpolate
  case update, blockSquares, penalize, firedColumns
  case addNormals, host
}

/// What a product does with its result while it is near; the raw values are the kernels'.
enum ProductEpilogue: Int, Sendable {
  case plain, bias, biasRelu, biasTanh, reluGradient, tanhGradient, accumulate, slope
}

/// How an instruction may be shared among threads: whole units of its output, at borders that are constants of the
/// plan. A summed dimension is never cut.
struct Split: Sendable {
  /// Rows, columns or floats in all.
  var count: Int
  /// How many of them go together.
  var unit: Int
  /// How many units there are; 1 for what is not worth sharing.
  var units: Int

  /// Waking another core and waiting for it costs a few microseconds: less work than this is not shared.
  static let worthwhile = 20_000

  init(_ count: Int, unit: Int, nanoseconds: Int) {
    self.count = count
    self.unit = unit
    units = nanoseconds < Self.worthwhile ? 1 : max(1, (count + unit - 1) / unit)
  }

  static let whole = Split(1, unit: 1, nanoseconds: 0)
}

/// One instruction over values that have no addresses yet.
struct Instruction: Sendable {
  let opcode: Opcode
  /// Values in the order the opcode wants them; at most `Command.operandCount`.
  let operands: [Int]
  let sizes: [Int]
  let numbers: [Float]
  /// A window's geometry, for the opcodes that have one.
  let geometry: [Int]
  let split: Split
  /// Floats of scratch that each thread needs.
  let scratch: Int

  init(
    _ opcode: Opcode, _ operands: [Int], sizes: [Int] = [], numbers: [Float] = [], geometry: [Int] = [],
    split: Split = .whole, scratch: Int = 0
  ) {
    self.geometry = geometry
    self.scratch = scratch
    self.opcode = opcode
    self.operands = operands
    self.sizes = sizes
    self.numbers = numbers
    self.split = split
  }
}

/// Collects the instructions of a program's steps.
struct Emitter {
  private(set) var values: [Value]
  private(set) var instructions: [Instruction] = []

  /// Asks every step of a program for its instructions.
  init(_ program: Program) {
    values = program.values
    for step in program.steps { step.operation.emit(step, &self) }
  }

  mutating func add(_ instruction: Instruction) {
    instructions.append(instruction)
  }

  /// A value that only the step's own instructions use.
  mutating func temporary(rows: Int = 1, columns: Int) -> Int {
    values.append(Value(origin: .computed, rows: rows, columns: columns))
    return values.count - 1
  }

  /// A pass over values of one size, padding included.
  mutating func elementwise(
    _ opcode: Opcode, _ operands: [Int], nanosecondsPerVector: Int = 4, numbers: [Float] = [],
    integers: [Int] = []
  ) {
    let floats = values[operands[0]].floats
    add(
      Instruction(
        opcode, operands, sizes: integers, numbers: numbers,
        split: Split(floats, unit: 1024, nanoseconds: floats / 16 * nanosecondsPerVector)))
  }

  /// Rows for which a product that turns b round as it goes does so once. With more it is done before.
  private static let packedRows = 480

  /// c [rows, columns] = a [rows, inner] b [inner, columns]; strides are (row, inner) of a and (inner, column) of b.
  mutating func product(
    _ a: Int, _ b: Int, _ c: Int, rows: Int, columns: Int, inner: Int, a aStrides: (Int, Int),
    b bStrides: (Int, Int), _ epilogue: ProductEpilogue, _ operand: Int?
  ) {
    if bStrides.0 == 1, rows > Self.packedRows {
      let transposed = temporary(rows: padded(inner), columns: columns)
      let stride = values[transposed].stride
      add(
        Instruction(
          .transpose, [b, transposed], sizes: [columns, bStrides.1, stride],
          split: Split(padded(inner), unit: 16, nanoseconds: padded(inner) * stride / 2)))
      return product(
        a, transposed, c, rows: rows, columns: columns, inner: inner, a: aStrides, b: (stride, 1), epilogue,
        operand)
    }
    // At 100 multiply-adds a nanosecond. Columns go in panels, rows in tiles of the widest kernel.
    let nanoseconds = rows * columns * inner / 50
    let byColumns = columns >= 128
    add(
      Instruction(
        .product, [a, b, c] + (operand.map { [$0] } ?? []),
        sizes: [
          rows, columns, inner, aStrides.0, aStrides.1, bStrides.0, bStrides.1,
          epilogue.rawValue << 1 | (byColumns ? 1 : 0),
        ],
        split: byColumns
          ? Split(columns, unit: 32, nanoseconds: nanoseconds)
          : Split(rows, unit: 12, nanoseconds: nanoseconds)))
  }
}
