import Autodiff
import Glibc
import JSON
import Testing

@testable import Training

@Suite struct TrainerTests {
  @Test(arguments: goldenRuns) func runsAsPyTorchDoes(_ golden: GoldenRun) throws {
    let spec = try JSON.parse(golden.job)
    let rows = try curves(spec)
    #expect(rows.count == golden.rows.count)
    #expect(distance(rows, golden.rows) < 2e-5)
    // Another learning rate is another run: the comparison can fail.
    let rate = try #require(spec["optimizer"]?["lr"]?.doubleValue)
    let twin = try curves(replacing(spec, ["optimizer", "lr"], .number(rate * 1.001)))
    #expect(distance(twin, golden.rows) > 5e-5)
  }

  private func curves(_ spec: JSON) throws -> [[Double]] {
    let run = MemoryRecorder()
    let plan = try plan(spec)
    let isDrawn = spec["model"]?["layers"]?.arrayValue?.first?["init"] == nil
    let outcome = try Trainer(plan: plan).run(
      from: isDrawn ? sines(plan) : nil, recorder: run, control: RunControl())
    #expect(outcome == .finished)
    let count = run.values("lr").count
    let accuracy = run.values("train/accuracy")
    return (0..<count).map { step in
      [
        run.values("train/loss")[step], accuracy.isEmpty ? -1 : accuracy[step], run.values("lr")[step],
        run.values("grad_norm")[step], run.values("param_norm")[step],
      ]
    }
  }

