// Frozen layers, running statistics, parts of residual blocks, and what a few examples are enough for.

import JSON
import Testing

@testable import Autodiff
@testable import Training

@Suite struct TransferTests {
  static let normed: JSON = [
    ["type": "linear", "out": 12], ["type": "batch_norm"], ["type": "relu"], ["type": "linear", "out": 10],
  ]

  static func tensors(_ run: MemoryRecorder, _ step: Int) throws -> [String: NamedTensor] {
    let tensors = try Checkpoint(try #require(run.checkpoints[step]).bytes).tensors
    return Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0) })
  }

  /// A run of a changed job that begins with another's model.
  static func run(_ job: JSON, from bytes: [UInt8], catalog: DatasetCatalog = .builtin) throws
    -> MemoryRecorder
  {
    let recorder = MemoryRecorder()
    let spec = try JobSpec.decode(replacing(job, ["model", "init_from", "run_id"], "a"), catalog: catalog)
    let plan = try JobPlan.make(spec, catalog: catalog, checkpoints: { _ in ByteSource(bytes) })
    #expect(try Trainer(plan: plan).run(recorder: recorder, control: RunControl()) == .finished)
    return recorder
  }

  /// Running statistics are the source's to the bit, and what is trained in front of them goes downhill as its gradient
  /// says: by lr |g|^2 in a small step.
  @Test("T2 frozen batch norm keeps its statistics") func frozenBatchNorm() throws {
    let job = CourseTests.small([("model.layers", Self.normed)])
    let source = try #require(try finished(job).latest).bytes
    let before = Dictionary(
      uniqueKeysWithValues: try Checkpoint(source).tensors.map { ($0.name, $0) })
    let small: [(String, JSON)] = [
      ("optimizer", ["type": "sgd", "lr": 0.001]), ("train.batch_size", 500), ("train.steps", 5),
    ]
    for freeze in [[("model.layers.1.freeze", true)], [("model.freeze", ["1.*"])]] as [[(String, JSON)]] {
      let run = try Self.run(
        CourseTests.small([("model.layers", Self.normed)] + freeze + small), from: source)
      let after = try Self.tensors(run, 5)
      for name in ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"] {
        #expect(after["model.1.\(name)"] == before["model.1.\(name)"], "\(name)")
      }
      #expect(after["model.0.weight"] != before["model.0.weight"])
      let (losses, norms) = (run.values("train/loss"), run.values("grad_norm"))
      for step in 0..<4 {
        let (fall, expected) = (losses[step] - losses[step + 1], 0.001 * norms[step] * norms[step])
        #expect(abs(fall / expected - 1) < 0.05, "\(fall) \(expected)")
      }
      #expect(run.values("grad_norm/1").allSatisfy { $0 == 0 })
    }
    let free = try Self.run(CourseTests.small([("model.layers", Self.normed)] + small), from: source)
    #expect(try Self.tensors(free, 5)["model.1.running_mean"] != before["model.1.running_mean"])
    // One that thaws moves its statistics from then on.
    let thawed = try Self.run(
      CourseTests.small([("model.layers", Self.normed), ("model.layers.1.unfreeze_at", 3)] + small),
      from: source)
    let counts = try (1...5).map { try Self.tensors(thawed, $0)["model.1.num_batches_tracked"]?.count ?? 0 }
    #expect(counts.map { $0 - (counts.first ?? 0) } == [0, 0, 0, 1, 2])
  }

  /// How many instructions of a training plan come after the forward pass, and which parameters' gradients they write.
  static func backward(_ plan: JobPlan) throws -> (count: Int, gradients: Set<Int>) {
    let program = try #require(plan.programs.phases.first?.plans[plan.batchSize])
    let loss = try #require(program.loss)
    let first = try #require(program.instructions.firstIndex { $0.operands.contains(loss) })
    let instructions = program.instructions[first...]
    let gradients = instructions.flatMap(\.operands).compactMap { operand in
      if case .gradient(let number) = program.values[operand].origin { number } else { nil as Int? }
    }
    return (instructions.count, Set(gradients))
  }

  /// Counted, not timed: the loss and the two gradients of the head are all that is left of the backward pass.
  @Test("T2 a step with a frozen body is faster") func frozenIsFaster() throws {
    func job(_ freeze: Bool) -> JSON {
      func conv(_ channels: Int) -> JSON {
        ["type": "conv2d", "channels": JSON(channels), "kernel": 3, "padding": 1, "freeze": .bool(freeze)]
      }
      return CourseTests.small([
        (
          "model.layers",
          [
            conv(32), ["type": "relu"], conv(32), ["type": "relu"], ["type": "flatten"],
            ["type": "linear", "out": 10],
          ]
        ), ("train.batch_size", 128),
      ])
    }
    let (frozen, free) = (try Self.backward(plan(job(true))), try Self.backward(plan(job(false))))
    #expect(frozen.gradients == [4, 5] && free.gradients == [0, 1, 2, 3, 4, 5])
    #expect(frozen.count <= 3 && free.count >= frozen.count + 4, "\(frozen.count) of \(free.count)")
  }

  static func inResidual(_ inner: JSON...) -> JSON {
    [
      ["type": "linear", "out": 12],
      ["type": "residual", "layers": .array(inner)], ["type": "relu"], ["type": "linear", "out": 10],
    ]
  }

  @Test("T3 layers inside of residual blocks freeze, thaw and have rates") func insideResiduals() throws {
    let layer: JSON = ["type": "linear", "out": 12]
    func run(_ layers: JSON, _ changes: [(String, JSON)] = []) throws -> MemoryRecorder {
      try finished(
        CourseTests.small([("model.layers", layers), ("optimizer", ["type": "sgd", "lr": 0.1])] + changes))
    }
    func moved(_ run: MemoryRecorder, _ name: String, _ step: Int) throws -> [Float] {
      let plan = try plan(
        CourseTests.small([("model.layers", Self.inResidual(layer, ["type": "tanh"], layer))]))
      let index = try #require(plan.architecture.parameters.firstIndex { $0.name == name })
      let start = plan.architecture.parameters[index].initial(RandomStream(seed: 3, .initialization), index)
      return zip(try Self.tensors(run, step)["model.\(name)"]?.values ?? [], start).map { $0 - $1 }
    }
    let free = try run(Self.inResidual(layer, ["type": "tanh"], layer))
    let frozenLayer: JSON = ["type": "linear", "out": 12, "freeze": true]
    let frozen = try run(Self.inResidual(frozenLayer, ["type": "tanh"], layer))
    #expect(try moved(frozen, "1.0.weight", 24).allSatisfy { $0 == 0 })
    #expect(try moved(frozen, "1.2.weight", 24).contains { $0 != 0 })
    let slowLayer: JSON = ["type": "linear", "out": 12, "lr_scale": 0.25]
    let slow = try run(
      Self.inResidual(slowLayer, ["type": "tanh"], layer), [("model.layers.1.lr_scale", 0.5)])
    for (name, factor) in [("1.0.weight", 0.125), ("1.2.weight", 0.5), ("0.weight", 1)] as [(String, Float)] {
      for (a, b) in zip(try moved(slow, name, 1), try moved(free, name, 1)) {
        #expect(abs(a - factor * b) < 1e-7, "\(name)")
      }
    }
    let lateLayer: JSON = ["type": "linear", "out": 12, "unfreeze_at": 10]
    let late = try run(Self.inResidual(lateLayer, ["type": "tanh"], layer))
    #expect(try moved(late, "1.0.weight", 10).allSatisfy { $0 == 0 })
    #expect(try moved(late, "1.0.weight", 11).contains { $0 != 0 })
    #expect(try moved(late, "1.2.weight", 1).contains { $0 != 0 })
    // A frozen block freezes what is in it, until both may train.
    let all = try run(
      Self.inResidual(layer, ["type": "tanh"], lateLayer), [("model.layers.1.unfreeze_at", 5)])
    #expect(try moved(all, "1.0.weight", 5).allSatisfy { $0 == 0 })
    #expect(try moved(all, "1.0.weight", 6).contains { $0 != 0 })
    #expect(try moved(all, "1.2.weight", 10).allSatisfy { $0 == 0 })
    let spec = try plan(CourseTests.small([("model.layers", Self.inResidual(lateLayer, slowLayer))])).spec
    #expect(try JobSpec.decode(spec.encode()) == spec)
    #expect(spec.encode()["model"]?["layers"]?.arrayValue?[1]["layers"]?.arrayValue?[1]["lr_scale"] == 0.25)
    let error = #expect(throws: SpecError.self) {
      try plan(
        CourseTests.small([("model.layers", Self.inResidual(["type": "linear", "out": 12, "lr_scale": -1]))]))
    }
    #expect(error?.field == "model.layers.1.layers.0.lr_scale")
  }

  /// The statistics under the averaged parameters are PyTorch's update_bn: over the batches of the training part, the mean
  /// of their means and unbiased variances, each batch counting the same.
  @Test("G13 swa recomputes running statistics") func recomputedStatistics() throws {
    let job = CourseTests.small([
      ("model.layers", Self.normed), ("average", ["type": "swa", "start": 10, "every": 3]),
      ("dataset.standardize", false),
    ])
    let run = try finished(job)
    let tensors = try Self.tensors(run, 24)
    let plan = try plan(job)
    let part = plan.split.train
    let (weight, bias) = (
      try #require(tensors["average.0.weight"]).values, try #require(tensors["average.0.bias"]).values
    )
    var (means, variances) = ([Double](repeating: 0, count: 12), [Double](repeating: 0, count: 12))
    let batches = stride(from: 0, to: part.count, by: 32).map { part.rows[$0..<min($0 + 32, part.count)] }
    for batch in batches {
      for unit in 0..<12 {
        let values = batch.map { row in
          (0..<64).reduce(Double(bias[unit])) {
            $0 + Double(part.examples.features[Int(row) * 64 + $1]) * Double(weight[unit * 64 + $1])
          }
        }
        let mean = values.reduce(0, +) / Double(values.count)
        means[unit] += mean / Double(batches.count)
        variances[unit] +=
          values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count - 1)
          / Double(batches.count)
      }
    }
    func distance(_ name: String, _ expected: [Double]) -> Double {
      CourseTests.distance(tensors[name]?.values.map(Double.init) ?? [], expected)
    }
    #expect(distance("average.1.running_mean", means) < 1e-6)
    #expect(distance("average.1.running_var", variances) < 1e-6)
    #expect(distance("model.1.running_mean", means) > 1e-3, "training's own are others")
    #expect(tensors["average.1.num_batches_tracked"]?.count == Int64(batches.count))
    #expect(tensors["model.1.num_batches_tracked"]?.count == 24)
    // The model that others are given has them, and they are what was evaluated.
    let given = try Safetensors(modelPart(of: try #require(run.latest).bytes))
    #expect(try given.tensor("1.running_mean").values == tensors["average.1.running_mean"]?.values)
    let network = try Network(plan, threads: 2, try KernelTable.select())
    try network.restore(try Checkpoint(try #require(run.latest).bytes).tensors)
    let part2 = try #require(plan.split.validation)
    #expect(network.evaluate(part2).loss == run.values("val/loss").last)
    // An exponential average takes training's statistics along, as AveragedModel does with buffers.
    let ema = try finished(replacing(job, ["average"], ["type": "ema", "decay": 0.5]))
    #expect(try Self.tensors(ema, 24)["average.1.running_mean"] == nil)
  }
}
