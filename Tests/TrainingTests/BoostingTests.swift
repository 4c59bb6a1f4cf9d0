// Boosting, ensembles' predictions and sharpness, as far as they are the trainer's.

import JSON
import Testing

@testable import Autodiff
@testable import Training

@Suite struct BoostingTests {
  @Test("G10 weights grow where members are wrong") func weightsGrowWhereMembersAreWrong() {
    var samme = Samme(examples: 4, classes: 2)
    samme.add(wrong: [true, false, false, false])
    // AdaBoost: after a member with error e its mistakes weigh one half together.
    #expect(abs(samme.weights[0] - 0.5) < 1e-12 && abs(samme.weights[1] - 1.0 / 6) < 1e-12)
    #expect(abs((samme.members.last?.vote ?? 0) - ExactMath.log(3)) < 1e-12)
    samme.add(wrong: [true, true, false, false])
    #expect(samme.members.last == Samme.Member(error: samme.members[1].error, vote: 0))
    #expect(samme.weights == [0.25, 0.25, 0.25, 0.25])
    samme.add(wrong: [false, false, false, false])
    #expect(abs((samme.members.last?.vote ?? 0) - ExactMath.log(7)) < 1e-12)
    #expect(abs(samme.votes.reduce(0, +) - 1) < 1e-12 && samme.votes[1] == 0)
    // With ten classes a member that is right on a third is far better than chance.
    var ten = Samme(examples: 3, classes: 10)
    ten.add(wrong: [true, true, false])
    #expect(abs((ten.members.last?.vote ?? 0) - ExactMath.log(4.5)) < 1e-9)
    #expect(ten.weights[0] > ten.weights[2])
  }

  @Test("G10 examples are drawn by weight") func examplesAreDrawnByWeight() {
    var samme = Samme(examples: 1000, classes: 2)
    samme.add(wrong: (0..<1000).map { $0 < 100 })
    let draws = samme.draw(RandomStream(seed: 3, .bootstrap))
    #expect(draws.count == 1000 && draws == draws.sorted())
    let hard = draws.count { $0 < 100 }
    #expect(hard > 430 && hard < 570)
    #expect(draws != samme.draw(RandomStream(seed: 4, .bootstrap)))
  }

  private static func member(_ after: [String], seed: Int) -> JSON {
    replacing(
      replacing(
        replacing(dropoutJob, ["dataset", "boost_after"], .array(after.map(JSON.string))),
        ["dataset", "split_seed"], 5), ["seed"], JSON(seed))
  }

