// Language models: whole runs against PyTorch, the reading of text, and that runs repeat to the bit.

import Autodiff
import Glibc
import JSON
import Testing

@testable import Training

/// A catalog with one set of running text.
let verse = DatasetCatalog([
  DatasetSource(
    Dataset.text(name: "verse", goldenText, source: "made for tests", license: "none needed").info,
    load: { Dataset.text(name: "verse", goldenText, source: "made for tests", license: "none needed") })
])

/// The plan of a job over the verse or over a set of the program's own.
func textPlan(_ json: JSON) throws -> JobPlan {
  let catalog = json["dataset"]?["name"] == "verse" ? verse : .builtin
  return try JobPlan.make(try JobSpec.decode(json, catalog: catalog), catalog: catalog)
}

@Suite struct TextTests {
  static let runs = goldenSequenceRuns.indices.map { $0 }

  @Test("L4 L6 models of text run as PyTorch's", arguments: runs) func runsAsPyTorchDoes(_ index: Int) throws
  {
    let golden = goldenSequenceRuns[index]
    let spec = try JSON.parse(golden.run.job)
    #expect(try textPlan(spec).architecture.parameters.map { "\($0.name) \($0.shape)" } == golden.tensors)
    let rows = try curves(spec)
    #expect(rows.count == golden.run.rows.count)
    #expect(distance(rows, golden.run.rows) < 1e-5, "\(golden.run.name)")
    let rate = try #require(spec["optimizer"]?["lr"]?.doubleValue)
    let twin = try curves(replacing(spec, ["optimizer", "lr"], .number(rate * 1.01)))
    #expect(distance(twin, golden.run.rows) > 1e-5)
  }

  private func curves(_ spec: JSON) throws -> [[Double]] {
    let run = MemoryRecorder()
    let plan = try textPlan(spec)
    _ = try Trainer(plan: plan).run(from: sines(plan), recorder: run, control: RunControl())
    return (0..<run.values("lr").count).map { step in
      ["train/loss", "train/accuracy", "lr", "grad_norm", "param_norm"].map { key in
        run.curves[key] == nil ? -1 : run.values(key)[step]
      }
    }
  }

  private func sines(_ plan: JobPlan) -> [UInt8] {
    var tensors: [NamedTensor] = []
    for (k, parameter) in plan.architecture.parameters.enumerated() {
      let values = (0..<parameter.count).map { Float(0.4 * sin(1.3 * Double($0) + Double(k))) }
      tensors.append(NamedTensor(name: "model.\(parameter.name)", shape: parameter.shape, values: values))
      for slot in plan.spec.optimizer.slots {
        let zeros = [Float](repeating: 0, count: values.count)
        tensors.append(
          NamedTensor(name: "optimizer.\(slot).\(parameter.name)", shape: parameter.shape, values: zeros))
      }
    }
    return Checkpoint(
      step: 0, epoch: 0, metrics: [], spec: "{}", isInterim: true, tensors: tensors, retention: Retention()
    ).encode()
  }

  private func distance(_ a: [[Double]], _ b: [[Double]]) -> Double {
    zip(a, b).flatMap { zip($0, $1) }.reduce(0) { worse($0, abs($1.0 - $1.1) / max(abs($1.1), 1e-2)) }
  }

  static func job(_ changes: [(path: String, value: JSON)] = []) -> JSON {
    changes.reduce(
      [
        "dataset": ["name": "verse", "context": 16, "validation": 0.2],
        "model": ["preset": "transformer_lm", "layers": 1, "dim": 16, "heads": 2, "dropout": 0.1],
        "optimizer": ["type": "adamw", "lr": 0.003], "train": ["epochs": 3, "batch_size": 8],
        "checkpoint": ["every_steps": 4], "seed": 3,
      ] as JSON
    ) { replacing($0, $1.path.split(separator: ".").map(String.init)[...], $1.value) }
  }

  private func finished(_ json: JSON, threads: Int = 1) throws -> MemoryRecorder {
    let recorder = MemoryRecorder()
    let outcome = try Trainer(plan: textPlan(json)).run(
      recorder: recorder, control: RunControl(), threads: threads)
    #expect(outcome == .finished)
    return recorder
  }

