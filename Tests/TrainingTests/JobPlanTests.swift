import JSON
import Testing

@testable import Training

@Suite struct JobPlanTests {
  @Test func digitsPlan() throws {
    let plan = try plan(digitsJob)
    #expect(plan.parameters == 64 * 128 + 128 + 128 * 64 + 64 + 64 * 10 + 10)
    #expect(plan.stepsPerEpoch == 51 && plan.totalSteps == 765)
    #expect(plan.layers.map(\.name) == ["0.linear", "1.relu", "2.linear", "3.relu", "4.linear"])
    #expect(plan.layers.map(\.outputShape) == [[128], [128], [64], [64], [10]])
    #expect(plan.layers.map(\.parameters) == [8320, 0, 8256, 0, 650])
    #expect(plan.memoryBytes >= 4 * 4 * plan.parameters && plan.memoryBytes < 4_000_000)
  }

  @Test func lengths() throws {
    func steps(_ changes: [(String, JSON)]) throws -> [Int] {
      let plan = try plan(job([("dataset.validation", 0)] + changes))
      return [plan.stepsPerEpoch, plan.totalSteps]
    }
    #expect(try steps([]) == [5, 50])
    #expect(try steps([("train.drop_last", true)]) == [4, 40])
    #expect(try steps([("train.steps", 7)]) == [5, 7])
    #expect(try steps([("train.batch_size", 1000), ("train.drop_last", true)]) == [1, 10])
    #expect(try steps([("train.batch_size", 50)]) == [3, 30])
  }

  static let wrong: [WrongJob] = [
    WrongJob(
      "model.layers.0.out", 4, "model.layers.0",
      says: "gives 4 numbers for an example, but iris has 3 classes"),
    WrongJob("loss.type", "mse", says: "is for regression, but iris asks for classification"),
    WrongJob("dataset.name", "diabetes", "model.layers.0", says: "diabetes has one target"),
    WrongJob("model.layers.0", ["type": "relu"], "model.layers.0", says: "gives 4 numbers"),
    WrongJob("model.preset", "mlp", "model.layers", says: "one of the two"),
    WrongJob(
      "model.layers", [["type": "linear", "out": 65536], ["type": "linear", "out": 65536]], "model.layers.1",
      says: "65536 x 65536 numbers, 4 bytes each"),
    WrongJob(
      "model", ["preset": "mlp", "hidden": [20000, 20000]], "model", says: "more than the 2048 MiB"),
  ]

  @Test(arguments: wrong) func faultNamesItsField(_ wrong: WrongJob) {
    do {
      _ = try plan(job([(wrong.path, wrong.value)]))
      Issue.record("was accepted")
    } catch let error as SpecError {
      #expect(error.field == wrong.field)
      #expect(error.message.contains(wrong.says), "\(error.message)")
    } catch {
      Issue.record(error)
    }
  }

  @Test func stepsAreLimited() throws {
    let long = replacing(digitsJob, ["train"], ["epochs": 1_000_000, "batch_size": 1])
    #expect(
      throws: SpecError(field: "train.epochs", message: "train.epochs makes more than 1000000000 steps")
    ) {
      try plan(long)
    }
  }

  @Test func memoryIsLimited() throws {
    let spec = try JobSpec.decode(digitsJob)
    let needed = try JobPlan.make(spec).memoryBytes
    #expect(throws: Never.self) { try JobPlan.make(spec, memoryLimit: needed) }
    #expect(throws: SpecError.self) { try JobPlan.make(spec, memoryLimit: needed - 1) }
  }

  @Test func retentionKeepsNewestAndBest() throws {
    let spec = try JobSpec.decode(job([("checkpoint", ["keep_last": 2, "keep_best": 2])])).checkpoint
    var retention = Retention()
    var log: [String] = []
    for (step, metric) in [(1, 5.0), (2, 1), (3, 4), (4, .nan), (5, 3), (6, 2)] {
      let (isBest, deleting) = retention.add(step: step, metric: metric, spec)
      log.append("\(isBest) \(deleting)")
    }
    #expect(log == ["true []", "true []", "false [1]", "false []", "false [3]", "false [4]"])
    #expect(retention.kept.map(\.step) == [2, 5, 6] && retention.best == 1)
    #expect(Retention(retention.encoded) == retention)
  }

  @Test func fileNames() {
    let name = Checkpoint.suggestedName(
      spec: (try? JobSpec.decode(digitsJob).encode()) ?? nil, epoch: 15,
      metrics: [("val/accuracy", 0.9721), ("val/loss", 0.1099)])
    #expect(name == "digits.layers-5.epochs-15.act-relu.val_loss-0.11.val_accuracy-0.97.safetensors")
    let odd = Checkpoint.suggestedName(
      spec: [
        "dataset": ["name": "../é\"x"], "model": ["preset": "mlp", "hidden": [1, 2], "activation": "tanh"],
      ],
      epoch: 0, metrics: [("val/loss", 0.00342), ("x", .nan)])
    #expect(odd == "___x.layers-5.epochs-0.act-tanh.val_loss-0.0034.x-nan.safetensors")
  }
}