  /// The second member trains on examples that the first got wrong more often than on others; the same spec and the
  /// same first member give the same bits, also when it goes on from a checkpoint.
  @Test("G10 second member sees the firsts mistakes") func secondMemberSeesTheFirstsMistakes() throws {
    let first = try finished(Self.member([], seed: 5))
    let bytes = try #require(first.latest?.bytes)
    let spec = try JobSpec.decode(Self.member(["first"], seed: 6))
    let second = try JobPlan.make(spec, checkpoints: { _ in ByteSource(bytes) })
    let predictor = try Predictor(checkpoint: bytes, catalog: .builtin)
    let wrong = try predictor.wrong(on: second.split.train)
    let mistakes = Set(zip(second.split.train.rows, wrong).filter(\.1).map(\.0))
    #expect(!mistakes.isEmpty && mistakes.count < second.split.train.count / 2)
    let rows = try second.trainingPart().rows
    #expect(rows.count == second.split.train.count)
    let share = Double(rows.count { mistakes.contains($0) }) / Double(rows.count)
    // With ten classes the mistakes weigh nine tenths together.
    #expect(share > 0.8 && share < 0.97)
    let runs = try (0..<2).map { _ in
      let recorder = MemoryRecorder()
      _ = try Trainer(plan: second).run(recorder: recorder, control: RunControl())
      return recorder
    }
    #expect(runs[0].bits == runs[1].bits)
    let middle = try #require(runs[0].checkpoints.values.min { $0.step < $1.step })
    let resumed = MemoryRecorder()
    _ = try Trainer(plan: JobPlan.make(spec, checkpoints: { _ in ByteSource(bytes) }, isResuming: true)).run(
      from: middle.bytes, recorder: resumed, control: RunControl())
    #expect(resumed.latest?.bytes == runs[0].latest?.bytes)
    #expect(throws: SpecError.self) {
      try JobPlan.make(spec, checkpoints: { _ in throw SpecError("x", "is not there") })
    }
  }

  /// One model alone is evaluated as its run was; the mean of the same model twice is that model.
  @Test("G11 evaluation is the runs", arguments: [0, 0.1]) func evaluationIsTheRuns(_ smoothing: Double)
    throws
  {
    let job = replacing(
      dropoutJob, ["loss"], ["type": "cross_entropy", "label_smoothing": .number(smoothing)])
    let run = try finished(job)
    let bytes = try #require(run.latest?.bytes)
    let predictor = try Predictor(checkpoint: bytes, catalog: .builtin)
    let evaluation = try EnsembleEvaluation(predictor, .validation)
    let alone = try evaluation.add(predictor)
    #expect(abs(alone.loss - (run.values("val/loss").last ?? 0)) < 1e-6)
    #expect(alone.metrics("val")[1].value == run.values("val/accuracy").last)
    _ = try evaluation.add(predictor)
    #expect(abs(evaluation.ensemble().loss - alone.loss) < 1e-12)
    #expect(evaluation.seen(by: predictor) == 0)
    let trained = try EnsembleEvaluation(predictor, .train)
    #expect(trained.seen(by: predictor) == trained.examples)
    let test = try EnsembleEvaluation(predictor, .test)
    #expect(abs(try test.add(predictor).loss - (run.values("test/loss").last ?? 0)) < 1e-6)
  }

  /// Of two members' probabilities the mean by their votes.
  @Test("G10 votes weigh predictions") func votesWeighPredictions() throws {
    let predictors = try [1, 2].map { seed in
      let job = replacing(replacing(dropoutJob, ["seed"], JSON(seed)), ["dataset", "split_seed"], 9)
      return try Predictor(checkpoint: try #require(try finished(job).latest?.bytes), catalog: .builtin)
    }
    let evaluation = try EnsembleEvaluation(predictors[0], .validation)
    for (predictor, vote) in zip(predictors, [3.0, 1]) { _ = try evaluation.add(predictor, vote: vote) }
    let part = try #require(predictors[0].part(.validation))
    let (a, b) = (try predictors[0].predictions(part), try predictors[1].predictions(part))
    let width = a.count / part.count
    let loss = part.rows.enumerated().reduce(0) { sum, row in
      let place = row.offset * width + Int(part.examples.labels[Int(row.element)])
      return sum - ExactMath.log(0.75 * a[place] + 0.25 * b[place])
    }
    #expect(abs(evaluation.ensemble().loss / (loss / Double(part.count)) - 1) < 1e-9)
  }

  @Test("G11 regression is averaged") func regressionIsAveraged() throws {
    let job: JSON = [
      "dataset": ["name": "diabetes", "validation": 0.2], "model": ["preset": "mlp", "hidden": [4]],
      "optimizer": ["type": "adam", "lr": 0.05], "train": ["epochs": 3],
      "loss": ["type": "huber", "delta": 20],
    ]
    let runs = try [1, 2].map {
      try finished(replacing(replacing(job, ["seed"], JSON($0)), ["dataset", "split_seed"], 9))
    }
    let predictors = try runs.map {
      try Predictor(checkpoint: try #require($0.latest?.bytes), catalog: .builtin)
    }
    let evaluation = try EnsembleEvaluation(predictors[0], .validation)
    for (predictor, run) in zip(predictors, runs) {
      let alone = try evaluation.add(predictor)
      #expect(abs(alone.loss / (run.values("val/loss").last ?? 0) - 1) < 1e-5 && alone.correct == nil)
    }
    let spread = try #require(evaluation.spread())
    let part = try #require(predictors[0].part(.validation))
    let outputs = try predictors.map { try $0.predictions(part) }
    for index in 0..<part.count {
      #expect(abs(spread.mean[index] - (outputs[0][index] + outputs[1][index]) / 2) < 1e-9)
      let half = (outputs[0][index] - outputs[1][index]) / 2
      #expect(
        abs(spread.variance[index] - half * half) < 1e-6 * max(1, spread.mean[index] * spread.mean[index]))
    }
  }
}

