import JSON
import Testing

@testable import Training

@Suite struct ResidualTests {
  static func residual(_ layers: [JSON]) -> JSON { ["type": "residual", "layers": .array(layers)] }

  static func iris(_ layers: [JSON]) -> JSON {
    [
      "dataset": ["name": "iris", "validation": 0], "model": ["layers": .array(layers)],
      "optimizer": ["type": "sgd", "lr": 0.1], "train": ["steps": 5],
    ]
  }

  @Test func tensorsAreNamedByTheirPlaces() throws {
    let body = Self.residual([
      ["type": "linear", "out": 7], ["type": "relu"], Self.residual([["type": "linear", "out": 7]]),
      ["type": "linear", "out": 4],
    ])
    let plan = try plan(Self.iris([body, ["type": "linear", "out": 3]]))
    #expect(
      plan.architecture.parameters.map(\.name) == [
        "0.0.weight", "0.0.bias", "0.2.0.weight", "0.2.0.bias", "0.3.weight", "0.3.bias", "1.weight",
        "1.bias",
      ])
    #expect(plan.layers.map(\.name) == ["0.residual", "1.linear"])
    #expect(plan.layers.map(\.parameters) == [35 + 56 + 32, 15])
    #expect(try JobSpec.decode(plan.spec.encode()) == plan.spec)
  }

  /// With f = 0 a residual layer is nothing at all, and with f = x it is 2x.
  @Test("L1 a residual layer adds its input") func addsItsInput() throws {
    func losses(_ layers: [JSON]) throws -> [Double] { try finished(Self.iris(layers)).values("train/loss") }
    let head: JSON = ["type": "linear", "out": 3, "init": ["type": "constant", "val": 0.3]]
    let zero: JSON = ["type": "linear", "out": 4, "bias": false, "init": ["type": "zeros"]]
    let plain = try losses([head])
    #expect(try losses([Self.residual([zero]), head])[0] == plain[0])
    let double = try losses([Self.residual([["type": "dropout", "p": 0]]), head])
    #expect(double[0] == plain[0] && double[1] != plain[1])
  }

  @Test func dropoutInsideHasAStreamOfItsOwn() throws {
    let drop: JSON = ["type": "dropout", "p": 0.5]
    let head: JSON = ["type": "linear", "out": 3]
    let outer = try finished(Self.iris([drop, head])).values("train/loss")
    let first = try finished(Self.iris([Self.residual([drop]), head])).values("train/loss")
    let second = try finished(Self.iris([Self.residual([["type": "relu"], drop]), head])).values("train/loss")
    #expect(outer != first && first != second)
    #expect(LayerPlace.inner(0, 0) == 1000 && LayerPlace.inner(LayerPlace.inner(999, 999), 999) < 1 << 31)
  }

  static let wrong: [WrongJob] = [
    WrongJob(
      "model.layers.0", residual([["type": "linear", "out": 5]]), "model.layers.0",
      says: "must keep the shape of its input, [4], for their sum, but its layers give [5]"),
    WrongJob(
      "model.layers.0", residual([["type": "linear", "out": 0]]), "model.layers.0.layers.0.out",
      says: "from 1"),
    WrongJob("model.layers.0", residual([]), "model.layers.0.layers", says: "a list of 1 to 1000 objects"),
    WrongJob("model.layers.0", ["type": "residual"], "model.layers.0.layers", says: "is required"),
    WrongJob(
      "model.layers.0", residual([residual([residual([["type": "relu"]])])]),
      "model.layers.0.layers.0.layers.0", says: "there may be 2 around a layer"),
  ]

  @Test(arguments: wrong) func faultNamesItsField(_ wrong: WrongJob) {
    do {
      _ = try plan(job([(wrong.path, wrong.value)]))
      Issue.record("was accepted")
    } catch let error as SpecError {
      #expect(error.field == wrong.field)
      #expect(error.message.contains(wrong.says), "\(error.message)")
    } catch {
      Issue.record(error)
    }
  }
}
