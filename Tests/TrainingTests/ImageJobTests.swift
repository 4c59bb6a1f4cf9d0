// Jobs on images: the first losses against PyTorch's, shapes, presets, checkpoints with buffers.

import Autodiff
import Glibc
import JSON
import Testing

@testable import Training

/// A short job with a batch norm and everything else that a checkpoint must hold.
private let normJob: JSON = [
  "dataset": ["name": "digits", "limit": 250, "validation": 0.2, "test": 0.1], "seed": 9,
  "model": [
    "layers": [
      ["type": "conv2d", "channels": 5, "kernel": 3, "padding": 1], ["type": "batch_norm"],
      ["type": "relu"], ["type": "max_pool2d", "kernel": 2],
      [
        "type": "residual",
        "layers": [
          ["type": "conv2d", "channels": 5, "kernel": 3, "padding": 1, "bias": false],
          ["type": "batch_norm", "momentum": 0.2], ["type": "dropout", "p": 0.2],
        ],
      ],
      ["type": "flatten"], ["type": "linear", "out": 10],
    ]
  ],
  "optimizer": ["type": "adam", "lr": 0.01], "train": ["epochs": 3, "batch_size": 32],
  "checkpoint": ["every_steps": 4, "keep_last": 2],
]

@Suite struct ImageJobTests {
  /// A checkpoint of step 0 with the golden runs' parameters and PyTorch's first buffers.
  private func sines(_ plan: JobPlan) -> [UInt8] {
    var tensors: [NamedTensor] = []
    for (k, parameter) in plan.architecture.parameters.enumerated() {
      let values = (0..<parameter.count).map { Float(0.4 * sin(1.3 * Double($0) + Double(k))) }
      tensors.append(NamedTensor(name: "model.\(parameter.name)", shape: parameter.shape, values: values))
      for slot in plan.spec.optimizer.slots {
        tensors.append(
          NamedTensor(
            name: "optimizer.\(slot).\(parameter.name)", shape: parameter.shape, values: values.map { _ in 0 }
          ))
      }
    }
    for buffer in plan.architecture.buffers {
      let value: Float = buffer.name.hasSuffix("running_var") ? 1 : 0
      tensors.append(
        buffer.shape.isEmpty
          ? NamedTensor(name: "model.\(buffer.name)", shape: [], integers: [0])
          : NamedTensor(
            name: "model.\(buffer.name)", shape: buffer.shape,
            values: [Float](repeating: value, count: buffer.count)))
    }
    return Checkpoint(
      step: 0, epoch: 0, metrics: [], spec: "{}", isInterim: true, tensors: tensors, retention: Retention()
    ).encode()
  }

