// Ensembles: from a base job to the jobs of the members, and from what they predict to what is said of them. Pure
// functions of JSON and numbers; who trains the members and where they are kept is known above.

import JSON

/// How the members of an ensemble come to differ.
public enum EnsembleMethod: String, Sendable, CaseIterable {
  /// Other beginnings and orders of the same examples (Lakshminarayanan et al. 2017).
  case seeds
  /// Each on examples drawn with replacement (Breiman 1996).
  case bagging
  /// Each on examples drawn by how much those before got them wrong (SAMME, Zhu et al. 2009).
  case boosting
  /// Each leaves out another fold, on which it is evaluated: cross-validation.
  case folds
  /// Models of one run, at the end of each cycle of its learning rate (Huang et al. 2017).
  case snapshots
}

/// What is wrong with an ensemble, and where.
public struct EnsembleError: Error, Sendable, Equatable {
  /// The path of the field, as in `train.members`.
  public let field: String
  /// A sentence that names the field and its limits.
  public let message: String

  init(_ field: String, _ problem: String) {
    self.field = field
    message = "\(field) \(problem)"
  }
}

/// An ensemble that is to be trained.
public struct EnsembleDesign: Sendable, Equatable {
  /// How the members differ.
  public let method: EnsembleMethod
  /// How many there are.
  public let members: Int
  /// The full job that they all come from, as decoding and encoding it gives it.
  public let base: JSON

  /// How many members an ensemble may have.
  public static let memberRange = 2...100

  /// A design; throws where the base says something that the method decides.
  public init(_ method: EnsembleMethod, members: Int, base: JSON) throws(EnsembleError) {
    guard Self.memberRange.contains(members) else {
      throw EnsembleError(
        "train.members",
        "must be an integer from \(Self.memberRange.lowerBound) to \(Self.memberRange.upperBound), got \(members)"
      )
    }
    func refuse(_ path: [String], unless isFree: (JSON?) -> Bool) throws(EnsembleError) {
      guard isFree(path.reduce(base as JSON?) { $0?[$1] }) else {
        throw EnsembleError(
          "train.base." + path.joined(separator: "."),
          "must be left out, as the method \(method.rawValue) sets it")
      }
    }
    func isNone(_ value: JSON?) -> Bool { value == nil || value == .null || value == [] || value == false }
    try refuse(["dataset", "boost_after"], unless: isNone)
    if method == .folds { try refuse(["dataset", "folds"], unless: isNone) }
    if method == .boosting { try refuse(["dataset", "bootstrap"], unless: isNone) }
    (self.method, self.members, self.base) = (method, members, base)
  }

  /// How many jobs the members come from.
  public var jobs: Int { method == .snapshots ? 1 : members }

  /// How many of them can be made before any has run.
  public var jobsAtOnce: Int { method == .boosting ? 1 : jobs }

  /// The job of member `number`, from 0; a member of boosting comes after the runs before it. `totalSteps` are those
  /// of the base.
  public func job(_ number: Int, after runs: [String], totalSteps: Int) -> JSON {
    let name = base["name"]?.stringValue ?? "ensemble"
    var job = base
    func set(_ path: String..., to value: JSON?) { job = Self.setting(job, path[...], value) }
    set("name", to: .string("\(name.prefix(230)) \(number + 1)/\(jobs)"))
    let seed = base["seed"]?.intValue ?? 0
    if [.seeds, .bagging, .boosting].contains(method) {
      // Other random numbers, but the same parts of the data.
      let split = base["dataset"]?["split_seed"] ?? .null
      set("dataset", "split_seed", to: split == .null ? JSON(seed) : split)
      set("seed", to: JSON((seed + number) % (1 << 53)))
    }
    switch method {
    case .seeds: break
    case .bagging: set("dataset", "bootstrap", to: true)
    case .boosting: set("dataset", "boost_after", to: .array(runs.map(JSON.string)))
    case .folds:
      set("dataset", "validation", to: nil)
      set("dataset", "folds", to: JSON(members))
      set("dataset", "fold", to: JSON(number))
    case .snapshots:
      set("name", to: .string(name))
      set(
        "schedule",
        to: [
          "type": "cosine_restarts", "t_0": JSON(cycle(totalSteps)),
          "eta_min": base["schedule"]?["eta_min"] ?? 0,
        ])
      set("average", to: ["type": "snapshots"])
      set("train", "early_stopping", to: nil)
    }
    return job
  }

  /// For snapshots, the steps of the models: the ends of the cycles, of which the last is the end of the run. Throws when
  /// there are too few steps.
  public func snapshotSteps(totalSteps: Int) throws(EnsembleError) -> [Int] {
    let cycle = cycle(totalSteps)
    guard cycle * (members - 1) < totalSteps else {
      throw EnsembleError(
        "train.members",
        "must be so few that each cycle of the run's \(totalSteps) steps has one, got \(members)")
    }
    return (1..<members).map { $0 * cycle } + [totalSteps]
  }

  private func cycle(_ totalSteps: Int) -> Int { (totalSteps + members - 1) / members }

  private static func setting(_ json: JSON, _ path: ArraySlice<String>, _ value: JSON?) -> JSON {
    guard let first = path.first, var object = json.objectValue else { return json }
    object[first] = path.count == 1 ? value : setting(object[first] ?? [:], path.dropFirst(), value)
    return .object(object)
  }
}
