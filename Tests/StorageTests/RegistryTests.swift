// The registry, logged models and inputs: what is kept, what goes with what, and searches against naive ones.

import Testing

@testable import Storage

@Suite struct RegistryTests {
  private func version(_ store: Store, _ model: String, _ source: String = "s3://b/x") throws -> Int64 {
    try store.write {
      try $0.createModelVersion(
        NewModelVersion(model: model, source: source, storageLocation: source, tags: [KeyValue("t", source)]),
        time: 5
      ).version
    }
  }

  @Test func aModelComesBackAsItWasMade() throws {
    let folder = try TemporaryFolder()
    var store = try folder.open()
    try store.write {
      let tags = [KeyValue("a", "1"), KeyValue("a", "2")]
      _ = try $0.createRegisteredModel(name: "모델", description: "words", tags: tags, time: 3)
    }
    #expect(try version(store, "모델") == 1)
    #expect(try version(store, "모델") == 2)
    try store.write { try $0.setAlias("champ", model: "모델", version: 2) }
    store.close()
    store = try folder.open()
    let model = try #require(try store.read { try $0.registeredModel("모델") })
    #expect(model.description == "words" && model.createdAt == 3 && model.updatedAt == 5)
    #expect(model.tags == [KeyValue("a", "2")])
    #expect(model.aliases == [ModelAlias(alias: "champ", version: 2)])
    #expect(model.latestVersions.map(\.version) == [2])
    #expect(try store.read { try $0.modelVersion("모델", 2) }?.aliases == ["champ"])
    #expect(throws: StoreError.self) {
      try store.write { db in
        _ = try db.createRegisteredModel(name: "모델", description: nil, tags: [], time: 1)
      }
    }
  }

  @Test func numbersOfDeletedVersionsAreNotUsedAgain() throws {
    let kept = try TemporaryFolder().openAndKeep()
    let store = kept.store
    try store.write { _ = try $0.createRegisteredModel(name: "N", description: nil, tags: [], time: 1) }
    for expected in 1...3 { #expect(try version(store, "N") == expected) }
    try store.write { try $0.setAlias("a", model: "N", version: 3) }
    try store.write { try $0.deleteModelVersion("N", 3, time: 9) }
    #expect(try version(store, "N") == 4)
    #expect(try store.read { try $0.version(alias: "a", model: "N") } == nil)
    #expect(try store.read { try $0.modelVersion("N", 3) } == nil)
    try store.write { try $0.deleteRegisteredModel("N") }
    for table in ["registered_model", "model_version", "model_version_tag", "registered_model_alias"] {
      #expect(try store.read { try $0.integer("SELECT count(*) FROM \(table)") } == 0, "\(table)")
    }
    try store.write { _ = try $0.createRegisteredModel(name: "N", description: nil, tags: [], time: 1) }
    #expect(try version(store, "N") == 1)
  }

  @Test func stagesHoldTheirHighestVersion() throws {
    let kept = try TemporaryFolder().openAndKeep()
    let store = kept.store
    try store.write { _ = try $0.createRegisteredModel(name: "N", description: nil, tags: [], time: 1) }
    for _ in 1...4 { _ = try version(store, "N") }
    func move(_ version: Int64, _ stage: ModelStage, archiving: Bool = false) throws {
      try store.write {
        _ = try $0.setStage(stage, model: "N", version: version, archivingOthers: archiving, time: 7)
      }
    }
    try move(1, .production)
    try move(2, .production)
    func latest(_ stages: [ModelStage]) throws -> [Int64] {
      try store.read { try $0.latestVersions(model: "N", stages: stages) }.map(\.version)
    }
    #expect(try latest([.production]) == [2])
    #expect(try latest(ModelStage.allCases) == [2, 4])
    try move(3, .production, archiving: true)
    #expect(try latest([.archived]) == [2])
    #expect(try store.read { try $0.modelVersion("N", 1) }?.stage == .archived)
    try store.write { _ = try $0.renameRegisteredModel("N", to: "M", time: 8) }
    #expect(try store.read { try $0.modelVersion("M", 3) }?.stage == .production)
    #expect(try store.read { try $0.registeredModel("N") } == nil)
  }

  @Test func searchesAgreeWithNaiveOnes() throws {
    let kept = try TemporaryFolder().openAndKeep()
    let store = kept.store
    let names = ["a", "A", "ab", "b%", "b_c", "é", "tagged"]
    for (index, name) in names.enumerated() {
      let tags = index.isMultiple(of: 2) ? [KeyValue("k", "v\(index)")] : []
      try store.write {
        _ = try $0.createRegisteredModel(name: name, description: nil, tags: tags, time: Int64(index))
      }
    }
    func found(_ filter: String, _ order: [String] = []) throws -> [String] {
      var query = RegistryQuery()
      query.filter = filter
      query.orderBy = order
      return try store.read { [query] in try $0.searchRegisteredModels(query) }.map(\.name)
    }
    let sorted = names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    #expect(try found("") == sorted)
    #expect(try found("name = 'a'") == ["a"])
    #expect(try found("name != 'a'") == sorted.filter { $0 != "a" })
    #expect(try found("name LIKE 'a%'") == ["a", "ab"])
    #expect(try found("name ILIKE 'a%'") == ["A", "a", "ab"])
    #expect(try found("name LIKE '_'") == sorted.filter { $0.unicodeScalars.count == 1 })
    #expect(try found("name IN ('ab', 'zz')") == ["ab"])
    #expect(try found("tags.k = 'v2'") == ["ab"])
    #expect(try found("tags.k != 'v2'") == sorted.filter { ["a", "b_c", "tagged"].contains($0) })
    #expect(try found("", ["last_updated_timestamp DESC"]) == names.reversed())
    for filter in [
      "name > 'a'", "x = 'y'", "name = 5", "name = 'a' OR name = 'b'", "tags.k = 1", "name IS NULL",
    ] {
      #expect(throws: FilterError.self, "\(filter)") { try found(filter) }
    }
    #expect(throws: FilterError.self) { try found("", ["name", "name DESC"]) }
    var page = RegistryQuery()
    page.offset = 2
    page.limit = 3
    let third = try store.read { [page] in try $0.searchRegisteredModels(page) }.map(\.name)
    #expect(third == Array(sorted[2..<5]))
  }

  @Test func promptsAreNoModels() throws {
    let kept = try TemporaryFolder().openAndKeep()
    let store = kept.store
    let tag = KeyValue("mlflow.prompt.is_prompt", "true")
    try store.write { connection in
      _ = try connection.createRegisteredModel(name: "model", description: nil, tags: [], time: 1)
      _ = try connection.createRegisteredModel(name: "prompt", description: nil, tags: [tag], time: 1)
    }
    func found(_ filter: String) throws -> [String] {
      var query = RegistryQuery()
      query.filter = filter
      return try store.read { [query] in try $0.searchRegisteredModels(query) }.map(\.name)
    }
    #expect(try found("") == ["model"])
    #expect(try found("tags.`mlflow.prompt.is_prompt` != 'true'") == ["model"])
    #expect(try found("tags.`mlflow.prompt.is_prompt` = 'true'") == ["prompt"])
  }
}

