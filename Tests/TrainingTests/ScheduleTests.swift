import JSON
import Testing

@testable import Training

@Suite struct ScheduleTests {
  func schedule(_ json: JSON) throws -> ScheduleSpec { try ScheduleSpec(FieldReader(json, at: "schedule")) }

  func rates(_ json: JSON, total: Int, count: Int = 25) throws -> [Double] {
    let schedule = try schedule(json)
    return (0..<count).map { schedule.rate($0, base: 0.1, total: total) }
  }

  func isClose(_ a: [Double], _ b: [Double]) -> Bool {
    a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) <= 1e-14 }
  }

  @Test func stepIsPyTorchs() throws {
    let golden = GoldenSchedules.step
    #expect(try isClose(rates(["type": "step", "step_size": 5, "gamma": 0.5], total: 25), golden))
    #expect(try !isClose(rates(["type": "step", "step_size": 6, "gamma": 0.5], total: 25), golden))
  }

  @Test func cosineIsPyTorchs() throws {
    let golden = GoldenSchedules.cosine
    let spec: JSON = ["type": "cosine", "t_max": 10, "eta_min": 0.01]
    #expect(try isClose(rates(spec, total: 25), golden))
    #expect(try !isClose(rates(["type": "cosine", "t_max": 10], total: 25), golden))
  }

  @Test func cosineWithoutLengthTakesWhatWarmupLeaves() throws {
    let whole = try rates(["type": "cosine", "t_max": 80, "eta_min": 0.01], total: 100, count: 80)
    let warm = try rates(["type": "cosine", "warmup": 0.2, "eta_min": 0.01], total: 100, count: 100)
    #expect(Array(warm[20...]) == whole)
  }

  @Test func warmupRisesFromAboveZero() throws {
    let warm = try rates(["warmup": 4], total: 10, count: 6)
    #expect(isClose(warm, [0.025, 0.05, 0.075, 0.1, 0.1, 0.1]))
    #expect(try schedule(["warmup": 0.05]).warmupSteps(total: 90) == 5)
    #expect(try rates(["type": "step", "step_size": 2, "warmup": 3], total: 9, count: 7)[5] == 0.1 * 0.1)
  }

  @Test func randomMoments() {
    let random = RandomStream(seed: 5, .dataset)
    let normals = (0..<100_000).map { random.normal(1, $0) }
    let uniforms = (0..<100_000).map { random.uniform(1, $0) }
    func moments(_ values: [Double]) -> (Double, Double) {
      let mean = values.reduce(0, +) / Double(values.count)
      return (mean, values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count))
    }
    #expect(abs(moments(normals).0) < 0.01 && abs(moments(normals).1 - 1) < 0.02)
    #expect(abs(moments(uniforms).0 - 0.5) < 0.004 && abs(moments(uniforms).1 - 1.0 / 12) < 0.001)
    #expect(random.uniform(1, 2) != random.uniform(2, 1))
    #expect(random.uniform(1, 2) != RandomStream(seed: 5, .order).uniform(1, 2))
  }
}
