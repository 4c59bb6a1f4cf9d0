// Procedures of the list of methods, each test named after its row.

import JSON
import Testing

@testable import Autodiff
@testable import Training

@Suite struct CourseTests {
  /// A small classifier without anything random but its beginning; every step's state is kept.
  static let small: JSON = [
    "dataset": ["name": "digits", "limit": 240, "validation": 0.25], "seed": 3,
    "model": ["layers": [["type": "linear", "out": 20], ["type": "relu"], ["type": "linear", "out": 10]]],
    "optimizer": ["type": "sgd", "lr": 0.2, "momentum": 0.8], "train": ["steps": 24, "batch_size": 32],
    "checkpoint": ["every_steps": 1, "keep_last": 200],
  ]

  static func small(_ changes: [(String, JSON)]) -> JSON {
    changes.reduce(small) { replacing($0, $1.0.split(separator: ".").map(String.init)[...], $1.1) }
  }

  /// The tensors of a checkpoint whose names begin so, by the rest of the name.
  static func tensors(_ run: MemoryRecorder, _ step: Int, _ prefix: String = "model.") throws -> [String:
    [Float]]
  {
    let checkpoint = try Checkpoint(try #require(run.checkpoints[step]).bytes)
    return Dictionary(
      uniqueKeysWithValues: checkpoint.tensors.filter { $0.name.hasPrefix(prefix) }.map {
        (String($0.name.dropFirst(prefix.count)), $0.values)
      })
  }

  /// The largest difference, relative where numbers are above 1.
  static func distance(_ a: [Double], _ b: [Double]) -> Double {
    a.count == b.count ? zip(a, b).reduce(0) { worse($0, abs($1.0 - $1.1) / max(1, abs($1.1))) } : .infinity
  }

  static func distance(_ a: [String: [Float]], _ b: [String: [Float]]) -> Double {
    a.keys == b.keys
      ? a.reduce(0) { largest, entry in
        max(largest, distance(entry.value.map(Double.init), (b[entry.key] ?? []).map(Double.init)))
      } : .infinity
  }

  /// Full-batch descent on a linear model is the iteration w -= lr 2/n X^T (X w + b - y), in doubles; smaller batches
  /// go other ways to the same place.
  @Test("O1 batch, mini-batch and single-sample descent") func batchSizes() throws {
    func losses(_ batch: Int, _ rate: Double) throws -> [Double] {
      try finished([
        "dataset": ["name": "diabetes", "validation": 0, "shuffle": false],
        "model": ["layers": [["type": "linear", "out": 1, "init": ["type": "constant", "val": 0.5]]]],
        "optimizer": ["type": "sgd", "lr": .number(rate)],
        "train": ["epochs": 20, "batch_size": JSON(batch)],
      ]).values("train/loss")
    }
    let plan = try plan([
      "dataset": ["name": "diabetes", "validation": 0], "model": ["preset": "mlp", "hidden": [1]],
      "optimizer": ["type": "sgd"],
    ])
    let (part, scaling) = (plan.split.train, Standardization(plan.split.train))
    let width = part.examples.width
    let x = part.rows.map { row in
      (0..<width).map {
        Double((part.examples.features[Int(row) * width + $0] - scaling.mean[$0]) * scaling.scale[$0])
      }
    }
    let y = part.rows.map { Double(part.examples.targets[Int($0)]) }
    var (w, b) = ([Double](repeating: 0.5, count: width), 0.0)
    var expected: [Double] = []
    for _ in 0..<20 {
      let errors = zip(x, y).map { row, target in zip(row, w).reduce(b - target) { $0 + $1.0 * $1.1 } }
      expected.append(errors.reduce(0) { $0 + $1 * $1 } / Double(y.count))
      for column in 0..<width {
        w[column] -= 0.1 * 2 / Double(y.count) * zip(x, errors).reduce(0) { $0 + $1.0[column] * $1.1 }
      }
      b -= 0.1 * 2 / Double(y.count) * errors.reduce(0, +)
    }
    let whole = try losses(10_000, 0.1)
    #expect(whole.count == 20 && zip(whole, expected).allSatisfy { abs($0 - $1) < 1e-5 * $1 })
    let twin = try losses(10_000, 0.1001)
    #expect(!zip(twin, expected).allSatisfy { abs($0 - $1) < 1e-5 * $1 })
    let (small, single) = (try losses(64, 0.02), try losses(1, 0.001))
    #expect(small.count == 7 * 20 && single.count == 442 * 20)
    for curve in [small, single] {
      let end = curve.suffix(curve.count / 20)
      let (first, last) = (curve[0], end.reduce(0, +) / Double(end.count))
      #expect(last < 0.15 * first)
    }
  }

  @Test("O6 clipping by norm and by value") func clipping() throws {
    let wild = Self.small([("optimizer.lr", 20), ("optimizer.momentum", 0.9)])
    let clipped = try finished(replacing(wild, ["train", "clip_grad_norm"], 0.01))
    #expect(clipped.values("grad_norm").allSatisfy { $0 > 0.01 }, "recorded before clipping")
    let losses = try finished(wild).values("train/loss")
    #expect(try #require(losses.max()) > 50)
    #expect(try #require(clipped.values("train/loss").max()) < 5)
    // No element moves further than lr * value in the first step.
    let byValue = try finished(Self.small([("train.clip_grad_value", 0.001), ("train.steps", 2)]))
    let (a, b) = (try Self.tensors(byValue, 1), try Self.tensors(byValue, 2))
    let moved = a.flatMap { name, values in zip(values, b[name] ?? []).map { abs($0 - $1) } }
    #expect(try #require(moved.max()) <= 0.2 * 0.001 * 1.8 * 1.001)
  }

  /// What the two methods that look at evaluations do in a whole run.
  @Test("O8 plateau in a run") func plateauInARun() throws {
    let run = try finished(
      Self.small([
        ("schedule", ["type": "plateau", "factor": 0.5, "patience": 0, "threshold": 0.5]),
        ("train.evaluate_every", ["steps": 4]),
      ]))
    let (rates, losses) = (run.values("lr"), run.values("val/loss"))
    #expect(rates[..<4].allSatisfy { $0 == 0.2 } && rates[23] < 0.2)
    let spec = try #require(
      try JobSpec.decode(
        Self.small([
          ("schedule", ["type": "plateau", "factor": 0.5, "patience": 0, "threshold": 0.5])
        ])
      ).schedule.plateau)
    var state = PlateauState(rate: 0.2)
    for (index, step) in (run.curves["val/loss"] ?? []).map(\.step).enumerated()
    where step % 4 == 0 && step < 24 {
      state.add(losses[index], spec)
      #expect(rates[Int(step)] == state.rate, "after \(step)")
    }
  }