  @Test func aModelLearnsTheVerse() throws {
    let run = try finished(
      Self.job([
        ("train", ["epochs": 120, "batch_size": 8]), ("model.dropout", 0), ("model.dim", 32),
        ("optimizer.lr", 0.01),
      ]))
    #expect(try #require(run.values("train/loss").first) > 2.8)
    #expect(try #require(run.values("val/loss").last) < 1.5)
    #expect(try #require(run.values("val/accuracy").last) > 0.5)
  }

  @Test func threadsAndInterruptionsChangeNoBit() throws {
    let whole = try finished(Self.job())
    #expect(try finished(Self.job(), threads: 3).bits == whole.bits)
    for stop in [1, 5, 11] {
      let control = RunControl()
      let recorder = MemoryRecorder()
      recorder.onStep = { if $0 == stop { control.request(.pause) } }
      let plan = try textPlan(Self.job())
      #expect(try Trainer(plan: plan).run(recorder: recorder, control: control) == .paused)
      let state = try #require(recorder.latest).bytes
      recorder.onStep = { _ in }
      _ = try Trainer(plan: plan).run(from: state, recorder: recorder, control: RunControl())
      #expect(recorder.bits == whole.bits)
      #expect(recorder.latest?.bytes == whole.latest?.bytes)
    }
  }

  /// The parts lie one after the other, and no token to be predicted is in two of them.
  @Test func theLastPartIsForValidation() throws {
    let plan = try textPlan(Self.job([("dataset.test", 0.1)]))
    let count = goldenText.unicodeScalars.count
    let (train, validation, test) = (plan.split.train, plan.split.validation, plan.split.test)
    #expect(plan.stepsPerEpoch == (train.count + 7) / 8)
    #expect(train.rows == (0..<train.count).map { Int32($0 * 16) })
    let (testSize, validationSize) = (
      Int((0.1 * Double(count)).rounded()), Int((0.2 * Double(count)).rounded())
    )
    #expect(test?.rows.first == Int32(count - testSize))
    #expect(validation?.rows.first == Int32(count - testSize - validationSize))
    #expect(try #require(train.rows.last) + 17 <= count - testSize - validationSize)
    #expect(try #require(validation?.rows.last) + 17 <= count - testSize)
    #expect(try #require(test?.rows.last) + 17 <= count)
    #expect(plan.split.train.count == (count - testSize - validationSize - 1) / 16)
  }

  /// Every epoch cuts the text in other places, within the training part; without shuffling always the same.
  @Test func cutsMoveFromEpochToEpoch() throws {
    let plan = try textPlan(Self.job())
    let end = goldenText.unicodeScalars.count * 4 / 5
    let order = EpochOrder(plan.split.train, shuffle: true, seed: 3)
    let epochs = (0..<40).map { order.order(epoch: $0) }
    #expect(epochs.allSatisfy { $0.count == plan.split.train.count && ($0.max() ?? 0) + 17 <= end + 1 })
    #expect(Set(epochs.map { ($0.min() ?? 0) }).count > 10)
    #expect(epochs.allSatisfy { ($0.min() ?? 0) < 16 } && order.order(epoch: 7) == epochs[7])
    let fixed = EpochOrder(plan.split.train, shuffle: false, seed: 3)
    #expect(fixed.order(epoch: 5) == plan.split.train.rows)
  }

