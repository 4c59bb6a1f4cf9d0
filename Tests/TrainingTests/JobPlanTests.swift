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

  /// What would fail at the first step is refused before, by the name of what is wrong.
  @Test func whatCannotBeginIsRefused() throws {
    func refusal(_ changes: [(String, JSON)]) -> String? {
      do {
        _ = try plan(job(changes))
        return nil
      } catch { return (error as? SpecError).map { "\($0.field): \($0.message)" } ?? "\(error)" }
    }
    func linear(_ index: Int) -> JSON {
      ["type": "linear", "out": 3, "lr_scale": .number(1 + Double(index))]
    }
    let groups = JSON.array((0..<257).map(linear))
    #expect(refusal([("model.layers", groups)])?.hasPrefix("model.layers: ") == true)
    #expect(refusal([("model.layers", .array((0..<256).map(linear)))]) == nil)

    let normalized: JSON = [["type": "batch_norm"], ["type": "linear", "out": 3]]
    let small = refusal([("model.layers", normalized), ("train.batch_size", 1)])
    #expect(small?.hasPrefix("train.batch_size: ") == true && small?.contains("a batch of 1") == true)

    #expect(
      refusal([("loss.class_weights", [1, 2])])?.contains("loss.class_weights must be a list of 3") == true)
    #expect(refusal([("loss.class_weights", [0, 0, 0])])?.hasPrefix("loss.class_weights: ") == true)
    #expect(refusal([("loss.class_weights", [0, 0, 1])]) == nil)
  }

  /// Numbers that an embedding looks up have to be those of its rows.
  @Test func tokensOfATableAreWhole() throws {
    func refusal(_ values: [Float], _ changes: [(String, JSON)]) -> String? {
      let info = DatasetInfo(
        name: "tokens", kind: .tabular, task: .classification, examples: 4, inputShape: [2],
        classes: ["a", "b"],
        source: "", license: "")
      let pool = Examples(width: 2, features: .floats(values), labels: [0, 1, 0, 1])
      let catalog = DatasetCatalog([DatasetSource(info) { Dataset(info: info, pool: pool) }])
      let layers: JSON = [
        ["type": "embedding", "vocab": 5, "dim": 2], ["type": "flatten"], ["type": "linear", "out": 2],
      ]
      let base: [(String, JSON)] = [
        ("dataset", ["name": "tokens", "standardize": false, "validation": 0]), ("model.layers", layers),
      ]
      do {
        _ = try JobPlan.make(JobSpec.decode(job(base + changes), catalog: catalog), catalog: catalog)
        return nil
      } catch { return error.message }
    }
    #expect(refusal([0, 1, 2, 3, 4, 4, 0, 0], []) == nil)
    for (value, place) in [(Float(5), 5), (-1, 2), (0.5, 7), (.nan, 0)] {
      var values: [Float] = [0, 1, 2, 3, 4, 4, 0, 0]
      values[place] = value
      let said = refusal(values, [])
      #expect(said?.hasPrefix("model.layers.0.vocab of 5 is for tokens") == true)
      #expect(said?.hasSuffix("in example \(place / 2)") == true, "\(said ?? "accepted")")
      // What is in no part is not looked up.
      if place >= 2 { #expect(refusal(values, [("dataset.limit", JSON(place / 2))]) == nil) }
    }
    #expect(
      refusal([0, 1, 2, 3, 4, 4, 0, 0], [("dataset.standardize", true)])?.hasPrefix(
        "dataset.standardize must be false") == true)
    let noise: JSON = [["type": "gaussian_noise", "std": 0.1]]
    #expect(refusal([0, 1, 2, 3, 4, 4, 0, 0], [("augment", noise)])?.hasPrefix("augment.0.type ") == true)
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
