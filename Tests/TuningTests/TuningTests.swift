import JSON
import Testing

@testable import Tuning

private let space: JSON = [
  "optimizer.lr": ["distribution": "log_uniform", "min": 1e-4, "max": 1e-1],
  "train.batch_size": ["values": [32, 64, 128]],
  "model.layers.0.out": ["distribution": "int_uniform", "min": 3, "max": 6],
  "width": ["distribution": "int_log_uniform", "min": 1, "max": 1000],
  "noise": ["distribution": "normal", "mean": 2, "std": 0.5],
  "scale": ["distribution": "log_normal", "mean": 0, "std": 1],
  "p": ["distribution": "uniform", "min": -1, "max": 1],
]

@Suite struct SearchSpaces {
  @Test(arguments: [
    ("{}", "parameters"), ("[]", "parameters"), (#"{"a": 1}"#, "parameters.a"),
    (#"{"a": {"values": []}}"#, "parameters.a.values"),
    (#"{"a": {"values": [1], "min": 2}}"#, "parameters.a.min"),
    (#"{"a": {"distribution": "bell"}}"#, "parameters.a.distribution"),
    (#"{"a": {}}"#, "parameters.a.distribution"),
    (#"{"a": {"distribution": "uniform", "min": 1}}"#, "parameters.a.max"),
    (#"{"a": {"distribution": "uniform", "min": 1, "max": 1}}"#, "parameters.a.max"),
    (#"{"a": {"distribution": "uniform", "min": "NaN", "max": 1}}"#, "parameters.a.min"),
    (#"{"a": {"distribution": "uniform", "min": 0, "max": 1, "q": 1}}"#, "parameters.a.q"),
    (#"{"a": {"distribution": "log_uniform", "min": 0, "max": 1}}"#, "parameters.a.min"),
    (#"{"a": {"distribution": "int_uniform", "min": 0.5, "max": 3}}"#, "parameters.a.min"),
    (#"{"a": {"distribution": "int_log_uniform", "min": 0, "max": 3}}"#, "parameters.a.min"),
    (#"{"a": {"distribution": "normal", "mean": 0, "std": 0}}"#, "parameters.a.std"),
  ])
  func aWrongSpaceIsRefusedByField(text: String, field: String) throws {
    let json = try JSON.parse(text)
    do {
      _ = try SearchSpace.decode(json)
      Issue.record("accepted")
    } catch {
      #expect(error.field == field)
      #expect(error.message.hasPrefix(field))
    }
  }

  @Test func theGridCoversEveryCombinationOnce() throws {
    let grid = try SearchSpace.decode([
      "a": ["values": ["x", "y"]], "b": ["distribution": "int_uniform", "min": 1, "max": 3],
    ])
    #expect(grid.gridSize == 6)
    let trials = (0..<6).compactMap { grid.gridTrial($0) }.map { $0.map(\.value.text).joined(separator: " ") }
    #expect(trials == [#""x" 1"#, #""x" 2"#, #""x" 3"#, #""y" 1"#, #""y" 2"#, #""y" 3"#])
    #expect(grid.gridTrial(6) == nil)
    #expect(grid.gridTrial(-1) == nil)
    #expect(try SearchSpace.decode(space).gridSize == nil)
  }

  @Test func randomTrialsStayInTheirRangesAndFillThem() throws {
    let space = try SearchSpace.decode(space)
    let count = 4000
    let trials = (0..<count).map { number in
      Dictionary(
        uniqueKeysWithValues: space.randomTrial(number, seed: 5).map {
          ($0.path, $0.value.doubleValue ?? .nan)
        })
    }
    func column(_ path: String) -> [Double] { trials.compactMap { $0[path] } }
    func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
    let rates = column("optimizer.lr")
    #expect(rates.allSatisfy { (1e-4...1e-1).contains($0) })
    // Evenly in the logarithm: a third of the draws in each of the three decades.
    #expect(abs(Double(rates.filter { $0 < 1e-3 }.count) / Double(count) - 1.0 / 3) < 0.03)
    #expect(abs(Double(rates.filter { $0 > 1e-2 }.count) / Double(count) - 1.0 / 3) < 0.03)
    for (path, values) in [("train.batch_size", [32.0, 64, 128]), ("model.layers.0.out", [3, 4, 5, 6])] {
      for value in values {
        #expect(
          abs(Double(column(path).filter { $0 == value }.count) / Double(count) - 1 / Double(values.count))
            < 0.03)
      }
    }
    let widths = column("width")
    #expect(widths.min() == 1 && widths.max().map { $0 > 900 && $0 <= 1000 } == true)
    #expect(abs(mean(column("noise")) - 2) < 0.03)
    #expect(abs(mean(column("p"))) < 0.04 && column("p").allSatisfy { (-1...1).contains($0) })
    #expect(column("scale").allSatisfy { $0 > 0 })
  }

  @Test func aTrialDependsOnSeedAndNumberAlone() throws {
    let space = try SearchSpace.decode(space)
    func text(_ number: Int, _ seed: UInt64) -> String {
      space.randomTrial(number, seed: seed).map { $0.value.text }.joined(separator: " ")
    }
    #expect(text(7, 1) == text(7, 1))
    #expect(text(7, 1) != text(8, 1))
    #expect(text(7, 1) != text(7, 2))
  }
}