  @Test("O9 rates, frozen layers and decay by group") func groups() throws {
    let plain = try finished(Self.small([("train.steps", 1), ("optimizer.weight_decay", 0.5)]))
    let scaled = try finished(
      Self.small([
        ("train.steps", 1), ("optimizer.weight_decay", 0.5), ("model.layers.0.lr_scale", 0.25),
        ("optimizer.decay_exempt", ["bias"]),
      ]))
    let without = try finished(Self.small([("train.steps", 1)]))
    let start = Dictionary(
      uniqueKeysWithValues: try plan(Self.small).architecture.parameters.enumerated().map {
        ($1.name, $1.initial(RandomStream(seed: 3, .initialization), $0))
      })
    let (a, b, c) = (try Self.tensors(plain, 1), try Self.tensors(scaled, 1), try Self.tensors(without, 1))
    for (name, factor, reference) in [
      ("0.weight", 0.25, a), ("2.weight", 1, a), ("0.bias", 0.25, c), ("2.bias", 1, c),
    ] as [(String, Float, [String: [Float]])] {
      for ((old, new), other) in zip(zip(start[name] ?? [], b[name] ?? []), reference[name] ?? []) {
        #expect(abs((new - old) - factor * (other - old)) < 1e-6, "\(name)")
      }
    }
    #expect(a["0.bias"] != c["0.bias"])
  }

