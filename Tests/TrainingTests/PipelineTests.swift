// Model parallelism: stages at work at the same time give the bits of one stage.

import JSON
import Testing

@testable import Autodiff
@testable import Training

@Suite struct PipelineTests {
  /// Models with everything that could tell stages apart: dropout, running statistics, blocks, tables.
  static let models: [(name: String, job: JSON)] = [
    ("perceptron", dropoutJob),
    (
      "images",
      [
        "dataset": ["name": "digits", "limit": 150], "seed": 2,
        "model": [
          "layers": [
            ["type": "conv2d", "channels": 4, "kernel": 3, "padding": 1], ["type": "batch_norm"],
            ["type": "relu"], ["type": "max_pool2d", "kernel": 2],
            ["type": "residual", "layers": [["type": "conv2d", "channels": 4, "kernel": 3, "padding": 1]]],
            ["type": "flatten"], ["type": "batch_norm"], ["type": "linear", "out": 12], ["type": "gelu"],
            ["type": "layer_norm"], ["type": "linear", "out": 10],
          ]
        ],
        "optimizer": ["type": "sgd", "lr": 0.1, "momentum": 0.9],
        "train": ["epochs": 2, "batch_size": 32, "drop_last": true],
      ]
    ),
  ]

  private static func with(_ model: JSON, _ train: [(String, JSON)]) -> JSON {
    train.reduce(model) { replacing($0, ["train", $1.0], $1.1) }
  }

  @Test("P4 stages give the bits of one", arguments: models.indices) func stagesGiveTheBitsOfOne(_ model: Int)
    throws
  {
    let job = Self.models[model].job
    let layers = try plan(job).layers.count
    for parts: [(String, JSON)] in [
      [("micro_batches", 4)], [("micro_batches", 3), ("replicas", 2)],
      [("micro_batches", 2), ("replicas", 2), ("accumulate", 2), ("batch_size", 20)], [("micro_batches", 1)],
    ] {
      let one = try finished(Self.with(job, parts))
      for (stages, threads) in [(2, 1), (2, 2), (3, 3), (layers, 4)] {
        let spec = Self.with(job, parts + [("stages", JSON(stages))])
        #expect(try plan(spec).stages.map(\.layers).reduce([], +) == plan(job).layers.map(\.name))
        #expect(try plan(spec).stages.count == stages)
        let run = try finished(spec, threads: threads)
        #expect(run.bits == one.bits, "\(Self.models[model].name) \(parts) \(stages) \(threads)")
        #expect(run.latest?.bytes == one.latest?.bytes)
      }
    }
  }

  /// Without batch norm, m micro-batches of a batch are m batches that make one update.
  @Test("P4 micro batches are accumulated") func microBatchesAreAccumulated() throws {
    let job = dropoutJob
    let micro = try finished(Self.with(job, [("micro_batches", 4), ("stages", 2), ("drop_last", true)]))
    let accumulated = try finished(
      Self.with(job, [("accumulate", 4), ("batch_size", 8), ("drop_last", true)]))
    #expect(micro.bits == accumulated.bits)
    let whole = try finished(Self.with(job, [("drop_last", true)]))
    #expect(micro.bits != whole.bits)
  }

  /// Where a stage ends, all gradients of its parameters are there, and none of another stage's.
  @Test("P4 segments own their gradients", arguments: models.indices) func segmentsOwnTheirGradients(
    _ model: Int
  ) throws {
    let whole = try plan(Self.models[model].job)
    for count in 2...whole.layers.count {
      let stages = Stages(whole.architecture, count: count)
      #expect(stages.count == count && stages.firstLayers == Array(Set(stages.firstLayers)).sorted())
      for program in whole.programs.phases.flatMap(\.plans.values) {
        let segments = try #require(program.segments(stages.firstParameters))
        let order = segments.forward + segments.backward.reversed()
        #expect(order.flatMap { Array($0) } == Array(program.instructions.indices))
        for (stage, range) in segments.backward.enumerated() {
          let owned = range.flatMap { program.instructions[$0].operands }.compactMap { operand -> Int? in
            if case .gradient(let number) = program.values[operand].origin { number } else { nil }
          }
          let end = stage + 1 < count ? stages.firstParameters[stage + 1] : program.layout.entries.count
          #expect(Set(owned) == Set(stages.firstParameters[stage]..<end))
        }
      }
    }
  }

  @Test("P4 more stages than layers are refused") func moreStagesThanLayersAreRefused() throws {
    do {
      _ = try plan(job([("train.stages", 2)]))
      Issue.record("was accepted")
    } catch let error as SpecError {
      #expect(error.field == "train.stages" && error.message.contains("layers, which is 1, got 2"))
    }
  }

  @Test("P4 stages share the work") func stagesShareTheWork() throws {
    let even = try plan([
      "dataset": ["name": "digits"], "optimizer": ["type": "sgd", "lr": 0.1],
      "model": ["preset": "mlp", "hidden": [64, 64, 64, 64, 64]], "train": ["stages": 3],
    ])
    #expect(even.stages.count == 3 && even.stages.allSatisfy { $0.parameters > 4000 && $0.parameters < 9000 })
  }
}