  /// A checkpoint of step 0 whose parameters are the golden runs' own: 0.4 * sin(1.3 i + k).
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
    return Checkpoint(
      step: 0, epoch: 0, metrics: [], spec: "{}", isInterim: true, tensors: tensors, retention: Retention()
    ).encode()
  }

  /// The largest relative difference of any number.
  private func distance(_ a: [[Double]], _ b: [[Double]]) -> Double {
    zip(a, b).flatMap { zip($0, $1) }.reduce(0) { worse($0, abs($1.0 - $1.1) / max(abs($1.1), 1e-3)) }
  }

  /// Neither evaluations nor checkpoints count.
  @Test func speedIsThatOfTraining() throws {
    let recorder = MemoryRecorder()
    recorder.onCheckpoint = { usleep(300_000) }
    let plan = try plan([
      "dataset": ["name": "iris"], "model": ["layers": [["type": "linear", "out": 3]]],
      "optimizer": ["type": "sgd", "lr": 0.1], "train": ["epochs": 4],
    ])
    _ = try Trainer(plan: plan).run(recorder: recorder, control: RunControl())
    let speeds = recorder.values("examples_per_second")
    // With the checkpoint it would be 450 at most.
    #expect(speeds.count == 4 && speeds.allSatisfy { $0 > 1000 })
  }

  @Test func digitsAreLearned() throws {
    let run = try finished(digitsJob)
    #expect(run.curves["train/loss"]?.first?.step == 0)
    #expect(abs(try #require(run.values("train/loss").first) - log(10)) < 0.05 * log(10))
    #expect(run.values("train/loss").count == 51 * 15 && run.values("train/accuracy").count == 51 * 15)
    #expect(run.curves["val/loss"]?.map(\.step) == (1...15).map { Int64(51 * $0) })
    #expect(try #require(run.values("val/accuracy").last) > 0.95)
    #expect(run.values("epoch").last == 14)
    #expect(run.values("grad_norm").allSatisfy { $0 > 0 } && run.values("param_norm").allSatisfy { $0 > 1 })
    #expect(run.values("examples_per_second").allSatisfy { $0 > 0 })
    #expect(run.curves["test/loss"] == nil)
    #expect(run.latest?.step == 765 && run.latest?.epoch == 15)
    #expect(run.checkpoints.keys.contains(try #require(run.best)))
    #expect(run.checkpoints.count <= 3)
    let losses = run.values("val/loss")
    #expect(run.best == 51 * (1 + (losses.firstIndex(of: losses.min() ?? 0) ?? 0)))
  }

  @Test func diabetesIsFitted() throws {
    let run = try finished([
      "dataset": ["name": "diabetes", "test": 0.1], "model": ["preset": "mlp", "hidden": [32]],
      "optimizer": ["type": "adam", "lr": 0.01], "train": ["epochs": 60],
    ])
    let losses = run.values("val/loss")
    #expect(losses[0] > 10_000 && losses[losses.count - 1] < 0.4 * losses[0])
    #expect(run.curves["val/accuracy"] == nil && run.values("test/loss").count == 1)
  }

  @Test func threadsDoNotChangeBits() throws {
    let runs = try [1, 2, 3].map { try finished(dropoutJob, threads: $0) }
    #expect(runs[0].bits == runs[1].bits && runs[0].bits == runs[2].bits)
    #expect(runs[0].latest?.bytes == runs[1].latest?.bytes && runs[0].latest?.bytes == runs[2].latest?.bytes)
    let other = try finished(replacing(dropoutJob, ["seed"], 6))
    #expect(other.bits["train/loss"] != runs[0].bits["train/loss"])
  }

  @Test func processorsDoNotChangeBits() throws {
    let plan = try plan(dropoutJob)
    var files: [KernelTable.Level: [UInt8]] = [:]
    for level in KernelTable.available {
      let recorder = MemoryRecorder()
      let trainer = Trainer(plan: plan, kernels: try KernelTable.make(level))
      #expect(try trainer.run(recorder: recorder, control: RunControl(), threads: 2) == .finished)
      files[level] = try #require(recorder.latest).bytes
    }
    #expect(files.count == KernelTable.available.count && Set(files.values).count == 1)
  }

  /// Evaluation in batches, the last one short, is the mean over the whole part: by hand from the checkpoint.
  @Test func evaluationIsTheMeanOverThePart() throws {
    let spec: JSON = [
      "dataset": ["name": "digits", "validation": 0.3], "model": ["layers": [["type": "linear", "out": 10]]],
      "optimizer": ["type": "sgd", "lr": 0.1], "train": ["steps": 20],
    ]
    let run = try finished(spec)
    let file = try Safetensors(try #require(run.latest).bytes)
    let (weight, bias) = (try file.tensor("model.0.weight").values, try file.tensor("model.0.bias").values)
    let part = try #require(try plan(spec).split.validation)
    #expect(part.count == 539)
    var (loss, correct) = (0.0, 0)
    for row in part.rows {
      let x = (0..<64).map { Double(part.examples.features[Int(row) * 64 + $0]) }
      let logits = (0..<10).map { unit in
        (0..<64).reduce(Double(bias[unit])) { $0 + x[$1] * Double(weight[unit * 64 + $1]) }
      }
      let label = Int(part.examples.labels[Int(row)])
      loss += log(logits.reduce(0) { $0 + exp($1) }) - logits[label]
      if logits.firstIndex(of: logits.max() ?? 0) == label { correct += 1 }
    }
    #expect(abs(try #require(run.values("val/loss").last) - loss / 539) < 1e-5)
    #expect(run.values("val/accuracy").last == Double(correct) / 539)
  }

  /// Paused at random steps and gone on from what was kept, a run ends with the same bits.
  @Test(arguments: 0..<8) func interruptionsLeaveNoTrace(_ trial: Int) throws {
    let whole = try finished(dropoutJob)
    let plan = try plan(dropoutJob)
    let random = RandomStream(seed: UInt64(trial), .dataset)
    let recorder = MemoryRecorder()
    var outcome = TrainingOutcome.paused
    for attempt in 0..<100 where outcome != .finished {
      let control = RunControl()
      let from = recorder.latest
      let last = (from?.step ?? 0) + Int(random.uniform(attempt, 0) * 7)
      recorder.onStep = { if $0 == last { control.request(attempt % 2 == 0 ? .pause : .stop) } }
      outcome = try Trainer(plan: plan).run(
        from: from?.bytes, recorder: recorder, control: control, threads: 2)
      if outcome != .finished { #expect(recorder.latest?.step == min(last + 1, plan.totalSteps)) }
    }
    #expect(outcome == .finished)
    #expect(recorder.bits == whole.bits)
    #expect(recorder.latest?.bytes == whole.latest?.bytes)
    #expect(recorder.checkpoints.keys.sorted() == whole.checkpoints.keys.sorted())
    #expect(recorder.best == whole.best)
  }

  /// Killed without a word, a run goes on from an older checkpoint and repeats what came after it.
  @Test func repeatsFromAnOlderCheckpoint() throws {
    let whole = try finished(dropoutJob)
    let recorder = MemoryRecorder()
    let control = RunControl()
    recorder.onStep = { if $0 == 10 { control.request(.cancel) } }
    #expect(try Trainer(plan: plan(dropoutJob)).run(recorder: recorder, control: control) == .cancelled)
    #expect(recorder.latest?.step == 6)
    recorder.onStep = { _ in }
    let outcome = try Trainer(plan: plan(dropoutJob)).run(
      from: recorder.latest?.bytes, recorder: recorder, control: RunControl())
    #expect(outcome == .finished && recorder.bits == whole.bits)
    #expect(recorder.latest?.bytes == whole.latest?.bytes)
  }

  /// Without the optimizer's state the run would go on differently: the test above can fail.
  @Test("W12 resume needs the optimizer's state") func optimizerStateMatters() throws {
    let plan = try plan(dropoutJob)
    let recorder = MemoryRecorder()
    let control = RunControl()
    recorder.onStep = { if $0 == 6 { control.request(.pause) } }
    _ = try Trainer(plan: plan).run(recorder: recorder, control: control)
    let kept = try Checkpoint(try #require(recorder.latest).bytes)
    let forgetful = Checkpoint(
      step: kept.step, epoch: kept.epoch, metrics: kept.metrics, spec: kept.spec, isInterim: kept.isInterim,
      tensors: kept.tensors.map {
        $0.name.hasPrefix("optimizer.")
          ? NamedTensor(name: $0.name, shape: $0.shape, values: $0.values.map { _ in 0 }) : $0
      }, retention: kept.retention)
    let second = MemoryRecorder()
    _ = try Trainer(plan: plan).run(from: forgetful.encode(), recorder: second, control: RunControl())
    #expect(second.latest?.bytes != (try finished(dropoutJob)).latest?.bytes)
  }

  @Test func divergenceFailsWithItsStep() throws {
    let recorder = MemoryRecorder()
    let plan = try plan([
      "dataset": ["name": "diabetes"], "model": ["preset": "mlp", "hidden": [8]],
      "optimizer": ["type": "sgd", "lr": 1000], "checkpoint": ["every_steps": 1],
    ])
    let error = #expect(throws: TrainingError.self) {
      try Trainer(plan: plan).run(recorder: recorder, control: RunControl())
    }
    let step = try #require(error?.step)
    #expect(step >= 1 && step < 20)
    let text = try #require(error).description
    #expect(
      text.contains("diverged") && text.contains("step \(step)") && text.contains("not finite"), "\(text)")
    let kept = try Checkpoint(try #require(recorder.latest).bytes)
    #expect(kept.tensors.allSatisfy { $0.values.allSatisfy(\.isFinite) })
  }

  /// A network with pictures and one with text: what is kept is the state before, and the message says where it began.
  @Test(
    arguments: [
      [
        "dataset": ["name": "digits", "limit": 200, "validation": 0],
        "model": [
          "layers": [
            ["type": "conv2d", "channels": 6, "kernel": 3, "padding": 1], ["type": "relu"],
            ["type": "max_pool2d", "kernel": 2], ["type": "flatten"], ["type": "linear", "out": 10],
          ]
        ],
        "optimizer": ["type": "sgd", "lr": 1e18], "train": ["epochs": 3],
        "checkpoint": ["every_steps": 1],
      ],
      [
        "dataset": ["name": "verse", "context": 8, "validation": 0],
        "model": ["preset": "transformer_lm", "layers": 1, "dim": 16, "heads": 2],
        "optimizer": ["type": "sgd", "lr": 1e30], "train": ["steps": 30, "batch_size": 4],
        "checkpoint": ["every_steps": 1],
      ],
    ] as [JSON]) func divergenceNamesTheFirstTensorThatIsNotFinite(_ job: JSON) throws
  {
    let recorder = MemoryRecorder()
    let plan = try textPlan(job)
    let error = #expect(throws: TrainingError.self) {
      try Trainer(plan: plan).run(recorder: recorder, control: RunControl())
    }
    let step = try #require(error?.step)
    let text = try #require(error).description
    #expect(text.contains("diverged") && text.contains("step \(step)"), "\(text)")
    let tensor = try #require(text.split(separator: "first not finite: ").last)
    #expect(tensor.contains("layer ") || tensor.contains("weight") || tensor.contains("bias"), "\(text)")
    let kept = try Checkpoint(try #require(recorder.latest).bytes)
    #expect(kept.step <= step)
    #expect(kept.tensors.allSatisfy { $0.values.allSatisfy(\.isFinite) })
  }

  @Test func checkpointHoldsPyTorchsNames() throws {
    let run = try finished(dropoutJob)
    let bytes = try #require(run.latest).bytes
    let file = try Safetensors(bytes)
    let model = ["0.bias", "0.weight", "3.bias", "3.weight"]
    #expect(
      file.entries.map(\.name)
        == model.map { "model.\($0)" } + model.map { "optimizer.m.\($0)" } + model.map { "optimizer.v.\($0)" }
    )
    #expect(try file.tensor("model.0.weight").shape == [16, 64])
    let part = try Safetensors(try modelPart(of: bytes))
    #expect(part.entries.map(\.name) == model && part.metadata("format") == "pt")
    #expect(try part.tensor("3.weight").values == (try file.tensor("model.3.weight").values))
    let spec = try JSON.parse(try #require(file.metadata("spec")))
    #expect(try JobSpec.decode(spec) == JobSpec.decode(dropoutJob))
    #expect(throws: SafetensorsError.self) { try modelPart(of: modelPart(of: bytes)) }
  }

  @Test func checkpointMustFit() throws {
    let bytes = try #require(try finished(dropoutJob).latest).bytes
    let other = replacing(dropoutJob, ["model", "layers", "0", "out"], 17)
    for (job, says) in [
      (other, "0.weight"), (replacing(dropoutJob, ["train", "epochs"], 1), "after the end"),
    ] {
      let plan = try plan(job)
      let error = #expect(throws: TrainingError.self) {
        try Trainer(plan: plan).run(from: bytes, recorder: MemoryRecorder(), control: RunControl())
      }
      #expect(error?.description.contains(says) == true, "\(String(describing: error))")
    }
    #expect(throws: TrainingError.self) {
      try Trainer(plan: plan(dropoutJob)).run(
        from: [1, 2], recorder: MemoryRecorder(), control: RunControl())
    }
  }

  @Test func recorderErrorsEndTheRun() throws {
    final class Full: RunRecorder {
      struct DiskFull: Error {}
      func begin(_ tables: [CurveTable]) {}
      func record(_ table: CurveTable, step: Int64, timestamp: Int64, values: [Double]) {}
      func log(_ line: String) {}
      func checkpoint(_ checkpoint: TrainingCheckpoint) throws { throw DiskFull() }
      func progress(step: Int, epoch: Int) {}
    }
    #expect(throws: TrainingError.self) {
      try Trainer(plan: plan(job())).run(recorder: Full(), control: RunControl())
    }
  }

  @Test func controlKeepsTheStrongestRequest() {
    let control = RunControl()
    #expect(control.pending == nil)
    control.request(.cancel)
    control.request(.pause)
    #expect(control.pending == .cancel)
  }
}