  @Test func tokenizersGiveTextsBack() {
    let text = "It's 3 stones,  \u{E9}t\u{E9}: two\n\n stones-- 42 \u{1F5FF}x"
    for kind in TokenizerKind.allCases {
      let tokenizer = Tokenizer(kind, text: text)
      #expect(tokenizer.decode(tokenizer.encode(text).compactMap { $0 }) == text)
      #expect(Set(tokenizer.vocabulary).count == tokenizer.vocabulary.count)
      #expect(Tokenizer(kind, vocabulary: tokenizer.vocabulary).encode(text) == tokenizer.encode(text))
    }
    #expect(
      Tokenizer.split(.word, text) == [
        "It's", " 3", " stones", ",", " ", " \u{E9}t\u{E9}", ":", " two", "\n", "\n", " stones", "-", "-",
        " 42",
        " \u{1F5FF}", "x",
      ])
    #expect(Tokenizer(.char, text: "cab a").vocabulary == [" ", "a", "b", "c"])
    #expect(Tokenizer(.char, text: "ab").encode("axb") == [0, nil, 1])
  }

  @Test func wordsAreTokensToo() throws {
    let plan = try textPlan(Self.job([("dataset.tokenizer", "word"), ("dataset.context", 5)]))
    #expect(plan.dataset.classes.contains(" stone") && plan.dataset.classes.contains("\n"))
    #expect(plan.architecture.layers.last?.shape.output == [5, plan.dataset.classes.count])
  }

  static let wrong: [WrongJob] = [
    WrongJob("dataset.context", 0, says: "from 1 to 8192, got 0"),
    WrongJob("dataset.context", 2000, "dataset.validation", says: "an example needs 2001"),
    WrongJob("dataset.tokenizer", "byte", says: "must be one of \"char\", \"word\""),
    WrongJob("dataset.standardize", true, says: "must be false for text"),
    WrongJob("dataset.limit", 10, "dataset.validation", says: "makes a part of 2 tokens"),
    WrongJob("model.heads", 3, says: "must be a divisor of dim, 16, got 3"),
    WrongJob("model.layers", 0, says: "from 1 to 200"),
    WrongJob("loss", ["type": "mse"], "loss.type", says: "is for regression"),
    WrongJob("model", ["preset": "mlp", "hidden": [8]], "model", says: "gives numbers of shape"),
    WrongJob(
      "model", ["layers": [["type": "embedding", "dim": 8, "vocab": 5]]], "model.layers.0.vocab",
      says: "must be at least 28, the text's tokens, got 5"),
    WrongJob(
      "model", ["layers": [["type": "attention", "heads": 2]]], "model.layers.0",
      says: "works on sequences [time, features], but its input has the shape [16]"),
    WrongJob(
      "model", ["layers": [["type": "embedding", "dim": 9], ["type": "attention", "heads": 2]]],
      "model.layers.1.heads", says: "must divide the 9 features of a time step, got 2"),
    WrongJob(
      "model", ["layers": [["type": "positional", "kind": "rotary"]]], "model.layers.0.kind",
      says: "\"learned\", \"sinusoidal\""),
  ]

  @Test(arguments: wrong) func faultNamesItsField(_ wrong: WrongJob) {
    do {
      _ = try textPlan(Self.job([(wrong.path, wrong.value)]))
      Issue.record("was accepted")
    } catch let error as SpecError {
      #expect(error.field == wrong.field)
      #expect(error.message.contains(wrong.says), "\(error.message)")
    } catch {
      Issue.record(error)
    }
  }

  /// Means and deviations of the first weights, as PyTorch's modules draw them.
  @Test("L7 tensors begin as in PyTorch") func tensorsBeginAsInPyTorch() throws {
    let plan = try textPlan(Self.job([("model.dim", 64)]))
    let random = RandomStream(seed: 1, .initialization)
    var moments: [String: (mean: Double, deviation: Double)] = [:]
    for (index, parameter) in plan.architecture.parameters.enumerated() {
      let values = parameter.initial(random, index).map(Double.init)
      let mean = values.reduce(0, +) / Double(values.count)
      let square = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
      moments[parameter.name] = (mean, square.squareRoot())
    }
    func deviation(_ name: String) -> Double { moments[name]?.deviation ?? -1 }
    #expect(abs(deviation("0.weight") - 1) < 0.1 && abs(deviation("1.weight") - 1) < 0.1)
    // Xavier uniform: the variance is 2 / (in + out).
    #expect(abs(deviation("2.self_attn.in_proj_weight") - (2.0 / 256).squareRoot()) < 0.003)
    #expect(abs(deviation("2.linear1.weight") - 1 / (3.0 * 64).squareRoot()) < 0.003)
    #expect(abs(deviation("2.linear2.weight") - 1 / (3.0 * 256).squareRoot()) < 0.002)
    #expect(deviation("2.self_attn.in_proj_bias") == 0 && deviation("2.self_attn.out_proj.bias") == 0)
    #expect(deviation("2.linear1.bias") > 0.04)
    #expect(try #require(moments["2.norm1.weight"]) == (1, 0) && moments["2.norm1.bias"]?.mean == 0)
  }
}