  /// Four batches of 8 make the update of one of 32, also where the epoch's last update is short.
  @Test("O10 micro-batches make one batch") func accumulation() throws {
    let whole = try finished(Self.small([]))
    let parts = try finished(Self.small([("train.batch_size", 8), ("train.accumulate", 4)]))
    #expect(try plan(Self.small([("train.batch_size", 8), ("train.accumulate", 4)])).stepsPerEpoch == 6)
    for key in ["train/loss", "train/accuracy", "grad_norm", "val/loss", "update_ratio/2"] {
      #expect(Self.distance(parts.values(key), whole.values(key)) < 1e-5, "\(key)")
    }
    let three = try finished(Self.small([("train.batch_size", 8), ("train.accumulate", 3)]))
    #expect(Self.distance(three.values("train/loss"), whole.values("train/loss")) > 1e-3)
  }

  /// A scripted curve stops where it should, and a run goes back to its best parameters.
  @Test("G3 early stopping goes back to the best") func earlyStopping() throws {
    func stop(_ curve: [Double], _ spec: JSON) throws -> (step: Int, best: Int) {
      let spec = try EarlyStoppingSpec(FieldReader(spec, at: ""))
      var state = EarlyStoppingState()
      for (index, value) in curve.enumerated() where !state.isOver {
        _ = state.add(value, step: index + 1, spec)
        state = try #require(EarlyStoppingState(state.encoded))
        if state.isOver { return (index + 1, state.bestStep) }
      }
      return (0, state.bestStep)
    }
    let curve = [5, 4, 3, 3.5, 3.2, 2.9, 3, .nan, 3.1, 3.2, 1]
    #expect(try stop(curve, ["patience": 3]) == (9, 6))
    #expect(try stop(curve, ["patience": 2]) == (5, 3))
    #expect(try stop(curve, ["patience": 5]) == (0, 11))
    #expect(try stop(curve, ["patience": 3, "min_delta": 0.5]) == (6, 3))
    #expect(try stop([1, 2, 1], ["patience": 0, "mode": "max"]) == (3, 2))

    let job = Self.small([
      ("optimizer.lr", 0.6), ("train.steps", 400), ("train.evaluate_every", ["steps": 5]),
      ("train.early_stopping", ["patience": 4]), ("checkpoint.every_steps", 5),
    ])
    let run = try finished(job)
    let (losses, steps) = (run.values("val/loss"), (run.curves["val/loss"] ?? []).map(\.step))
    let last = try #require(run.latest)
    let best = try #require(losses.indices.min { losses[$0] < losses[$1] })
    #expect(last.step < 400 && steps.last == Int64(last.step) && best == losses.count - 5)
    #expect(try Self.tensors(run, last.step) == Self.tensors(run, Int(steps[best])))
    #expect(last.metrics.first?.value == losses[best] && run.best == Int(steps[best]))
    let stay = try finished(replacing(job, ["train", "early_stopping", "restore_best"], false))
    #expect(stay.latest?.step == last.step)
    #expect(try Self.tensors(stay, last.step) != Self.tensors(run, last.step))
  }

