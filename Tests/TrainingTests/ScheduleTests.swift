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

  /// Row O7: each schedule's rate, and its momentum where it moves one; with one number changed by a hundredth it is
  /// another schedule.
  @Test("O7 schedules are PyTorch's", arguments: goldenSchedules.indices) func schedules(_ index: Int) throws
  {
    let golden = goldenSchedules[index]
    let json = try JSON.parse(golden.spec)
    func distance(_ json: JSON) throws -> Double {
      let spec = try schedule(json)
      return golden.rows.enumerated().reduce(0) { largest, row in
        let momentum = spec.momentum(row.offset, total: 25) ?? 0.9
        return max(
          largest, abs(spec.rate(row.offset, base: 0.1, total: 25) - row.element[0]),
          abs(momentum - row.element[1]))
      }
    }
    #expect(try distance(json) < 1e-14)
    for (key, value) in json.objectValue?.entries ?? [] {
      guard let number = value.doubleValue else { continue }
      if number == number.rounded(), number > 1 {
        #expect(try distance(replacing(json, [key], .number(number + 1))) > 1e-6, "\(key)")
      } else if number > 0, number < 1 {
        #expect(try distance(replacing(json, [key], .number(number * 0.99))) > 1e-6, "\(key)")
      }
    }
  }

  /// After a warmup of W steps the rate falls as 1 / sqrt(t): Hugging Face's formula at t >= W.
  @Test("O7 inverse square root") func inverseSqrt() throws {
    let rates = try rates(["type": "inverse_sqrt", "warmup": 10], total: 100, count: 50)
    for t in 10..<50 { #expect(abs(rates[t] - 0.1 * (10 / Double(t)).squareRoot()) < 1e-15) }
    #expect(rates[9] == 0.1 && rates[0] == 0.01)
    let plain = try self.rates(["type": "inverse_sqrt"], total: 100, count: 3)
    #expect(abs(plain[2] - 0.1 / (10_002.0 / 10_000).squareRoot()) < 1e-15)
  }

  /// Row O8, the sequence: PyTorch's ReduceLROnPlateau over metrics that get better, worse and are no numbers.
  @Test("O8 plateau is PyTorch's", arguments: goldenPlateaus.indices) func plateau(_ index: Int) throws {
    let golden = goldenPlateaus[index]
    let json = try JSON.parse(golden.spec)
    func rates(_ json: JSON) throws -> [Double] {
      let spec = try #require(try schedule(json).plateau)
      var state = PlateauState(rate: 0.1)
      var rates = [state.rate]
      for value in plateauMetrics {
        state.add(value, spec)
        state = try #require(PlateauState(state.encoded))
        rates.append(state.rate)
      }
      return rates
    }
    #expect(isClose(try rates(json), golden.rates))
    let patience = try #require(json["patience"]?.intValue)
    #expect(!isClose(try rates(replacing(json, ["patience"], JSON(patience + 1))), golden.rates))
  }

  @Test("O7 a schedule takes what the warmup leaves") func cosineWithoutLengthTakesWhatWarmupLeaves() throws {
    let whole = try rates(["type": "cosine", "t_max": 80, "eta_min": 0.01], total: 100, count: 80)
    let warm = try rates(["type": "cosine", "warmup": 0.2, "eta_min": 0.01], total: 100, count: 100)
    #expect(Array(warm[20...]) == whole)
  }

  @Test("O7 warmup rises from above zero") func warmupRisesFromAboveZero() throws {
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
