import JSON
import Testing

@testable import Training

/// One wrong job: what is changed, the field that must be named, and part of what must be said.
struct WrongJob: Sendable, CustomTestStringConvertible {
  let path: String
  let value: JSON
  let field: String
  let says: String

  init(_ path: String, _ value: JSON, _ field: String? = nil, says: String) {
    self.path = path
    self.value = value
    self.field = field ?? path
    self.says = says
  }

  var testDescription: String { "\(path) = \(value.text)" }
}

@Suite struct JobSpecTests {
  static let wrong: [WrongJob] = [
    WrongJob("optimizer.lr", -1, says: "optimizer.lr must be > 0, got -1"),
    WrongJob("optimizer.lr", 0, says: "must be > 0, got 0"),
    WrongJob("optimizer.lr", "NaN", says: "optimizer.lr must be a number, got \"NaN\""),
    WrongJob("optimizer.lr", "Infinity", says: "must be a number"),
    WrongJob("optimizer.lr", nil, says: "must be left out or given a value"),
    WrongJob("optimizer.lr", [0.1], says: "must be a number, got [0.1]"),
    WrongJob("optimizer.type", "lbfgs", says: "must be one of \"sgd\", \"nag\", \"adagrad\""),
    WrongJob("optimizer.decay_exempt", ["biases"], says: "must be a list of some of \"bias\", \"norm\""),
    WrongJob("optimizer", ["lr": 1], "optimizer.type", says: "optimizer.type is required"),
    WrongJob("optimizer", nil, says: "optimizer is required"),
    WrongJob("optimizer", "adam", says: "must be an object, got \"adam\""),
    WrongJob(
      "optimizer.momentun", 0.9,
      says: "is not a field of sgd, whose fields are decay_exempt, type, lr, momentum"),
    WrongJob("optimizer.momentum", -0.1, says: ">= 0"),
    WrongJob("optimizer.nesterov", true, says: "unless momentum is > 0"),
    WrongJob("optimizer.nesterov", 1, says: "must be true or false, got 1"),
    WrongJob(
      "optimizer", ["type": "adam", "betas": [0.9, 1]], "optimizer.betas.1", says: "1 excluded, got 1"),
    WrongJob(
      "optimizer", ["type": "adam", "betas": [0.9]], "optimizer.betas", says: "a list of two numbers"),
    WrongJob("optimizer", ["type": "adam", "eps": -1e-8], "optimizer.eps", says: ">= 0"),
    WrongJob(
      "optimizer", ["type": "lion", "amsgrad": true], "optimizer.amsgrad", says: "is not a field of lion"),
    WrongJob(
      "model.layers.0.out", "ten",
      says: "model.layers.0.out must be an integer from 1 to 65536, got \"ten\""),
    WrongJob("model.layers.0.out", 0, says: "from 1 to 65536, got 0"),
    WrongJob("model.layers.0.out", 1.5, says: "must be an integer"),
    WrongJob("model.layers.0.out", 65537, says: "from 1 to 65536"),
    WrongJob("model.layers.0.out", 1e300, says: "from 1 to 65536"),
    WrongJob("model.layers.0.units", 3, says: "is not a field of linear"),
    WrongJob("model.layers.0", ["type": "linear"], "model.layers.0.out", says: "is required"),
    WrongJob("model.layers.0", ["type": "conv9d"], "model.layers.0.type", says: "\"linear\", \"relu\""),
    WrongJob("model.layers.0", 7, says: "must be an object, got 7"),
    WrongJob(
      "model.layers.0.init", ["type": "glorot"], "model.layers.0.init.type", says: "xavier_uniform"),
    WrongJob("model.layers.0.init", ["type": "constant"], "model.layers.0.init.val", says: "is required"),
    WrongJob(
      "model.layers.0.init", ["type": "uniform", "a": 2], "model.layers.0.init.b", says: "at least a"),
    WrongJob("model.layers.1", ["type": "dropout", "p": 1], "model.layers.1.p", says: "1 excluded"),
    WrongJob(
      "model.layers.1", ["type": "relu", "slope": 1], "model.layers.1.slope", says: "not a field of relu"),
    WrongJob("model.layers", [], says: "a list of 1 to 1000 objects"),
    WrongJob("model", [:], "model.layers", says: "or model.preset must be given"),
    WrongJob("model.preset", "mlp", "model.layers", says: "one of the two"),
    WrongJob("model", ["preset": "vgg"], "model.preset", says: "must be one of \"mlp\""),
    WrongJob("model", ["preset": "mlp"], "model.hidden", says: "is required"),
    WrongJob(
      "model", ["preset": "mlp", "hidden": [8, 0]], "model.hidden.1", says: "from 1 to 65536, got 0"),
    WrongJob("dataset", "iris", says: "must be an object"),
    WrongJob("optimizer", ["type": "sgd", "": 1], "optimizer.\"\"", says: "\"\" is not a field of sgd"),
    WrongJob("dataset.name", "mnist", says: "there is no such data set; there are digits, iris"),
    WrongJob("dataset", [:], "dataset.name", says: "is required"),
    WrongJob("dataset.validation", 1, says: "from 0 to 1, 1 excluded, got 1"),
    WrongJob("dataset.validation", "test", says: "has no test split of its own"),
    WrongJob("dataset.validation", "half", says: "a fraction or \"test\""),
    WrongJob("dataset.test", 0.9, says: "leaves examples to train on"),
    WrongJob("dataset.limit", 0, says: "from 1"),
    WrongJob(
      "dataset", ["name": "iris", "folds": 3, "fold": 3], "dataset.fold",
      says: "below dataset.folds, which is 3"),
    WrongJob("dataset.fold", 1, "dataset.folds", says: "given where dataset.fold is"),
    WrongJob(
      "dataset", ["name": "iris", "folds": 3, "validation": 0.1], "dataset.validation", says: "left out"),

    WrongJob("dataset.standardize", "yes", says: "true or false"),
    WrongJob("loss", ["type": "hinge"], "loss.type", says: "\"cross_entropy\", \"mse\""),
    WrongJob(
      "loss", ["type": "cross_entropy", "label_smoothing": 2], "loss.label_smoothing", says: "from 0 to 1"),
    WrongJob("schedule", ["type": "warp"], "schedule.type", says: "\"constant\", \"step\", \"multi_step\""),
    WrongJob(
      "schedule", ["type": "multi_step", "milestones": [3, -1]], "schedule.milestones.1", says: "from 0 to"),
    WrongJob("schedule", ["type": "plateau", "factor": 1], "schedule.factor", says: "1 excluded, got 1"),
    WrongJob(
      "schedule", ["type": "plateau", "metric": "test/loss"], "schedule.metric", says: "\"train/loss\""),
    WrongJob(
      "schedule", ["type": "linear", "start_factor": 0], "schedule.start_factor", says: "0 excluded, got 0"),
    WrongJob("model.layers.0.unfreeze_at", 2.5, says: "a fraction of all steps below 1, or a whole number"),
    WrongJob(
      "model.layers.0", ["type": "linear", "out": 3, "freeze": false, "unfreeze_at": 3],
      "model.layers.0.freeze", says: "true or left out"),
    WrongJob("model.layers.0.lr_scale", -1, says: ">= 0, got -1"),
    WrongJob("model.init_from", ["checkpoint": "best"], "model.init_from.run_id", says: "is required"),
    WrongJob(
      "model.init_from", ["run_id": "a", "checkpoint": "newest"], "model.init_from.checkpoint",
      says: "a step, latest or best"),
    WrongJob(
      "model.init_from", ["run_id": "a", "skip": "9.*"], "model.init_from.skip", says: "a list of names"),
    WrongJob("loss.l2", -0.5, says: ">= 0, got -0.5"),
    WrongJob("train.early_stopping.patience", -1, says: "from 0"),
    WrongJob("train.early_stopping.wait", 1, says: "is not a field of early_stopping"),
    WrongJob("train.replicas", 33, says: "at most train.batch_size, which is 32"),
    WrongJob("train.stages", 0, says: "from 1"),
    WrongJob("train.micro_batches", 33, says: "at most train.batch_size, which is 32, got 33"),
    WrongJob(
      "train", ["replicas": 4, "micro_batches": 9], "train.micro_batches",
      says: "at most train.batch_size / train.replicas, which is 8, got 9"),
    WrongJob("train.scale_lr_with_batch", ["base": 0], "train.scale_lr_with_batch.base", says: "from 1"),
    WrongJob("average", ["type": "swa", "start": 1.5], "average.start", says: "a fraction of all steps"),
    WrongJob("average", ["type": "snapshots"], "average.every", says: "cosine_restarts or cyclic"),
    WrongJob("schedule", ["type": "step"], "schedule.step_size", says: "is required"),
    WrongJob("schedule", ["type": "step", "step_size": 0], "schedule.step_size", says: "from 1"),
    WrongJob("schedule", ["type": "cosine", "t_max": -5], "schedule.t_max", says: "from 1"),
    WrongJob("schedule", ["warmup": 1.5], "schedule.warmup", says: "whole number of steps"),
    WrongJob("schedule", ["warmup": -1], "schedule.warmup", says: ">= 0"),
    WrongJob("train.epochs", 0, says: "from 1 to 1000000"),
    WrongJob("train.batch_size", -32, says: "from 1"),
    WrongJob("train.batch_size", 9_000_000_000_000_000_000 as JSON, says: "from 1"),
    WrongJob("train", ["epochs": 1, "steps": 1], "train.steps", says: "left out when train.epochs is given"),
    WrongJob("train.clip_grad_norm", 0, says: "> 0"),
    WrongJob(
      "train.evaluate_every", ["epochs": 1, "steps": 1], "train.evaluate_every.steps", says: "left out"),
    WrongJob("train.evaluate_every", ["minutes": 1], "train.evaluate_every.minutes", says: "is not a field"),
    WrongJob("train.accumulate", 0, says: "from 1 to 4096, got 0"),
    WrongJob("checkpoint.keep_last", 0, says: "from 1"),
    WrongJob("checkpoint.metric", "train/loss", says: "\"val/loss\", \"val/accuracy\""),
    WrongJob("checkpoint.mode", "most", says: "\"min\", \"max\""),
    WrongJob(
      "checkpoint", ["every_epochs": 1, "every_steps": 5], "checkpoint.every_steps", says: "left out"),
    WrongJob("augment", ["type": "rotate"], says: "a list of 0 to 32 objects"),
    WrongJob("average", ["type": "ema", "decay": 1.5], "average.decay", says: "from 0 to 1, got 1.5"),
    WrongJob("seed", -1, says: "from 0 to 9007199254740992"),
    WrongJob("seed", 9_007_199_254_740_993, says: "from 0 to 9007199254740992"),
    WrongJob("name", "", says: "1 to 250 characters"),
    WrongJob("name", "a\nb", says: "without control characters"),
    WrongJob("tags", ["a": 1], "tags.a", says: "must be a string"),
    WrongJob("tags", [], says: "an object of at most 100 strings"),
    WrongJob("priority", "high", says: "must be an integer"),
  ]

