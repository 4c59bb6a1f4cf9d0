// Masked language models and texts with labels: what is hidden, what counts, what a pre-trained body is good for.

import Glibc
import JSON
import Testing

@testable import Autodiff
@testable import Training

/// A folder of uploaded sets that is gone with the test.
final class TemporaryLibrary {
  let path: String
  let library: DatasetLibrary

  init() throws {
    var template = Array("/tmp/cairn-test-XXXXXX".utf8CString)
    let made = template.withUnsafeMutableBufferPointer { buffer in
      buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
    }
    path = try #require(made)
    library = try DatasetLibrary(folder: path)
  }

  deinit {
    for name in DatasetLibrary.entries(path) { unlink("\(path)/\(name)") }
    rmdir(path)
  }

  /// Uploads one file.
  func add(
    _ name: String, _ format: UploadFormat, _ text: String, label: String? = nil, task: DatasetTask? = nil
  )
    throws -> DatasetInfo
  {
    let file = library.temporaryPath()
    defer { unlink(file) }
    var writer = try FileWriter(file)
    try writer.write(Array(text.utf8))
    try writer.finish()
    return try library.add(name, format, files: [file], TableOptions(label: label, task: task))
  }
}

@Suite struct MaskedTests {
  static let masking = TokenMasking(p: 0.15, seed: 5, ordinary: 50, mask: 52, padding: 50)

  /// One example of tokens 3, 4, 5, ... with padding behind, and what is left of it.
  static func masked(
    _ length: Int, width: Int = 40, row: Int, epoch: Int?, _ masking: TokenMasking = masking
  ) -> (before: [Float], after: [Float], labels: [Int32]) {
    let before = (0..<width).map { $0 < length ? Float(3 + $0) : 50 }
    var (after, labels) = (before, [Int32](repeating: 7, count: width))
    after.withUnsafeMutableBufferPointer { tokens in
      labels.withUnsafeMutableBufferPointer { labels in
        if let a = tokens.baseAddress, let b = labels.baseAddress {
          masking.apply(a, b, width: width, row: Int32(row), epoch: epoch)
        }
      }
    }
    return (before, after, labels)
  }

  /// Of the hidden tokens 80 % become the mask, 10 % another token, 10 % stay; each place is as likely, padding never.
  @Test("T4 masking is BERT's") func moments() {
    var (hidden, masks, random, kept) = (0, 0, 0, 0)
    var places = [Int](repeating: 0, count: 40)
    var drawn = Set<Float>()
    for row in 0..<4000 {
      let (before, after, labels) = Self.masked(30, row: row, epoch: 2)
      #expect(labels.count { $0 != TokenMasking.ignored } == 5, "15 % of 30, rounded")
      for place in 0..<40 where labels[place] != TokenMasking.ignored {
        #expect(labels[place] == Int32(before[place]) && place < 30)
        hidden += 1
        places[place] += 1
        if after[place] == 52 {
          masks += 1
        } else if after[place] == before[place] {
          kept += 1
        } else {
          random += 1
          drawn.insert(after[place])
        }
      }
      for place in 0..<40 where labels[place] == TokenMasking.ignored {
        #expect(after[place] == before[place])
      }
    }
    #expect(hidden == 20_000)
    #expect(abs(masks - 16_000) < 250 && abs(kept - 2040) < 200 && abs(random - 1960) < 200)
    #expect(places[..<30].allSatisfy { abs($0 - 667) < 110 } && places[30...].allSatisfy { $0 == 0 })
    #expect(drawn.count == 50 && drawn.allSatisfy { $0 >= 0 && $0 < 50 })
    let one = Self.masked(1, row: 0, epoch: 0)
    #expect(one.labels.count { $0 != TokenMasking.ignored } == 1, "at least one")
    let all = TokenMasking(p: 1, seed: 5, ordinary: 50, mask: 52, padding: 50)
    #expect(Self.masked(30, row: 0, epoch: 0, all).labels.count { $0 != TokenMasking.ignored } == 30)
  }

  @Test("T4 masking follows seed, epoch and example") func deterministic() {
    func all(_ epoch: Int?, seed: UInt64 = 5) -> [[Int32]] {
      let masking = TokenMasking(p: 0.15, seed: seed, ordinary: 50, mask: 52, padding: 50)
      return (0..<20).map { Self.masked(30, row: $0, epoch: epoch, masking).labels }
    }
    #expect(all(3) == all(3) && all(nil) == all(nil))
    #expect(all(3) != all(4) && all(0) != all(nil) && all(3, seed: 6) != all(3) && Set(all(3)).count > 15)
  }