@Suite struct LoggedModelTests {
  private func add(_ store: Store, _ uid: String, name: String = "m", time: Int64 = 1) throws {
    let model = NewLoggedModel(
      uid: uid, experimentID: 0, name: name, artifactURI: "mlflow-artifacts:/0/models/\(uid)/artifacts",
      params: [KeyValue("p", uid)])
    try store.write { try $0.createLoggedModel(model, time: time) }
  }

  private func search(_ store: Store, _ filter: String = "", _ order: [LoggedModelQuery.Order] = []) throws
    -> [String]
  {
    var query = LoggedModelQuery(experiments: [0])
    query.filter = filter
    query.orderBy = order
    return try store.read { [query] in try $0.searchLoggedModels(query) }.map(\.uid)
  }

  /// Every comparison with every value, the awkward ones too: metrics are kept as bits.
  @Test func metricsCompareAsNumbers() throws {
    let kept = try TemporaryFolder().openAndKeep()
    let store = kept.store
    let values: [Double] = [-1e308, -2.5, -0.0, 0, Double(bitPattern: 2024), 0.5, 7, 1e308, .nan]
    for (index, value) in values.enumerated() {
      try add(store, "m-\(index)", time: Int64(index))
      let metric = LoggedModelMetric(key: "acc", value: value, timestamp: 1, step: 0, runID: "r")
      try store.write { try $0.logModelMetrics([("m-\(index)", metric)]) }
    }
    try add(store, "m-none", time: 100)
    let tests: [(String, (Double, Double) -> Bool)] = [
      ("=", { $0 == $1 }), ("!=", { $0 != $1 }), ("<", { $0 < $1 }), ("<=", { $0 <= $1 }), (">", { $0 > $1 }),
      (">=", { $0 >= $1 }),
    ]
    for (name, test) in tests {
      for other in [-1e308, -2.5, -1, 0, 0.5, 6.5, 7, 1e308] {
        let expected = values.indices.filter { test(values[$0], other) }.map { "m-\($0)" }
        #expect(try search(store, "metrics.acc \(name) \(other)").sorted() == expected, "\(name) \(other)")
      }
    }
    // -0.0 and 0 tie, and of a tie the last made comes first.
    let up = ["m-0", "m-1", "m-3", "m-2", "m-4", "m-5", "m-6", "m-7", "m-8", "m-none"]
    #expect(try search(store, "", [.init(field: "metrics.acc")]) == up)
    let down = ["m-7", "m-6", "m-5", "m-4", "m-3", "m-2", "m-1", "m-0", "m-8", "m-none"]
    #expect(try search(store, "", [.init(field: "metrics.acc", ascending: false)]) == down)
  }