  /// The L2 penalty is in the loss and is PyTorch's weight decay of twice its factor under SGD; under Adam they are
  /// not the same thing, and decoupled decay is a third.
  @Test("G4 penalties and decoupled decay") func penalties() throws {
    let plain = try finished(Self.small([]))
    let start = try plan(Self.small).architecture.parameters.enumerated().flatMap {
      $1.initial(RandomStream(seed: 3, .initialization), $0)
    }
    let squares = start.reduce(0.0) { $0 + Double($1) * Double($1) }
    let sizes = start.reduce(0.0) { $0 + Double(abs($1)) }
    let both = try finished(Self.small([("loss.l1", 0.003), ("loss.l2", 0.01)]))
    let (penalized, bare) = (both.values("train/loss")[0], plain.values("train/loss")[0])
    let added = 0.01 * squares + 0.003 * sizes
    #expect(abs(penalized - bare - added) < 1e-6)
    #expect(both.values("val/loss").count == plain.values("val/loss").count)

    func weights(_ changes: [(String, JSON)]) throws -> [String: [Float]] {
      try Self.tensors(try finished(Self.small(changes)), 24)
    }
    let (penalty, decay) = (
      try weights([("loss.l2", 0.01)]), try weights([("optimizer.weight_decay", 0.02)])
    )
    #expect(Self.distance(penalty, decay) < 1e-6)
    #expect(Self.distance(penalty, try weights([("optimizer.weight_decay", 0.021)])) > 1e-5)
    let adam: [(String, JSON)] = [("optimizer", ["type": "adam", "lr": 0.01])]
    let adamPenalty = try weights(adam + [("loss.l2", 0.01)])
    #expect(Self.distance(adamPenalty, try weights(adam + [("optimizer.weight_decay", 0.02)])) < 1e-4)
    #expect(
      Self.distance(
        adamPenalty, try weights([("optimizer", ["type": "adamw", "lr": 0.01, "weight_decay": 0.02])])) > 1e-2
    )
  }

  /// The models at the ends of the cycles stay, whatever else is deleted.
  @Test func G12_snapshots() throws {
    let run = try finished(
      Self.small([
        ("schedule", ["type": "cosine_restarts", "t_0": 7, "warmup": 2]), ("average", ["type": "snapshots"]),
        ("checkpoint", ["every_steps": 2, "keep_last": 1, "keep_best": 0]),
      ]))
    #expect(run.checkpoints.keys.sorted() == [9, 16, 23, 24])
    let rates = run.values("lr")
    #expect(rates[9] == 0.2 && rates[8] < 0.02)
    let each = try finished(
      Self.small([
        ("average", ["type": "snapshots", "every": 10]), ("checkpoint", ["every_steps": 0, "keep_last": 1]),
      ]))
    #expect(each.checkpoints.keys.sorted() == [10, 20, 24])
  }

  /// The averages are those of the parameters of all steps, and what is evaluated.
  @Test("G13 averages are what is evaluated", arguments: ["ema", "swa"]) func averages(_ type: String) throws
  {
    let average: JSON =
      type == "ema" ? ["type": "ema", "decay": 0.9] : ["type": "swa", "start": 10, "every": 3]
    let run = try finished(Self.small([("average", average)]))
    var expected = try Self.tensors(run, 1).mapValues { $0.map(Double.init) }
    var count = 0.0
    for step in 1...24 {
      if type == "swa", step < 10 || (step - 10) % 3 != 0 { continue }
      let share = count == 0 ? 1 : type == "ema" ? 0.1 : 1 / (count + 1)
      count += 1
      for (name, values) in try Self.tensors(run, step) {
        expected[name] = zip(expected[name] ?? [], values).map { $0 + share * (Double($1) - $0) }
      }
    }
    let kept = try Self.tensors(run, 24, "average.")
    #expect(Self.distance(kept, expected.mapValues { $0.map(Float.init) }) < 1e-6)
    #expect(Self.distance(kept, try Self.tensors(run, 24)) > 1e-3)

    let plan = try plan(Self.small)
    let network = try Network(plan, threads: 1, try KernelTable.select())
    let bytes = try #require(run.latest).bytes
    try network.restore(
      Checkpoint(bytes).tensors.filter { !$0.name.hasPrefix("model.") }
        + Checkpoint.evaluatedModel(of: Safetensors(bytes)).map {
          NamedTensor(name: "model.\($0.name)", shape: $0.shape, values: $0.values)
        })
    #expect(network.evaluate(try #require(plan.split.validation)).loss == run.values("val/loss").last)
    // On a run with noise the average is better than where the noise has driven the parameters.
    let noisy =
      [("train.batch_size", 4), ("optimizer.lr", 0.15), ("train.steps", 300), ("checkpoint.every_steps", 0)]
      as [(String, JSON)]
    let smooth: JSON = type == "ema" ? ["type": "ema", "decay": 0.98] : ["type": "swa", "every": 1]
    let raw = try #require(try finished(Self.small(noisy)).values("val/loss").last)
    let averaged = try #require(
      try finished(Self.small(noisy + [("average", smooth)])).values("val/loss").last)
    #expect(averaged < raw)
  }

  /// A run begins with another's body and a fresh head; what does not fit is named whole.
  @Test("T1 another body under a fresh head") func newHead() throws {
    let source = try finished(Self.small([]))
    let bytes = try #require(source.latest).bytes
    func plan(_ changes: [(String, JSON)]) throws -> JobPlan {
      let spec = try JobSpec.decode(
        Self.small([("seed", 9), ("train.steps", 1), ("model.init_from.run_id", "a")] + changes))
      return try JobPlan.make(spec) { origin in
        #expect(origin == .checkpoint(run: "a", "best"))
        return ByteSource(bytes)
      }
    }
    func beginning(_ plan: JobPlan) throws -> [String: [Float]] {
      let tensors = try Network(plan, threads: 1, try KernelTable.select()).allTensors()
      return Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0.values) })
    }
    let body = try Self.tensors(source, 24)
    let all = try beginning(plan([]))
    let headless = try beginning(plan([("model.init_from.skip", ["2.*"])]))
    for name in ["0.weight", "0.bias"] {
      #expect(all["model.\(name)"] == body[name] && headless["model.\(name)"] == body[name])
    }
    #expect(all["model.2.weight"] == body["2.weight"] && headless["model.2.weight"] != body["2.weight"])

    let deeper: [(String, JSON)] = [
      ("model.layers.0.out", 21), ("model.layers.3", ["type": "linear", "out": 10]),
    ]
    let error = #expect(throws: SpecError.self) { try plan(deeper) }
    #expect(error?.field == "model.init_from")
    for part in [
      "0.weight has shape [20, 64], not [21, 64]", "0.bias has shape", "2.weight has shape",
      "3.weight is missing", "3.bias is missing",
    ] { #expect(error?.message.contains(part) == true, "\(part)") }
    let surplus = #expect(throws: SpecError.self) {
      try plan([("model.layers", [["type": "linear", "out": 10]])])
    }
    #expect(surplus?.message.contains("2.weight is not in the model") == true)
    // Without strictness only shapes must fit.
    let loose: [(String, JSON)] = [
      ("model.layers.3", ["type": "relu"]), ("model.layers.4", ["type": "linear", "out": 10]),
      ("model.init_from.strict", false),
    ]
    #expect(try beginning(plan(loose))["model.0.weight"] == body["0.weight"])
    #expect(throws: SpecError.self) { try plan(loose.dropLast()) }
    #expect(throws: SpecError.self) {
      try JobPlan.make(JobSpec.decode(Self.small([("model.init_from.run_id", "a")])))
    }
    let pattern = NamePattern(text: "a*c*e")
    #expect(pattern.matches("abcde") && pattern.matches("ace") && pattern.matches("acece"))
    #expect(!pattern.matches("abde") && !pattern.matches("xace") && !NamePattern(text: "a*a").matches("a"))
  }

  /// Row L7, orthogonal: rows or columns are at right angles to each other and as long as the gain.
  @Test("L7 orthogonal initialization") func orthogonal() throws {
    for (inputs, outputs) in [(64, 10), (64, 100)] {
      let plan = try plan(
        Self.small([
          (
            "model.layers",
            [
              ["type": "linear", "out": JSON(outputs), "init": ["type": "orthogonal", "gain": 2]],
              ["type": "linear", "out": 10],
            ]
          )
        ]))
      let values = plan.architecture.parameters[0].initial(RandomStream(seed: 3, .initialization), 0)
      let count = min(inputs, outputs)
      for a in 0..<count {
        for b in 0...a {
          let product = (0..<max(inputs, outputs)).reduce(0.0) { sum, k in
            let (x, y) =
              outputs <= inputs
              ? (values[a * inputs + k], values[b * inputs + k])
              : (values[k * inputs + a], values[k * inputs + b])
            return sum + Double(x) * Double(y)
          }
          #expect(abs(product - (a == b ? 4 : 0)) < 1e-5)
        }
      }
    }
  }

  /// Frozen tensors keep their bits and their gradients are not computed.
  @Test("T2 frozen tensors keep their bits and cost no gradient") func freezing() throws {
    let run = try finished(Self.small([("model.layers.0.freeze", true)]))
    let (first, last) = (try Self.tensors(run, 1), try Self.tensors(run, 24))
    #expect(first["0.weight"] == last["0.weight"] && first["0.bias"] == last["0.bias"])
    #expect(first["2.weight"] != last["2.weight"])
    let (frozen, free) = (try plan(Self.small([("model.layers.0.freeze", true)])), try plan(Self.small))
    let count = { (plan: JobPlan) in plan.programs.phases[0].plans.values.map(\.instructionCount).max() ?? 0 }
    #expect(count(frozen) < count(free))
    #expect(
      run.values("grad_norm/0").allSatisfy { $0 == 0 } && run.values("update_ratio/0").allSatisfy { $0 == 0 })
    let named = try finished(Self.small([("model.freeze", ["0.*"])]))
    #expect(try Self.tensors(named, 24) == last)
    #expect(throws: SpecError.self) { try plan(Self.small([("model.freeze", ["*"])])) }
  }

  /// The body is frozen up to its step and trained from there.
  @Test("T3 head first, then all") func headFirst() throws {
    for fields in [
      [("model.layers.0.unfreeze_at", 10)], [("model.layers.0.unfreeze_at", 0.4)],
      [("model.layers.0.freeze", true), ("train.unfreeze_at", 10)],
    ] as [[(String, JSON)]] {
      let run = try finished(Self.small(fields))
      let body = try [1, 10, 11].map { try Self.tensors(run, $0)["0.weight"] }
      #expect(body[0] == body[1] && body[1] != body[2])
    }
  }

  @Test("P1 replicas make the step of one") func replicas() throws {
    let whole = try finished(Self.small([]))
    let runs = try [1, 2].map { try finished(Self.small([("train.replicas", 3)]), threads: $0) }
    #expect(runs[0].bits == runs[1].bits && runs[0].latest?.bytes == runs[1].latest?.bytes)
    for key in ["train/loss", "val/loss", "grad_norm", "param_norm"] {
      #expect(Self.distance(runs[0].values(key), whole.values(key)) < 1e-5, "\(key)")
    }
    #expect(runs[0].bits["grad_norm"] != whole.bits["grad_norm"])
  }

  /// Each replica's batch norm sees its own share of the batch, and the running statistics are the first one's.
  @Test("P2 batch norm per replica") func batchNormPerReplica() throws {
    func network(_ changes: [(String, JSON)]) throws -> (Network, JobPlan) {
      let layers: JSON = [
        ["type": "linear", "out": 12], ["type": "batch_norm"], ["type": "relu"],
        ["type": "linear", "out": 10],
      ]
      let made = try plan(Self.small([("model.layers", layers), ("dataset.shuffle", false)] + changes))
      return (try Network(made, threads: 1, try KernelTable.select()), made)
    }
    func statistics(_ network: Network) throws -> [[Float]] {
      try network.allTensors().filter { $0.name.contains("running") }.map(\.values)
    }
    let (both, whole32) = try network([("train.replicas", 2)])
    let rows = whole32.split.train.rows
    let whole = try both.forwardBackward(rows[0..<32], step: 0)
    let (first, _) = try network([("train.batch_size", 16)])
    let a = try first.forwardBackward(rows[0..<16], step: 0)
    let afterFirst = try statistics(first)
    let b = try first.forwardBackward(rows[16..<32], step: 1)
    #expect(abs(whole.loss - (a.loss + b.loss) / 2) < 1e-6 && whole.correct == a.correct + b.correct)
    let (afterBoth, afterSecond) = (try statistics(both), try statistics(first))
    #expect(!afterFirst.isEmpty && afterBoth == afterFirst && afterSecond != afterFirst)
    let (single, _) = try network([])
    let alone = try single.forwardBackward(rows[0..<32], step: 0)
    #expect(abs(alone.loss - whole.loss) > 1e-4)
  }

  /// Batches eight times as large as the base take eight times the rate, after a warmup.
  @Test("P3 linear scaling with warmup") func linearScaling() throws {
    let run = try finished(
      Self.small([
        ("optimizer.lr", 0.01), ("train.batch_size", 32), ("train.accumulate", 2), ("train.steps", 8),
        ("train.scale_lr_with_batch", ["base": 8]), ("schedule", ["type": "constant", "warmup": 4]),
      ]))
    #expect(Self.distance(run.values("lr"), [0.02, 0.04, 0.06, 0.08, 0.08, 0.08, 0.08, 0.08]) < 1e-15)
  }

  /// Norms of gradients by layer add up to the whole; update ratios are what the kept parameters say.
  @Test("W1 W2 norms and update ratios by layer") func norms() throws {
    let run = try finished(Self.small([]))
    for step in 0..<24 {
      let (a, b) = (run.values("grad_norm/0")[step], run.values("grad_norm/2")[step])
      let whole = run.values("grad_norm")[step]
      #expect(abs(a * a + b * b - whole * whole) < 1e-9)
    }
    func norm(_ values: [Float]) -> Double { values.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot() }
    for step in 1..<24 {
      let (a, b) = (try Self.tensors(run, step), try Self.tensors(run, step + 1))
      for layer in [0, 2] {
        let names = ["\(layer).weight", "\(layer).bias"]
        let (old, new) = (names.flatMap { a[$0] ?? [] }, names.flatMap { b[$0] ?? [] })
        let ratio = norm(zip(new, old).map { $0 - $1 }) / norm(old)
        #expect(abs(run.values("update_ratio/\(layer)")[step] - ratio) < 1e-5 * ratio)
      }
      #expect(abs(run.values("param_norm")[step] - norm(a.values.flatMap { $0 })) < 1e-5)
    }
  }

  /// dead/N is the share of a rectifier's units that are 0 for the whole batch: all of them with a bias far below 0.
  @Test("W1 dead units by layer") func deadUnits() throws {
    let run = try finished(Self.small([]))
    #expect(run.values("dead/1").count == 24 && run.values("dead/1").allSatisfy { $0 >= 0 && $0 < 0.6 })
    let plan = try plan(Self.small)
    let network = try Network(plan, threads: 1, try KernelTable.select())
    var tensors = try network.allTensors()
    // Units 0, 1 and 2 of 20 get a bias that no picture makes good.
    tensors = tensors.map { tensor in
      guard tensor.name == "model.0.bias" else { return tensor }
      let values = tensor.values.enumerated().map { $0 < 3 ? -1000 : abs($1) + 1000 }
      return NamedTensor(name: tensor.name, shape: tensor.shape, values: values)
    }
    try network.restore(tensors)
    _ = try network.forwardBackward(plan.split.train.rows[0..<32], step: 0)
    #expect(network.deadShares() == [0.15])
    let parts = try finished(Self.small([("train.batch_size", 8), ("train.accumulate", 4)]))
    #expect(parts.values("dead/1")[0] == run.values("dead/1")[0], "of the whole update")
  }

  /// Every method with a memory, stopped again and again and gone on from what was kept, ends with the same bits.
  static let stateful: [(String, [(String, JSON)])] = [
    ("O8", [("schedule", ["type": "plateau", "factor": 0.5, "patience": 1, "threshold": 0.1])]),
    (
      "O8, of the training loss",
      [
        ("schedule", ["type": "plateau", "metric": "train/loss", "patience": 0, "threshold": 0.3]),
        ("dataset.validation", 0),
      ]
    ),
    ("G3", [("optimizer.lr", 1.2), ("train.steps", 60), ("train.early_stopping", ["patience": 2])]),
    (
      "G3 with an average",
      [
        ("optimizer.lr", 1.2), ("train.steps", 60), ("train.early_stopping", ["patience": 2]),
        ("average", ["type": "ema", "decay": 0.5]),
      ]
    ),
    ("G13, ema", [("average", ["type": "ema", "decay": 0.9])]),
    ("G13, swa", [("average", ["type": "swa", "start": 0.3, "every": 3])]),
    (
      "G12",
      [
        ("schedule", ["type": "cosine_restarts", "t_0": 5]), ("average", ["type": "snapshots"]),
        ("checkpoint.keep_last", 1),
      ]
    ),
    (
      "G13, swa with batch norm",
      [
        ("model.layers", TransferTests.normed), ("average", ["type": "swa", "start": 0.3, "every": 3]),
        ("train.early_stopping", ["patience": 3]),
      ]
    ),
    (
      "T2, batch norm that thaws",
      [("model.layers", TransferTests.normed), ("model.layers.1.unfreeze_at", 9)]
    ),
    ("T3", [("model.layers.0.unfreeze_at", 9), ("model.layers.2.lr_scale", 0.5)]),
    ("O7, momentum", [("schedule", ["type": "one_cycle", "max_lr": 0.3])]),
    ("O3", [("optimizer", ["type": "nag", "lr": 0.05])]),
    ("O4", [("optimizer", ["type": "rmsprop", "centered": true, "momentum": 0.5])]),
    ("O5, nadam", [("optimizer", ["type": "nadam"])]),
    (
      "O5, O7: nadam, its momentum moved",
      [("optimizer", ["type": "nadam"]), ("schedule", ["type": "one_cycle", "max_lr": 0.01])]
    ),
    (
      "O5, T3: nadam, its momentum moved, that thaws",
      [
        ("optimizer", ["type": "nadam"]), ("schedule", ["type": "one_cycle", "max_lr": 0.01]),
        ("model.layers.0.unfreeze_at", 9),
      ]
    ),
    ("O5, amsgrad", [("optimizer", ["type": "adam", "amsgrad": true])]),
    (
      "G6, G7",
      [
        (
          "augment",
          [
            ["type": "random_shift"], ["type": "rotate"], ["type": "gaussian_noise"],
            ["type": "weight_noise"],
          ]
        )
      ]
    ),
    ("G8, mixup", [("augment", [["type": "mixup", "alpha": 0.3]])]),
    ("G8, cutmix", [("augment", [["type": "random_shift"], ["type": "cutmix", "p": 0.7]])]),
    (
      "O10",
      [
        ("train.batch_size", 8), ("train.accumulate", 3), ("loss.l1", 0.001),
        ("model.layers.1", ["type": "dropout", "p": 0.3]),
      ]
    ),
  ]

  @Test("W12 a resumed run has the same bits", arguments: stateful.indices) func resume(_ index: Int) throws {
    let (name, changes) = Self.stateful[index]
    let job = Self.small(
      [("checkpoint.every_steps", 6), ("checkpoint.keep_last", 2), ("train.evaluate_every", ["steps": 4])]
        + changes)
    let plan = try plan(job)
    let whole = try finished(job)
    let recorder = MemoryRecorder()
    var outcome = TrainingOutcome.paused
    for attempt in 0..<100 where outcome != .finished {
      let control = RunControl()
      let from = recorder.latest
      let last = (from?.step ?? 0) + [2, 0, 4, 1, 3][attempt % 5]
      recorder.onStep = { if $0 == last { control.request(.pause) } }
      outcome = try Trainer(plan: plan).run(
        from: from?.bytes, recorder: recorder, control: control, threads: 2)
    }
    #expect(outcome == .finished && recorder.bits == whole.bits, "\(name)")
    #expect(recorder.latest?.bytes == whole.latest?.bytes, "\(name)")
    #expect(
      recorder.checkpoints.keys.sorted() == whole.checkpoints.keys.sorted() && recorder.best == whole.best)
  }
}
