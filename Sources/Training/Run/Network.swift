// The model in memory and its arithmetic, as plain loops over rows: parameters, gradients and the optimizer's slots
// as arrays in PyTorch's layouts. Slow and plain to see; whatever computes the same faster is held against it.

import JSON

/// What a job will compute, known before anything is allocated.
struct Programs: Sendable {
  /// Numbers that are trained.
  private let parameters: Int
  /// Numbers kept of one example between the forward and the backward pass, and the largest batch.
  private let activations: Int
  private let batch: Int

  static let evaluationBatch = 256

  init(
    _ architecture: Architecture, _ spec: JobSpec, _ dataset: Dataset, _ split: Split, batchSize: Int,
    shortBatch: Int?
  ) throws(SpecError) {
    parameters = architecture.parameters.reduce(0) { $0 + $1.count }
    var width = Architecture.product(architecture.inputShape) ?? 0
    for (_, shape) in architecture.layers { width += Architecture.product(shape.output) ?? 0 }
    activations = 3 * width
    batch = max(batchSize, Self.evaluationBatch)
  }

  /// Bytes of parameters, gradients, optimizer slots and activations.
  func memoryBytes(slots: Int) -> Int {
    4 * ((2 + slots) * parameters + activations * batch)
  }
}

/// Parameters, gradients and slots of one run, and what is done with them.
final class Network {
  private let plan: JobPlan
  private let specs: [ParameterSpec]
  private let filler: BatchFiller
  private var parameters: [[Float]]
  private var gradients: [[Float]]
  /// Per slot, per parameter.
  private var slots: [[[Float]]]

  init(_ plan: JobPlan, threads: Int) throws {
    self.plan = plan
    specs = plan.architecture.parameters
    filler = BatchFiller(
      standardization: plan.spec.dataset.standardize ? Standardization(plan.split.train) : nil)
    let random = RandomStream(seed: plan.spec.seed, .initialization)
    parameters = specs.enumerated().map { index, spec in spec.initial(random, index) }
    let zeros = specs.map { [Float](repeating: 0, count: $0.count) }
    gradients = zeros
    slots = plan.spec.optimizer.slots.map { _ in zeros }
  }

  // MARK: A step

  /// The loss of a batch of training rows, and its gradients.
  func forwardBackward(_ rows: ArraySlice<Int32>, step: Int) -> BatchResult {
    let values = forward(rows, of: plan.split.train.examples, dropout: step)
    guard let outputs = values.last else { return BatchResult(loss: .nan, correct: 0, count: rows.count) }
    var (result, gradient) = loss(outputs, rows, plan.split.train.examples)
    var parameter = specs.count
    for (index, entry) in plan.architecture.layers.enumerated().reversed() {
      let (input, output) = (values[index], values[index + 1])
      switch entry.layer {
      case let layer as LinearLayer:
        let biasIndex = layer.bias ? parameter - 1 : nil
        parameter -= layer.bias ? 2 : 1
        gradient = linearBackward(layer, input, gradient, rows.count, weight: parameter, bias: biasIndex)
      case is ReluLayer:
        for i in gradient.indices where !(output[i] > 0) { gradient[i] = 0 }
      case is TanhLayer:
        for i in gradient.indices { gradient[i] *= 1 - output[i] * output[i] }
      case let layer as DropoutLayer:
        for i in gradient.indices { gradient[i] *= mask(layer, index, step, i) }
      default: break
      }
    }
    return result
  }

  /// The norm of all gradients together.
  func gradientNorm() -> Double { norm(gradients) }

  /// The norm of all parameters together.
  func parameterNorm() -> Double { norm(parameters) }

  /// One step of the optimizer with gradients times `scale`, then cut to +-clipValue.
  func update(step: Int, rate: Double, scale: Double, clipValue: Double?) {
    for index in specs.indices {
      let limit = Float(clipValue ?? .infinity)
      let gradient = gradients[index].map { min(max($0 * Float(scale), -limit), limit) }
      var own = slots.map { $0[index] }
      plan.spec.optimizer.update(&parameters[index], gradient, &own, rate: rate, step: step)
      for slot in slots.indices { slots[slot][index] = own[slot] }
    }
  }