@Suite struct SharpnessTests {
  @Test("G14 the rise in percent of the loss and one") func definition() {
    #expect(Sharpness(loss: 0.5, maximum: 0.8, examples: 1).sharpness == 100 * (0.8 - 0.5) / 1.5)
    #expect(Sharpness(loss: 3, maximum: 3, examples: 1).sharpness == 0)
  }

  /// A linear model's squared error is convex in its parameters, so the largest value in a box is at a corner, all of
  /// which are tried here in doubles.
  @Test("G14 corner of a convex box") func cornerOfAConvexBox() throws {
    let job: JSON = [
      "dataset": ["name": "diabetes", "validation": 0.2, "limit": 150], "seed": 4,
      "model": ["layers": [["type": "linear", "out": 1]]], "optimizer": ["type": "adam", "lr": 1],
      "train": ["epochs": 20],
    ]
    let run = try finished(job)
    let bytes = try #require(run.latest?.bytes)
    let epsilon = 0.01
    func measured(_ steps: Int, _ seed: UInt64 = 0) throws -> Sharpness {
      try Sharpness.measure(
        spec: JobSpec.decode(job), catalog: .builtin, checkpoint: ByteSource(bytes), epsilon: epsilon,
        steps: steps,
        starts: 3, limit: 1000, seed: seed)
    }
    let plan = try plan(job)
    let (part, scaling) = (plan.split.train, Standardization(plan.split.train))
    let tensors = try Checkpoint.evaluatedModel(of: Safetensors(bytes))
    let weights = try ["0.weight", "0.bias"].flatMap { name in
      try #require(tensors.first { $0.name == name }).values.map(Double.init)
    }
    let inputs = part.rows.map { row in
      (0..<10).map { column in
        Double(
          (part.examples.features[Int(row) * 10 + column] - scaling.mean[column]) * scaling.scale[column])
      } + [1]
    }
    let targets = part.rows.map { Double(part.examples.targets[Int($0)]) }
    func loss(_ place: [Double]) -> Double {
      zip(inputs, targets).reduce(0) { sum, example in
        let output = zip(example.0, place).reduce(0) { $0 + $1.0 * $1.1 }
        return sum + (output - example.1) * (output - example.1)
      } / Double(targets.count)
    }
    let corners = (0..<1 << 11).map { corner in
      loss(weights.enumerated().map { $1 + ((corner >> $0) & 1 == 1 ? 1 : -1) * epsilon * (abs($1) + 1) })
    }
    let found = try measured(10)
    let largest = try #require(corners.max())
    #expect(found.examples == part.count && abs(found.loss / loss(weights) - 1) < 1e-5)
    #expect(abs(found.maximum / largest - 1) < 1e-5)
    #expect(abs(found.sharpness - 100 * (largest - found.loss) / (1 + found.loss)) < 1e-2 * found.sharpness)
    #expect(try measured(10) == found)
  }

  /// A wider box holds a larger loss; dropout and noise have no part in it.
  @Test("G14 wider boxes are higher") func widerBoxesAreHigher() throws {
    let run = try finished(dropoutJob)
    let bytes = try #require(run.latest?.bytes)
    let found = try [1e-4, 1e-3, 1e-2].map { epsilon in
      try Sharpness.measure(
        spec: JobSpec.decode(dropoutJob), catalog: .builtin, checkpoint: ByteSource(bytes), epsilon: epsilon,
        steps: 8,
        starts: 2, limit: 500, seed: 1)
    }
    #expect(found[0].loss == found[1].loss && found[0].sharpness > 0)
    #expect(found[0].maximum < found[1].maximum && found[1].maximum < found[2].maximum)
  }
}
