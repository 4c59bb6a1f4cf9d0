// Ensembles: the jobs of their members, and what is said of them.

import JSON
import Testing

@testable import Tuning

@Suite struct EnsembleTests {
  private static let base: JSON = [
    "name": "base", "seed": 7,
    "dataset": ["name": "iris", "validation": 0.2, "bootstrap": false, "folds": nil],
    "schedule": ["type": "constant"], "train": ["epochs": 4, "early_stopping": ["patience": 2]],
  ]

  private static func jobs(_ method: EnsembleMethod, _ members: Int) throws -> [JSON] {
    let design = try EnsembleDesign(method, members: members, base: base)
    return (0..<design.jobs).map { design.job($0, after: ["a", "b"], totalSteps: 40) }
  }

  @Test(arguments: [EnsembleMethod.seeds, .bagging, .boosting])
  func membersShareTheirParts(_ method: EnsembleMethod) throws {
    let jobs = try Self.jobs(method, 3)
    #expect(jobs.map { $0["seed"] } == [7, 8, 9])
    #expect(jobs.allSatisfy { $0["dataset"]?["split_seed"] == 7 && $0["dataset"]?["validation"] == 0.2 })
    #expect(jobs.map { $0["name"] } == ["base 1/3", "base 2/3", "base 3/3"])
    #expect(jobs.allSatisfy { $0["dataset"]?["bootstrap"] == .bool(method == .bagging) })
    #expect(jobs.allSatisfy { $0["dataset"]?["boost_after"] == (method == .boosting ? ["a", "b"] : nil) })
  }

  @Test("G2 folds leave out one each") func foldsLeaveOutOneEach() throws {
    let jobs = try Self.jobs(.folds, 4)
    #expect(jobs.map { $0["dataset"]?["fold"] } == [0, 1, 2, 3])
    #expect(jobs.allSatisfy { $0["dataset"]?["folds"] == 4 && $0["dataset"]?["validation"] == nil })
    #expect(jobs.allSatisfy { $0["seed"] == 7 })
  }

  @Test("G12 snapshots are one run") func snapshotsAreOneRun() throws {
    let jobs = try Self.jobs(.snapshots, 3)
    #expect(jobs.count == 1 && jobs[0]["schedule"] == ["type": "cosine_restarts", "t_0": 14, "eta_min": 0])
    #expect(jobs[0]["average"] == ["type": "snapshots"] && jobs[0]["train"] == ["epochs": 4])
    let design = try EnsembleDesign(.snapshots, members: 3, base: Self.base)
    #expect(try design.snapshotSteps(totalSteps: 40) == [14, 28, 40])
    #expect(throws: EnsembleError.self) { try design.snapshotSteps(totalSteps: 2) }
  }

  @Test func wrongDesignsNameTheirField() {
    func field(_ method: EnsembleMethod, _ members: Int, _ dataset: JSON) -> String? {
      do {
        _ = try EnsembleDesign(method, members: members, base: ["dataset": dataset])
        return nil
      } catch { return error.field }
    }
    #expect(field(.seeds, 1, [:]) == "train.members" && field(.seeds, 101, [:]) == "train.members")
    #expect(field(.folds, 3, ["folds": 3]) == "train.base.dataset.folds")
    #expect(field(.boosting, 3, ["bootstrap": true]) == "train.base.dataset.bootstrap")
    #expect(field(.seeds, 3, ["boost_after": ["a"]]) == "train.base.dataset.boost_after")
    #expect(field(.bagging, 3, ["folds": 3]) == nil)
  }

  @Test func momentsOfASample() {
    let moments = Moments([2, 4, 4, 4, 5, 5, 7, 9])
    #expect(moments.mean == 5 && abs(moments.deviation - (32.0 / 7).squareRoot()) < 1e-12)
    #expect(Moments([3]) == Moments([3, 3]))
  }

  /// A number between -1 and 1 for each place, without order.
  private static func scatter(_ index: Int, _ stream: Int) -> Double {
    var x = UInt64(index) &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(stream) &* 0xBF58_476D_1CE4_E5B9
    x = (x ^ (x >> 30)) &* 0xBF58_476D_1CE4_E5B9
    x = (x ^ (x >> 27)) &* 0x94D0_49BB_1331_11EB
    return Double((x ^ (x >> 31)) >> 11) * 0x1p-52 - 1
  }

  /// y = sin 3x + x z + noise of a known variance: the estimate finds it, and none where there is none.
  @Test("G9 noise is found") func noiseIsFound() {
    let count = 1500
    func estimate(_ size: Double) -> Double {
      var (features, targets): ([Double], [Double]) = ([], [])
      for index in 0..<count {
        let (x, z) = (Self.scatter(index, 1), Self.scatter(index, 2))
        features += [x, z]
        let wave = x * (3 - 4.5 * x * x + 2.025 * x * x * x * x)
        targets.append(wave + x * z + size * Self.scatter(index, 3))
      }
      return noiseVariance(features: features, width: 2, targets: targets)
    }
    // A uniform number between -a and a has the variance a^2 / 3.
    #expect(abs(estimate(0.6) - 0.12) < 0.02 && abs(estimate(0.3) - 0.03) < 0.006 && estimate(0) < 0.003)
    #expect(noiseVariance(features: [1, 2], width: 1, targets: [0, 1]) == 0)
    let twins = noiseVariance(
      features: [Double](repeating: 1, count: 400), width: 1, targets: (0..<400).map { $0 % 2 == 0 ? 1 : -1 })
    #expect(twins > 0.5 && twins < 1.1)
  }

  /// Members that predict a wrong mean and scatter around it, on targets with noise: each part is what was put in.
  @Test("G9 parts add up to the error") func partsAddUpToTheError() {
    let (count, members, bias, scatter, noise) = (4000, 25, 0.5, 0.9, 0.6)
    var (means, variances, targets): ([Double], [Double], [Double]) = ([], [], [])
    var error = 0.0
    for index in 0..<count {
      let truth = Self.scatter(index, 4)
      let target = truth + noise * Self.scatter(index, 5)
      let predictions = (0..<members).map { truth + bias + scatter * Self.scatter(index, 100 + $0) }
      let mean = predictions.reduce(0, +) / Double(members)
      means.append(mean)
      variances.append(predictions.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(members))
      targets.append(target)
      error += predictions.reduce(0) { $0 + ($1 - target) * ($1 - target) } / Double(members * count)
    }
    let parts = BiasVariance(
      mean: means, variance: variances, target: targets, noise: noise * noise / 3)
    #expect(abs(parts.squaredError - error) < 1e-9)
    #expect(abs(parts.biasSquared + parts.variance + parts.noise - error) < 1e-9)
    #expect(abs(parts.variance - scatter * scatter / 3 * (1 - 1 / Double(members))) < 0.01)
    // The mean of 25 members still scatters by a 25th.
    #expect(abs(parts.biasSquared - bias * bias - scatter * scatter / 3 / Double(members)) < 0.03)
    let cut = BiasVariance(mean: [1, 2], variance: [0, 0], target: [1, 3], noise: 9)
    #expect(cut.noise == 0.5 && cut.biasSquared == 0 && cut.squaredError == 0.5)
  }
}