  /// Loss and accuracy of a part, as the model is used: nothing dropped.
  func evaluate(_ part: Part) -> BatchResult {
    var total = BatchResult(loss: 0, correct: 0, count: 0)
    var first = 0
    while first < part.count {
      let rows = part.rows[first..<min(first + Programs.evaluationBatch, part.count)]
      let outputs = forward(rows, of: part.examples, dropout: nil).last ?? []
      let result = loss(outputs, rows, part.examples).result
      total.loss += result.loss * Double(rows.count)
      total.correct += result.correct
      total.count += rows.count
      first += rows.count
    }
    total.loss /= Double(total.count)
    return total
  }

  // MARK: State

  /// Everything a checkpoint holds of the model and the optimizer.
  func tensors() -> [NamedTensor] {
    var tensors: [NamedTensor] = []
    for (index, spec) in specs.enumerated() {
      tensors.append(NamedTensor(name: "model.\(spec.name)", shape: spec.shape, values: parameters[index]))
      for (slot, name) in plan.spec.optimizer.slots.enumerated() {
        tensors.append(
          NamedTensor(name: "optimizer.\(name).\(spec.name)", shape: spec.shape, values: slots[slot][index]))
      }
    }
    return tensors
  }

  /// Takes over what `tensors` gave; throws when names or shapes differ.
  func restore(_ tensors: [NamedTensor]) throws(TrainingError) {
    func values(_ name: String, _ shape: [Int]) throws(TrainingError) -> [Float] {
      guard let tensor = tensors.first(where: { $0.name == name }), tensor.shape == shape else {
        throw TrainingError(step: nil, description: "the checkpoint has no tensor \(name) of shape \(shape)")
      }
      return tensor.values
    }
    for (index, spec) in specs.enumerated() {
      parameters[index] = try values("model.\(spec.name)", spec.shape)
      for (slot, name) in plan.spec.optimizer.slots.enumerated() {
        slots[slot][index] = try values("optimizer.\(name).\(spec.name)", spec.shape)
      }
    }
  }

  /// `parameter NAME`, the first that holds something not finite.
  func firstNonFiniteParameter() -> String? {
    firstNonFinite(parameters).map { "parameter \($0)" }
  }

  /// `the gradient of NAME`, the first that holds something not finite.
  func firstNonFiniteGradient() -> String? {
    firstNonFinite(gradients).map { "the gradient of \($0)" }
  }

  private func firstNonFinite(_ arrays: [[Float]]) -> String? {
    zip(specs, arrays).first { !$0.1.allSatisfy(\.isFinite) }?.0.name
  }

  private func norm(_ arrays: [[Float]]) -> Double {
    var sum: Float = 0
    for array in arrays { sum += dot(array[...], array[...]) }
    return Double(sum.squareRoot())
  }

  // MARK: Arithmetic

  /// The input and every layer's output, row after row.
  private func forward(_ rows: ArraySlice<Int32>, of examples: Examples, dropout step: Int?) -> [[Float]] {
    var input = [Float](repeating: 0, count: rows.count * examples.width)
    input.withUnsafeMutableBufferPointer { buffer in
      if let base = buffer.baseAddress { filler.fill(rows, of: examples, features: base) }
    }
    var values = [input]
    var parameter = 0
    for (index, entry) in plan.architecture.layers.enumerated() {
      let x = values[index]
      switch entry.layer {
      case let layer as LinearLayer:
        let bias = layer.bias ? parameters[parameter + 1] : []
        values.append(linear(x, parameters[parameter], bias, rows: rows.count, out: layer.out))
        parameter += layer.bias ? 2 : 1
      case is ReluLayer: values.append(x.map { $0 > 0 || $0.isNaN ? $0 : 0 })
      case is TanhLayer: values.append(x.map { tanh($0) })
      case let layer as DropoutLayer:
        guard let step else { fallthrough }
        values.append(x.indices.map { x[$0] * mask(layer, index, step, $0) })
      default: values.append(x)
      }
    }
    return values
  }