  @Test(arguments: goldenImageRuns) func firstLossesAreThoseOfPyTorch(_ golden: GoldenImageRun) throws {
    let spec = try JSON.parse(golden.job)
    let plan = try plan(spec)
    let run = MemoryRecorder()
    #expect(
      try Trainer(plan: plan).run(from: sines(plan), recorder: run, control: RunControl()) == .finished)
    let losses = run.values("train/loss")
    #expect(losses.count == golden.losses.count)
    for (mine, exact) in zip(losses, golden.losses) { #expect(abs(mine - exact) < 1e-5 * exact) }
    let model = try Safetensors(modelPart(of: try #require(run.latest).bytes))
    for (buffer, exact) in zip(plan.architecture.buffers, golden.buffers) {
      let tensor = try model.tensor(buffer.name)
      let sum = tensor.integers?.reduce(0) { $0 + Double($1) } ?? tensor.values.reduce(0) { $0 + Double($1) }
      #expect(abs(sum - exact) < 1e-4 * max(abs(exact), 0.1), "\(buffer.name)")
    }
  }

  @Test func buffersAreInCheckpointsUnderPyTorchsNames() throws {
    let run = try finished(normJob)
    let file = try Safetensors(modelPart(of: try #require(run.latest).bytes))
    let names = Set(file.entries.map(\.name))
    #expect(
      names == [
        "0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var",
        "1.num_batches_tracked",
        "4.0.weight", "4.1.weight", "4.1.bias", "4.1.running_mean", "4.1.running_var",
        "4.1.num_batches_tracked", "6.weight", "6.bias",
      ])
    let counter = try file.tensor("4.1.num_batches_tracked")
    #expect(counter.shape.isEmpty && counter.integers == [Int64(run.values("train/loss").count)])
    #expect(file.entries.first { $0.name == "1.num_batches_tracked" }?.type == .i64)
    #expect(try file.tensor("0.weight").shape == [5, 1, 3, 3])
    #expect(try file.tensor("1.running_var").values != [1, 1, 1, 1, 1])
  }

  @Test func aResumedRunEndsWithTheSameBits() throws {
    let whole = try finished(normJob)
    let plan = try plan(normJob)
    for stop in [1, 7, 12] {
      let (first, control) = (MemoryRecorder(), RunControl())
      first.onStep = { if $0 == stop { control.request(.pause) } }
      #expect(try Trainer(plan: plan).run(recorder: first, control: control) == .paused)
      let bytes = try #require(first.latest).bytes
      #expect(
        try Trainer(plan: plan).run(from: bytes, recorder: first, control: RunControl()) == .finished)
      #expect(first.bits == whole.bits && first.latest?.bytes == whole.latest?.bytes)
    }
  }

  @Test func threadsAndProcessorsDoNotChangeBits() throws {
    let plan = try plan(normJob)
    var files: Set<[UInt8]> = []
    for level in KernelTable.available {
      for threads in [1, 2, 3] {
        let run = MemoryRecorder()
        let trainer = Trainer(plan: plan, kernels: try KernelTable.make(level))
        #expect(try trainer.run(recorder: run, control: RunControl(), threads: threads) == .finished)
        files.insert(try #require(run.latest).bytes)
      }
    }
    #expect(files.count == 1)
  }

  @Test func presetsAreTheirPapers() throws {
    let lenet = try plan(
      ["dataset": ["name": "digits"], "model": ["preset": "lenet"], "optimizer": ["type": "sgd"]])
    #expect(lenet.layers[0].name == "0.conv2d" && lenet.layers[0].outputShape == [6, 8, 8])
    #expect(lenet.layers.map(\.parameters).filter { $0 > 0 } == [156, 2416, 64 * 120 + 120, 10164, 850])
    let resnet = try plan([
      "dataset": ["name": "digits"], "model": ["preset": "resnet", "blocks": 3], "optimizer": ["type": "sgd"],
    ])
    // Twenty layers with weights, as the paper counts them, and the two that lead to the next stage.
    let weights = resnet.architecture.parameters.filter { $0.shape.count > 1 }
    #expect(weights.count == 6 * 3 + 2 + 2)
    #expect(resnet.layers.suffix(2).map(\.outputShape) == [[64], [10]])
  }

  @Test func whatDoesNotFitNamesLayerAndShapes() throws {
    func message(_ layers: JSON, _ dataset: String = "digits") -> String {
      do {
        _ = try plan([
          "dataset": ["name": .string(dataset)], "model": ["layers": layers], "optimizer": ["type": "sgd"],
        ])
        return "no error"
      } catch { return "\(error)" }
    }
    let convolution: JSON = ["type": "conv2d", "channels": 3, "kernel": 3]
    let linear: JSON = ["type": "linear", "out": 3]
    #expect(
      message([convolution, linear], "iris").contains(
        "model.layers.0 (conv2d) expected images of shape [channels, height, width], got shape [4]"))
    #expect(
      message([convolution, ["type": "max_pool2d", "kernel": [7, 2]]]).contains(
        "model.layers.1 (max_pool2d) expected images of at least 7 x 2 pixels, got shape [3, 6, 6]"))
    #expect(
      message([["type": "max_pool2d", "kernel": 2, "padding": 2]]).contains("model.layers.0.padding"))
    #expect(message([["type": "conv2d", "channels": 3, "kernel": [3]]]).contains("model.layers.0.kernel"))
    #expect(message([["type": "residual", "layers": [convolution]]]).contains("model.layers.0"))
  }

  @Test func orthogonalMatricesAre() {
    let random = RandomStream(seed: 3, .initialization)
    for (rows, columns) in [(3, 7), (8, 8), (17, 5)] {
      let initialization = Initialization(distribution: .orthogonal(gain: 2), encoded: [:])
      let w = initialization.weights(
        count: rows * columns, fanIn: columns, fanOut: rows, random, parameter: 0)
      let (count, length) = (min(rows, columns), max(rows, columns))
      func at(_ vector: Int, _ place: Int) -> Double {
        Double(rows > columns ? w[place * columns + vector] : w[vector * columns + place])
      }
      for a in 0..<count {
        for b in 0..<count {
          let product = (0..<length).reduce(0) { $0 + at(a, $1) * at(b, $1) }
          #expect(abs(product - (a == b ? 4 : 0)) < 1e-5)
        }
      }
    }
  }
}