  @Test func aModelIsHiddenWhenItIsDeleted() throws {
    let kept = try TemporaryFolder().openAndKeep()
    let store = kept.store
    try add(store, "m-1")
    try add(store, "m-2", time: 2)
    #expect(try search(store) == ["m-2", "m-1"])
    try store.write { try $0.deleteLoggedModel("m-1", time: 9) }
    #expect(try search(store) == ["m-2"])
    #expect(try store.read { try $0.loggedModel("m-1") } == nil)
    #expect(
      try store.read { try $0.loggedModel("m-1", deletedAllowed: true) }?.params == [KeyValue("p", "m-1")])
    #expect(throws: StoreError.self) { try store.write { try $0.setLoggedModelTags([], model: "m-1") } }
  }

  @Test func aParameterIsWrittenOnce() throws {
    let kept = try TemporaryFolder().openAndKeep()
    let store = kept.store
    try add(store, "m-1")
    #expect(throws: StoreError.self) {
      try store.write { try $0.addLoggedModelParams([KeyValue("q", "1"), KeyValue("p", "x")], model: "m-1") }
    }
    #expect(try store.read { try $0.loggedModel("m-1") }?.params == [KeyValue("p", "m-1")], "all or nothing")
  }

  @Test func aMetricThatComesTwiceIsOne() throws {
    let kept = try TemporaryFolder().openAndKeep()
    let store = kept.store
    try add(store, "m-1")
    let metric = LoggedModelMetric(key: "k", value: 1, timestamp: 2, step: 3, runID: "r", datasetName: "d")
    for _ in 0..<2 { try store.write { try $0.logModelMetrics([("m-1", metric)]) } }
    #expect(try store.read { try $0.loggedModel("m-1") }?.metrics == [metric])
  }
}

@Suite struct RunInputTests {
  private let set = DatasetRecord(
    name: "train", digest: "1", sourceType: "local", source: "{}", schema: nil, profile: "{}")

  @Test func theFirstDescriptionOfADatasetStays() throws {
    let kept = try TemporaryFolder().openAndKeep()
    let store = kept.store
    for uid in ["a", "b"] { try store.createRun(NewRun(uid: uid, name: uid)) }
    var other = set
    other.schema = "other"
    let context = [KeyValue("mlflow.data.context", "training")]
    let (first, second) = (
      DatasetInput(dataset: set, tags: context), DatasetInput(dataset: other, tags: [KeyValue("x", "y")])
    )
    try store.write { try $0.logInputs([first], models: ["m-1"], run: "a") }
    try store.write { try $0.logInputs([second], models: ["m-1"], run: "a") }
    try store.write { try $0.logInputs([second], models: [], run: "b") }
    let links = try store.read { try $0.links(run: "a") }
    #expect(links.datasets == [first] && links.inputModels == ["m-1"])
    #expect(try store.read { try $0.links(run: "b") }.datasets.map(\.dataset) == [set])
    try store.write { try $0.logOutputs([ModelOutput(modelID: "m-2", step: 3)], run: "a") }
    try store.write { try $0.logOutputs([ModelOutput(modelID: "m-2", step: 4)], run: "a") }
    #expect(try store.read { try $0.links(run: "a") }.outputs == [ModelOutput(modelID: "m-2", step: 3)])
    let summaries = try store.read { try $0.datasetSummaries(experiments: [0], limit: 10) }
    #expect(Set(summaries.map(\.context)) == ["training", nil])
    try store.deleteRun("a")
    try store.deleteRun("b")
    #expect(try store.read { try $0.integer("SELECT count(*) FROM run_dataset") } == 0)
  }
}