  private func mask(_ layer: DropoutLayer, _ index: Int, _ step: Int, _ element: Int) -> Float {
    let random = RandomStream(seed: plan.spec.seed, .dropout).uniform(step, index << 40 | element)
    return random < layer.p ? 0 : Float(1 / (1 - layer.p))
  }

  private func linear(_ x: [Float], _ weight: [Float], _ bias: [Float], rows: Int, out: Int) -> [Float] {
    let width = x.count / rows
    var y = [Float](repeating: 0, count: rows * out)
    for row in 0..<rows {
      let input = x[row * width..<(row + 1) * width]
      for unit in 0..<out {
        y[row * out + unit] =
          dot(input, weight[unit * width..<(unit + 1) * width]) + (bias.isEmpty ? 0 : bias[unit])
      }
    }
    return y
  }

  private func linearBackward(
    _ layer: LinearLayer, _ x: [Float], _ gradient: [Float], _ rows: Int, weight: Int, bias: Int?
  ) -> [Float] {
    let (width, out) = (x.count / rows, layer.out)
    var inputs = [Float](repeating: 0, count: x.count)
    var weights = [Float](repeating: 0, count: width * out)
    var biases = [Float](repeating: 0, count: out)
    let matrix = parameters[weight]
    for row in 0..<rows {
      for unit in 0..<out {
        let slope = gradient[row * out + unit]
        biases[unit] += slope
        for column in 0..<width {
          weights[unit * width + column] += slope * x[row * width + column]
          inputs[row * width + column] += slope * matrix[unit * width + column]
        }
      }
    }
    gradients[weight] = weights
    if let bias { gradients[bias] = biases }
    return inputs
  }

  /// A sum in the order of the elements, eight lanes at a time.
  private func dot(_ a: ArraySlice<Float>, _ b: ArraySlice<Float>) -> Float {
    a.withUnsafeBufferPointer { a in
      b.withUnsafeBufferPointer { b in
        var lanes = SIMD8<Float>()
        var index = 0
        while index + 8 <= a.count {
          for lane in 0..<8 { lanes[lane] += a[index + lane] * b[index + lane] }
          index += 8
        }
        var sum = lanes.sum()
        while index < a.count {
          sum += a[index] * b[index]
          index += 1
        }
        return sum
      }
    }
  }

  private func tanh(_ x: Float) -> Float {
    let e = PortableMath.exponential(-2 * abs(Double(x)))
    let value = Float((1 - e) / (1 + e))
    return x < 0 ? -value : value
  }

  /// The mean loss of a batch and its gradient with respect to the outputs.
  private func loss(_ outputs: [Float], _ rows: ArraySlice<Int32>, _ examples: Examples)
    -> (result: BatchResult, gradient: [Float])
  {
    var result = BatchResult(loss: 0, correct: 0, count: rows.count)
    var gradient = [Float](repeating: 0, count: outputs.count)
    let classes = outputs.count / rows.count
    let n = Double(rows.count)
    for (index, row) in rows.enumerated() {
      let own = outputs[index * classes..<(index + 1) * classes].map { Double($0) }
      if let crossEntropy = plan.spec.loss as? CrossEntropyLoss {
        let label = Int(examples.labels[Int(row)])
        let top = own.max() ?? 0
        let sum = own.reduce(0) { $0 + PortableMath.exponential($1 - top) }
        let logSum = top + (sum > 0 ? PortableMath.logarithm(sum) : .nan)
        let smooth = crossEntropy.labelSmoothing / Double(classes)
        for (unit, value) in own.enumerated() {
          let target = smooth + (unit == label ? 1 - crossEntropy.labelSmoothing : 0)
          result.loss -= target * (value - logSum) / n
          gradient[index * classes + unit] = Float((PortableMath.exponential(value - logSum) - target) / n)
        }
        if own.firstIndex(of: top) == label { result.correct += 1 }
      } else {
        let difference = own[0] - Double(examples.targets[Int(row)])
        result.loss += difference * difference / n
        gradient[index] = Float(2 * difference / n)
      }
    }
    result.loss = Double(Float(result.loss))
    return (result, gradient)
  }
}