  static func verseJob(_ changes: [(path: String, value: JSON)] = []) -> JSON {
    TextTests.job(
      [
        ("model.preset", "transformer_encoder"), ("model.dropout", 0),
        ("loss", ["type": "masked_lm", "p": 0.2]),
        ("optimizer.lr", 0.01),
      ] + changes)
  }

  static func finished(_ plan: JobPlan) throws -> MemoryRecorder {
    let recorder = MemoryRecorder()
    #expect(try Trainer(plan: plan).run(recorder: recorder, control: RunControl()) == .finished)
    return recorder
  }

  /// Hidden letters are told from those around them, and their loss begins at log V.
  @Test("T4 a masked language model learns running text") func learns() throws {
    let plan = try textPlan(Self.verseJob([("train", ["epochs": 150, "batch_size": 8]), ("model.dim", 32)]))
    #expect(
      plan.dataset.classes.last == "[MASK]"
        && plan.architecture.parameters[0].shape[0] == plan.dataset.outputs)
    let run = try Self.finished(plan)
    let (losses, accuracy) = (run.values("train/loss"), run.values("train/accuracy"))
    #expect(abs(losses[0] - ExactMath.log(Double(plan.dataset.outputs))) < 1)
    func mean(_ values: ArraySlice<Double>) -> Double { values.reduce(0, +) / Double(values.count) }
    #expect(mean(losses.suffix(20)) < 0.7 * losses[0] && mean(accuracy.suffix(20)) > 0.25)
    #expect(try #require(run.values("val/accuracy").last) > 0.25)
  }

  /// Threads and interruptions change nothing: what is hidden follows from the step's examples.
  @Test("T4 masked runs repeat to the bit") func sameBits() throws {
    let plan = try textPlan(Self.verseJob())
    let whole = try Self.finished(plan)
    let recorder = MemoryRecorder()
    var outcome = TrainingOutcome.paused
    for attempt in 0..<50 where outcome != .finished {
      let control = RunControl()
      let last = (recorder.latest?.step ?? 0) + [1, 0, 3][attempt % 3]
      recorder.onStep = { if $0 == last { control.request(.pause) } }
      outcome = try Trainer(plan: plan).run(
        from: recorder.latest?.bytes, recorder: recorder, control: control, threads: 2)
    }
    #expect(outcome == .finished && recorder.bits == whole.bits)
    #expect(recorder.latest?.bytes == whole.latest?.bytes)
  }

  /// However an update is cut, its loss is the mean over all hidden tokens; the same for classes that weigh differently.
  @Test("O10 parts count by their weights") func weightedParts() throws {
    let texts = try TemporaryLibrary()
    _ = try texts.add("mail", .csv, Self.mail, label: "kind")
    let catalog = DatasetCatalog.builtin(with: texts.library)
    func run(_ changes: [(String, JSON)], _ job: JSON) throws -> MemoryRecorder {
      let job = changes.reduce(job) { replacing($0, $1.0.split(separator: ".").map(String.init)[...], $1.1) }
      return try Self.finished(JobPlan.make(JobSpec.decode(job, catalog: catalog), catalog: catalog))
    }
    let weights: JSON = [1, 5, 0.5, 1, 1, 3, 1, 1, 0.2, 1]
    let jobs = [
      Self.mailJob([("loss", ["type": "masked_lm"]), ("train", ["steps": 6, "batch_size": 16])]),
      CourseTests.small([("loss.class_weights", weights), ("train.batch_size", 16)]),
    ]
    for job in jobs {
      let whole = try run([], job)
      for parts in [
        [("train.batch_size", 4), ("train.accumulate", 4)], [("train.replicas", 3)],
      ] as [[(String, JSON)]] {
        let cut = try run(parts, job)
        for key in ["train/loss", "train/accuracy", "grad_norm", "val/loss"] {
          #expect(CourseTests.distance(cut.values(key), whole.values(key)) < 2e-5, "\(key)")
        }
      }
    }
  }

  /// Messages of two kinds, each with one of the kind's own words among common ones.
  static let mail: String = {
    let common = ["the", "day", "is", "long", "and", "we", "go", "out", "to", "see", "it", "all", "now"]
    let own = [["meeting", "agenda", "report"], ["prize", "winner", "claim"]]
    var lines = ["kind,message"]
    for index in 0..<240 {
      let kind = index % 3 == 0 ? 1 : 0
      var words = (0..<6 + index % 5).map { common[(index * 7 + $0 * $0 * 3 + $0 * index) % common.count] }
      words.insert(own[kind][index / 3 % 3], at: index % words.count)
      lines.append("\(["work", "junk"][kind]),\"\(words.joined(separator: " "))\"")
    }
    return lines.joined(separator: "\n") + "\n"
  }()

  static func mailJob(_ changes: [(String, JSON)] = []) -> JSON {
    changes.reduce(
      [
        "dataset": ["name": "mail", "context": 12, "tokenizer": "word", "validation": 0.25], "seed": 2,
        "model": ["preset": "transformer_encoder", "layers": 1, "dim": 16, "heads": 2],
        "optimizer": ["type": "adam", "lr": 0.01], "train": ["epochs": 8, "batch_size": 16],
      ] as JSON
    ) { replacing($0, $1.0.split(separator: ".").map(String.init)[...], $1.1) }
  }

  @Test("T4 texts with labels are a data set") func documents() throws {
    let texts = try TemporaryLibrary()
    let info = try texts.add("mail", .text, Self.mail, label: "kind")
    #expect(info.kind == .text && info.hasLabels && info.examples == 240 && info.classes == ["junk", "work"])
    let dataset = try texts.library.load("mail")
    #expect(dataset.documents?[0].contains("prize") == true && dataset.pool.labels[..<4] == [0, 1, 1, 0])
    let report = QualityReport(dataset)
    #expect(
      report.classBalance.map(\.examples) == [80, 160] && report.missing == 0 && report.ranges[0].min > 10)
    let catalog = DatasetCatalog.builtin(with: texts.library)
    let plan = try JobPlan.make(JobSpec.decode(Self.mailJob(), catalog: catalog), catalog: catalog)
    let tokenizer = try #require(plan.dataset.tokenizer)
    #expect(
      tokenizer.vocabulary.suffix(3) == ["[PAD]", "[UNK]", "[MASK]"]
        && tokenizer.vocabulary.contains(" prize"))
    let row = tokenizer.row("the prize zzz", context: 5)
    #expect(row.count == 5 && row[2] == tokenizer.number(.unknown) && row[4] == tokenizer.number(.padding))
    #expect(tokenizer.row("", context: 2) == [tokenizer.number(.unknown), tokenizer.number(.padding)])
    #expect(plan.architecture.outputs == 2 && plan.layers.map(\.outputShape).last == [2])
    #expect(plan.split.validation?.count == 60)
    let labels = plan.split.validation?.rows.map { plan.dataset.pool.labels[Int($0)] } ?? []
    #expect(labels.count { $0 == 0 } == 20, "stratified")
    let run = try Self.finished(plan)
    #expect(try #require(run.values("val/accuracy").last) > 0.95)
    let ten = try JobPlan.make(
      JobSpec.decode(replacing(Self.mailJob(), ["dataset", "vocabulary"], 10), catalog: catalog),
      catalog: catalog)
    #expect(
      ten.dataset.tokenizer?.vocabulary.count == 13 && ten.architecture.parameters[0].shape == [13, 16])
    // The last part of the texts, in the order of the file, is the first to go with a limit.
    let few = try JobPlan.make(
      JobSpec.decode(replacing(Self.mailJob(), ["dataset", "limit"], 100), catalog: catalog), catalog: catalog
    )
    #expect(few.split.train.count == 75 && few.dataset.tokenizer?.vocabulary == tokenizer.vocabulary)
    // A body pre-trained on the texts alone fits under the new head, tensor by tensor.
    let masked = replacing(Self.mailJob(), ["loss"], ["type": "masked_lm"])
    let pretraining = try JobPlan.make(JobSpec.decode(masked, catalog: catalog), catalog: catalog)
    #expect(pretraining.split.train.rows == plan.split.train.rows, "what is held out there is held out here")
    let pretrained = try #require(try Self.finished(pretraining).latest).bytes
    let tuned = try TransferTests.run(
      replacing(Self.mailJob(), ["model", "init_from", "skip"], ["4.*", "5.*"]), from: pretrained,
      catalog: catalog)
    #expect(try #require(tuned.values("val/accuracy").last) > 0.95)
  }

  @Test("T4 a table of texts is found in a CSV file") func inference() throws {
    let texts = try TemporaryLibrary()
    let swapped =
      "message,kind\nhello out there,a\n\"two, words\",b\nword,a\n645,b\nthree more words,a\nlast one,b\n"
    let info = try texts.add("swapped", .csv, swapped)
    #expect(info.hasLabels && info.examples == 6 && info.classes == ["a", "b"])
    #expect(try texts.library.load("swapped").documents?[1] == "two, words")
    #expect(try texts.add("table", .csv, "x,kind\n1,a\n2,b\n3,a\n").kind == .tabular)
    for (text, label, says) in [
      ("x,kind\nred,a\nblue,b\n", nil, "line 2: column \"x\" holds \"red\" where a number is needed"),
      ("a,b\nsome words,x\nother words\n", "b", "line 3: 1 fields, where the first line has 2"),
      ("a,b\nsome words,x\nother words,\n", "b", "line 3: the label is missing (column \"b\")"),
      ("a,b\nsome words,x\nother words,x\n", "b", "column \"b\" has one class only"),
      ("a,b\nsome words,x\nother words,y\n", "c", "label must be one of the columns a, b; got \"c\""),
      ("a,b,c\nsome words,x,1\n", "b", "line 1: 3 columns"), ("a,b\n", "b", "line 2: no rows"),
      ("", "b", "line 1: the file is empty"), ("a,b\n\"some words,x\n", "b", "line 2: a quote is opened"),
    ] as [(String, String?, String)] {
      let error = #expect(throws: ImportError.self) {
        try texts.add("bad", label == nil ? .csv : .text, text, label: label)
      }
      #expect(
        error.map { "\($0)".replacing("\\", with: "").contains(says) } == true,
        "\(says): \(error.map { "\($0)" } ?? "")")
    }
    #expect(texts.library.list.map(\.name) == ["swapped", "table"])
    #expect(DatasetLibrary.entries(texts.path).count == 4, "nothing is left of what was refused")
  }

  @Test("T4 the recipe fills in what is not said") func recipe() throws {
    func spec(_ changes: [(String, JSON)]) throws -> JobSpec {
      var job = Self.verseJob([("loss", ["type": "masked_lm"])]).objectValue ?? [:]
      job["optimizer"] = nil
      job["train"] = nil
      job["preset"] = "fine_tune"
      let changed = changes.reduce(JSON.object(job)) {
        replacing($0, $1.0.split(separator: ".").map(String.init)[...], $1.1)
      }
      return try JobSpec.decode(changed, catalog: verse)
    }
    let full = try spec([])
    let json = full.encode()
    #expect(json["optimizer"]?["type"] == "adam" && json["optimizer"]?["lr"]?.doubleValue == 2e-5)
    #expect(json["optimizer"]?["bias_correction"] == true && json["train"]?["epochs"] == 20)
    #expect(json["preset"] == "fine_tune" && json["schedule"]?["warmup"]?.doubleValue == 0.1)
    let rates = (0..<100).map { full.schedule.rate($0, base: 2e-5, total: 100) }
    #expect(abs(rates[0] - 2e-6) < 1e-12 && abs(rates[9] - 2e-5) < 1e-12 && abs(rates[10] - 2e-5) < 1e-12)
    #expect(abs(rates[55] - 1e-5) < 1e-12 && rates[99] > 0 && rates[99] < 3e-7)
    #expect(try JobSpec.decode(json, catalog: verse) == full)
    #expect(try spec([("optimizer.lr", 1e-3)]).optimizer.learningRate == 1e-3)
    #expect(try spec([("train.steps", 7)]).train.length == .steps(7))
    #expect(try spec([("optimizer", ["type": "sgd", "lr": 0.1])]).optimizer.encoded["momentum"] != nil)
    let error = #expect(throws: SpecError.self) { try spec([("preset", "fast")]) }
    #expect(error?.field == "preset" && error?.message.contains("\"fine_tune\"") == true)
  }

  @Test("T4 faults are named") func faults() throws {
    for (job, field, says) in [
      (CourseTests.small([("loss", ["type": "masked_lm"])]), "loss.type", "is for text"),
      (Self.verseJob([("loss", ["type": "masked_lm", "p": 0])]), "loss.p", "0 excluded"),
      (Self.verseJob([("loss", ["type": "masked_lm", "p": 1.5])]), "loss.p", "got 1.5"),
      (Self.verseJob([("loss", ["type": "masked_lm", "q": 1])]), "loss.q", "is not a field"),
      (Self.verseJob([("dataset.vocabulary", 10)]), "dataset.vocabulary", "left out for running text"),
      (Self.verseJob([("augment", [["type": "mixup"]])]), "augment.0.type", "is not for text"),
    ] as [(JSON, String, String)] {
      let error = #expect(throws: SpecError.self) { try textPlan(job) }
      #expect(error?.field == field && error?.message.contains(says) == true, "\(error?.message ?? "")")
    }
  }
}