  /// As in PyTorch: SGD without momentum gets one, Adagrad has none to move.
  @Test func aScheduleMovesTheMomentumThereIs() throws {
    let cycle: JSON = ["type": "one_cycle", "cycle_momentum": true]
    #expect(try JobSpec.decode(job([("schedule", cycle)])).optimizer.method.momentum == 0.95)
    let error = #expect(throws: SpecError.self) {
      try JobSpec.decode(job([("schedule", cycle), ("optimizer", ["type": "adagrad"])]))
    }
    #expect(error?.field == "schedule.cycle_momentum" && error?.message.contains("no momentum") == true)
  }

  @Test(arguments: wrong) func faultNamesItsField(_ wrong: WrongJob) {
    do {
      _ = try JobSpec.decode(job([(wrong.path, wrong.value)]))
      Issue.record("was accepted")
    } catch {
      #expect(error.field == wrong.field)
      #expect(error.message.hasPrefix(wrong.field))
      #expect(error.message.contains(wrong.says), "\(error.message)")
    }
  }

  @Test func notAnObject() {
    #expect(throws: SpecError(field: "", message: "the job must be an object, got [1]")) {
      try JobSpec.decode([1])
    }
  }

  @Test func everyDefaultIsFilledIn() throws {
    let text = try JobSpec.decode(job([("optimizer", ["type": "adam"])])).encode().text
    let expected = """
      {"experiment":"Default","name":"iris","seed":0,"tags":{},"priority":0,\
      "dataset":{"name":"iris","validation":0.1,"test":0.0,"limit":null,"standardize":true,"shuffle":true,\
      "bootstrap":false,"folds":null,"split_seed":null,"boost_after":[]},"augment":[],\
      "model":{"layers":[{"type":"linear","out":3,"bias":true,"init":{"type":"default"},\
      "freeze":false,"unfreeze_at":null,"lr_scale":1.0}],"freeze":[],"init_from":null},\
      "loss":{"type":"cross_entropy","label_smoothing":0.0,"class_weights":null,"l1":0.0,"l2":0.0},\
      "optimizer":{"type":"adam","lr":0.001,"betas":[0.9,0.999],"eps":1e-08,"weight_decay":0.0,"amsgrad":false,"bias_correction":true,"eps_inside_sqrt":false,"decay_exempt":[]},\
      "schedule":{"type":"constant","factor":1.0,"total_iters":5,"warmup":0.0},\
      "train":{"epochs":10,"steps":null,"batch_size":32,"drop_last":false,\
      "accumulate":1,"replicas":1,"stages":1,"micro_batches":1,"scale_lr_with_batch":null,"clip_grad_norm":null,\
      "clip_grad_value":null,"early_stopping":null,"unfreeze_at":null,"threads":null,"log_every":1,"evaluate_every":{"epochs":1}},\
      "checkpoint":{"every_epochs":1,"every_steps":null,"keep_last":2,"keep_best":1,\
      "metric":"val/loss","mode":"min"},"average":null}
      """
    #expect(text == expected)
  }

  /// The schema names every method and field that encoding shows, with the same defaults.
  @Test func schemaIsWhatIsRead() throws {
    let schema = JobSpec.schema
    let optimizers = try #require(schema["properties"]?["optimizer"]?["oneOf"]?.arrayValue)
    let types = optimizers.compactMap { $0["properties"]?["type"]?["const"]?.stringValue }
    #expect(types.count == 11 && types.contains("lion"))
    let adam = try #require(optimizers.first { $0["properties"]?["type"]?["const"] == "adam" }?["properties"])
    for (name, value) in try JobSpec.decode(job([("optimizer", ["type": "adam"])])).encode()["optimizer"]?
      .objectValue?.entries ?? [] where name != "type"
    {
      #expect(adam[name]?["default"] == value, "\(name)")
    }
    let train = try #require(schema["properties"]?["train"]?["properties"])
    #expect(train["early_stopping"]?["properties"]?["patience"]?["default"] == 3)
    #expect(train["batch_size"] == ["type": "integer", "minimum": 1, "maximum": 1_048_576, "default": 32])
    let schedules = try #require(schema["properties"]?["schedule"]?["oneOf"]?.arrayValue)
    #expect(
      schedules.count == 12
        && schedules.allSatisfy { $0["properties"]?["warmup"]?["default"]?.doubleValue == 0 })
    let encoded = try JobSpec.decode(job()).encode()
    for part in ["dataset", "train", "checkpoint"] {
      let known = schema["properties"]?[part]?["properties"]
      for (name, _) in encoded[part]?.objectValue?.entries ?? [] {
        #expect(known?[name] != nil, "\(part).\(name)")
      }
    }
  }

  @Test func defaultsFollowTheData() throws {
    let digits = try JobSpec.decode(job([("dataset.name", "digits")])).encode()
    #expect(digits["dataset"]?["standardize"] == false)
    let diabetes = try JobSpec.decode(job([("dataset.name", "diabetes")])).encode()
    #expect(diabetes["loss"]?["type"] == "mse")
    let accuracy = try JobSpec.decode(job([("checkpoint.metric", "val/accuracy")])).encode()
    #expect(accuracy["checkpoint"]?["mode"] == "max")
  }

  /// A thousand random jobs: decoding what encoding gives is the same job, also through text.
  @Test func roundTrip() throws {
    let random = RandomStream(seed: 7, .dataset)
    for trial in 0..<1000 {
      func pick<Value>(_ element: Int, _ values: [Value]) -> Value {
        values[Int(random.uniform(trial, element) * Double(values.count))]
      }
      func number(_ element: Int) -> JSON { .number(random.uniform(trial, element)) }
      let layers: [JSON] = (0..<pick(0, [1, 2, 5])).map { index in
        pick(
          100 + index,
          [
            [
              "type": "linear", "out": 7, "bias": false,
              "init": ["type": "kaiming_normal", "mode": "fan_out"],
            ],
            ["type": "linear", "out": 9, "init": ["type": "constant", "val": number(200 + index)]],
            ["type": "relu"], ["type": "tanh"], ["type": "flatten"],
            ["type": "dropout", "p": number(300 + index)],
          ])
      }
      let changes: [(String, JSON)] = [
        ("experiment", "é \"x\""), ("name", "n"), ("seed", JSON(Int(random.uniform(trial, 1) * 1e15))),
        ("tags", ["a": "b", "c": ""]), ("priority", pick(2, [-3, 0, 4])),
        ("dataset.validation", number(3)), ("dataset.limit", pick(4, [nil, 50])),
        ("dataset.shuffle", pick(5, [true, false])),
        (
          "model",
          pick(6, [["layers": .array(layers)], ["preset": "mlp", "hidden": [3, 4], "activation": "tanh"]])
        ),
        (
          "optimizer",
          pick(
            7,
            [
              ["type": "adam", "lr": number(8), "betas": [number(9), 0]],
              ["type": "sgd", "lr": 1, "momentum": number(10), "nesterov": true],
            ])
        ),
        (
          "schedule",
          pick(
            11,
            [
              ["warmup": number(12)], ["type": "step", "step_size": 3, "gamma": number(13), "warmup": 7],
              ["type": "cosine", "t_max": pick(14, [nil, 12])],
            ])
        ),
        ("train", pick(15, [["steps": 12], ["epochs": 3, "evaluate_every": ["steps": 4], "threads": 2]])),
        ("train.clip_grad_norm", pick(16, [nil, number(17)])),
        ("checkpoint", pick(18, [["every_steps": 0], ["metric": "val/accuracy", "keep_best": 0]])),
      ]
      let spec = try JobSpec.decode(job(changes))
      #expect(try JobSpec.decode(spec.encode()) == spec)
      #expect(try JobSpec.decode(JSON.parse(spec.encode().text)) == spec)
      #expect(try JobSpec.decode(spec.encode()).encode().text == spec.encode().text)
    }
  }

  @Test func leavesArePaths() throws {
    let spec = try JobSpec.decode(
      job([("tags", ["why": "x"]), ("optimizer", ["type": "adam", "lr": 0.001])]))
    let leaves = Dictionary(uniqueKeysWithValues: spec.leaves.map { ($0.path, $0.value) })
    #expect(leaves["optimizer.lr"] == "0.001")
    #expect(leaves["optimizer.betas.1"] == "0.999")
    #expect(leaves["model.layers.0.type"] == "linear")
    #expect(leaves["model.layers.0.out"] == "3")
    #expect(leaves["dataset.standardize"] == "true")
    #expect(leaves["train.clip_grad_norm"] == nil)
    #expect(leaves.keys.allSatisfy { !$0.hasPrefix("tags") })
  }
}
