import JSON
import Storage
import Training
import Tuning

/// Why an ensemble cannot be evaluated: a fault of its members, not of the store.
struct EnsembleFault: Error {
  let message: String
  var field: String?
}

/// From the members of an ensemble, whose models are there, to what is said of it.
struct EnsembleEvaluator {
  let store: Store
  let catalog: DatasetCatalog
  let method: EnsembleMethod?
  /// The parts to evaluate on; empty for all that the first member has.
  let splits: [EvaluationSplit]
  let members: [EnsembleMember]
  /// Asked between two models; throws to end the work.
  let goOn: () throws -> Void

  /// Examples from which the noise of regression targets is estimated.
  private static let noiseExamples = 2000

  /// The `members`, `ensemble` and whatever the method adds, as the API shows them.
  func result() throws -> JSON {
    do {
      let first = try predictor(0)
      let reports =
        method == .folds
        ? try crossValidation(first)
        : try splits(of: first).map { try evaluate(EnsembleEvaluation(first, $0), votes: try votes(first)) }
      var result: JSONObject = [:]
      var rows = members.map { _ in JSONObject() }
      for (index, member) in members.enumerated() {
        rows[index]["step"] = JSON(Int(try checkpoint(of: member).step))
        rows[index]["metrics"] = JSON(reports.flatMap { $0.members[index] }.map { ($0.key, JSON($0.value)) })
        for report in reports {
          for (key, value) in report.memberFacts[index].entries { rows[index][key] = value }
        }
      }
      result["members"] = .array(rows.map(JSON.object))
      result["ensemble"] = JSON(reports.flatMap(\.ensemble).map { ($0.key, JSON($0.value)) })
      for report in reports {
        for (key, value) in report.facts.entries where result[key] == nil { result[key] = value }
      }
      if method == .folds { addMoments(reports, to: &result) }
      return .object(result)
    } catch let error as SpecError {
      throw EnsembleFault(message: error.message, field: error.field)
    } catch let error as SafetensorsError {
      throw EnsembleFault(message: "a member's checkpoint cannot be read: \(error)")
    } catch let error as TrainingError {
      throw EnsembleFault(message: "\(error)")
    }
  }

  /// What one part says.
  private struct Report {
    var members: [[(key: String, value: Double)]] = []
    var ensemble: [(key: String, value: Double)] = []
    /// What a member has beside metrics.
    var memberFacts: [JSONObject] = []
    /// What the ensemble has beside metrics.
    var facts: JSONObject = [:]
  }

  // MARK: Ways to evaluate

  private func evaluate(_ evaluation: EnsembleEvaluation, votes: Votes?) throws -> Report {
    var report = Report()
    for index in members.indices {
      let predictor = try predictor(index)
      let totals = try evaluation.add(predictor, vote: votes?.shares[index] ?? 1)
      report.members.append(totals.metrics(evaluation.split.prefix))
      var facts = votes?.facts[index] ?? [:]
      let seen = evaluation.split == .train ? 0 : evaluation.seen(by: predictor)
      // Metrics on examples that a model was trained on say little.
      if seen > 0 { facts["trained_on_\(evaluation.split.rawValue)_examples"] = JSON(seen) }
      report.memberFacts.append(facts)
    }
    report.ensemble = evaluation.ensemble().metrics(evaluation.split.prefix)
    if let largest = votes?.largest { report.facts["largest_weights"] = largest }
    if method == .bagging, let spread = evaluation.spread() {
      let table = evaluation.table(limit: Self.noiseExamples)
      let parts = BiasVariance(
        mean: spread.mean, variance: spread.variance, target: spread.target,
        noise: noiseVariance(features: table.features, width: table.width, targets: table.targets))
      report.facts["squared_error"] = JSON(parts.squaredError)
      report.facts["bias_squared"] = JSON(parts.biasSquared)
      report.facts["variance"] = JSON(parts.variance)
      report.facts["noise"] = JSON(parts.noise)
    }
    return report
  }

  /// Each member on the fold that it left out, all folds together as the ensemble's; and where there is a test part, all
  /// members on that.
  private func crossValidation(_ first: Predictor) throws -> [Report] {
    var report = Report()
    var whole: EvaluationTotals?
    for index in members.indices {
      let predictor = try predictor(index)
      let evaluation = try EnsembleEvaluation(predictor, .validation)
      let totals = try evaluation.add(predictor)
      report.members.append(totals.metrics(evaluation.split.prefix))
      report.memberFacts.append(["fold": JSON(index), "examples": JSON(evaluation.examples)])
      whole = whole.map { $0 + totals } ?? totals
    }
    report.ensemble = whole?.metrics(EvaluationSplit.validation.prefix) ?? []
    guard first.has(.test) else { return [report] }
    return [report, try evaluate(EnsembleEvaluation(first, .test), votes: nil)]
  }

  private func addMoments(_ reports: [Report], to result: inout JSONObject) {
    var (means, deviations) = (JSONObject(), JSONObject())
    for report in reports {
      for (place, metric) in (report.members.first ?? []).enumerated() {
        let moments = Moments(report.members.map { $0[place].value })
        means[metric.key] = JSON(moments.mean)
        deviations[metric.key] = JSON(moments.deviation)
      }
    }
    result["mean"] = .object(means)
    result["standard_deviation"] = .object(deviations)
  }

  /// What boosting says of its members: how much each counts, and the examples that all of them find hard.
  private struct Votes {
    let shares: [Double]
    let facts: [JSONObject]
    let largest: JSON
  }

  private func votes(_ first: Predictor) throws -> Votes? {
    guard method == .boosting else { return nil }
    let weights = BoostingWeights(first)
    for index in members.indices { try weights.add(try predictor(index)) }
    let facts = zip(weights.samme.members, weights.samme.votes).map { member, share in
      ["weighted_error": JSON(member.error), "vote": JSON(share)] as JSONObject
    }
    let largest = weights.largest(10).map {
      ["example": JSON($0.example), "weight": JSON($0.weight)] as JSON
    }
    return Votes(shares: weights.samme.votes, facts: facts, largest: .array(largest))
  }

  // MARK: Models

  private func splits(of first: Predictor) -> [EvaluationSplit] {
    splits.isEmpty ? [.validation, .test].filter(first.has) : splits
  }

  private func checkpoint(of member: EnsembleMember) throws -> CheckpointRecord {
    let all = try store.listCheckpoints(run: member.runUID)
    let names = member.checkpoint == "best or latest" ? ["best", "latest"] : [member.checkpoint]
    let found = names.compactMap { name in all.last { $0.labels.contains(name) || "\($0.step)" == name } }
    guard let checkpoint = found.first else {
      throw EnsembleFault(message: "run \(member.runUID) has no checkpoint \(member.checkpoint)")
    }
    return checkpoint
  }

  private func predictor(_ index: Int) throws -> Predictor {
    try goOn()
    let member = members[index]
    guard let job = try store.job(ofRun: member.runUID) else {
      throw EnsembleFault(message: "run \(member.runUID) is not there any more")
    }
    let checkpoint = try checkpoint(of: member)
    let bytes = checkpointBytes(store, member.runUID, checkpoint)
    let spec = try JobSpec.decode(try JSON.parse(job.spec), catalog: catalog)
    return try Predictor(spec: spec, catalog: catalog, checkpoint: bytes)
  }
}
