// Passes over whole arenas: updates, norms, clipping. The optimizers' numbers are tested with their methods.

import Testing

@testable import Autodiff

@Suite struct PassesTests {
  static let rules: [(UpdateRule, slots: Int)] = [
    (.descend, 0), (.momentum, 1), (.adagrad, 1), (.adadelta, 2), (.rmsprop, 3), (.moments, 2), (.moments, 3),
    (.adamax, 2), (.lion, 1),
  ]

  /// Three measured steps of a rule on a large matrix and a vector, of which a third parameter is left alone.
  static func steps(_ rule: UpdateRule, slots: Int, _ table: KernelTable, threads: Int) throws -> [[UInt32]] {
    var graph = try Graph(batch: 1)
    for shape in [[300, 700], [70_000], [5]] { _ = try graph.parameter("\(shape)", shape) }
    let floats = graph.layout.floats
    let passes = ParameterPasses(graph.layout, pool: ThreadPool(threads: threads), kernels: table)
    passes.setGroups([0, 1, nil])
    let (p, g) = (arena(numbers(floats, 1)), arena(numbers(floats, 2)))
    let state = (0..<slots).map { _ in zeros(floats) }
    for group in 0..<2 {
      var c = ParameterPasses.Coefficients(repeating: 0.25)
      if group == 1 { c[1] = 0.01 }
      passes.setCoefficients(c, of: group)
    }
    let before = p.values(floats)
    for _ in 0..<3 { passes.update(rule, parameters: p, gradients: g, slots: state, measuring: true) }
    let last = graph.layout.entries[2].range
    #expect(last.allSatisfy { p.pointer[$0] == before[$0] } && passes.moved()[2] == 0)
    let penalty = passes.penalize(l1: 0.1, l2: 0.01, parameters: p, gradients: g)
    return [
      p.bits(floats), g.bits(floats),
      (passes.moved() + passes.sizes() + passes.squares(g) + [penalty]).map { Float($0).bitPattern },
    ]
  }

  @Test func levelsAndThreadsGiveTheSameBits() throws {
    for (rule, slots) in Self.rules {
      let first = try Self.steps(rule, slots: slots, levels[0], threads: 1)
      for table in levels {
        for threads in [1, 2, 3] {
          let again = try Self.steps(rule, slots: slots, table, threads: threads)
          #expect(again == first, "\(rule), \(table.level), \(threads) threads")
        }
      }
    }
  }

  /// What an update and a pass over gradients measure is what a plain loop finds.
  @Test func measuresWhatItDoes() throws {
    var graph = try Graph(batch: 1)
    for shape in [[30, 170], [90]] { _ = try graph.parameter("\(shape)", shape) }
    let (layout, floats) = (graph.layout, graph.layout.floats)
    let passes = ParameterPasses(layout, pool: ThreadPool(threads: 1), kernels: best)
    let (p, g) = (Arena(floats: floats), Arena(floats: floats))
    for index in 0..<2 {
      try layout.write(numbers(layout.entries[index].count, 3), to: index, in: p)
      try layout.write(numbers(layout.entries[index].count, 4), to: index, in: g)
    }
    func squares(_ values: [Float]) -> Double { values.reduce(0) { $0 + Double($1) * Double($1) } }
    func isNear(_ a: Double, _ b: Double) -> Bool { abs(a - b) < 1e-6 * b }
    let before = (0..<2).map { layout.read($0, from: p) }
    let gradients = (0..<2).map { layout.read($0, from: g) }
    for index in 0..<2 { #expect(isNear(passes.squares(g)[index], squares(gradients[index]))) }
    let penalty = passes.penalize(l1: 0.5, l2: 0.25, parameters: p, gradients: g)
    let all = before.flatMap { $0 }
    #expect(isNear(penalty, 0.25 * squares(all) + 0.5 * all.reduce(0) { $0 + Double(abs($1)) }))
    for index in 0..<2 {
      for ((after, gradient), value) in zip(zip(layout.read(index, from: g), gradients[index]), before[index])
      {
        let sign: Float = value > 0 ? 1 : value < 0 ? -1 : 0
        #expect(abs(after - (gradient + 0.5 * value + 0.5 * sign)) < 1e-6)
      }
    }
    var c = ParameterPasses.Coefficients.zero
    (c[0], c[2], c[3]) = (1, 1, 0.1)
    passes.setCoefficients(c, of: 0)
    passes.update(.descend, parameters: p, gradients: g, slots: [], measuring: true)
    for index in 0..<2 {
      let moved = zip(layout.read(index, from: p), before[index]).map { $0 - $1 }
      #expect(
        isNear(passes.moved()[index], squares(moved)) && isNear(passes.sizes()[index], squares(before[index]))
      )
    }
  }

  @Test func zeroStaysZeroWithoutEpsilon() throws {
    for (rule, slots) in Self.rules {
      var graph = try Graph(batch: 1)
      _ = try graph.parameter("w", [2])
      let passes = ParameterPasses(graph.layout, pool: ThreadPool(threads: 1), kernels: best)
      let (p, g) = (arena([1, 2]), arena([3, 0]))
      var c = ParameterPasses.Coefficients.zero
      for lane in [0, 2, 3, 5, 7] { c[lane] = 1 }
      if rule == .rmsprop {
        c = ParameterPasses.Coefficients(1, 0, 1, 1, 0.5, 0.5, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0)
      }
      passes.setCoefficients(c, of: 0)
      for _ in 0..<3 {
        passes.update(
          rule, parameters: p, gradients: g, slots: (0..<slots).map { _ in zeros(2) }, measuring: false)
      }
      #expect(p.pointer[1] == 2 && p.values(16)[2...].allSatisfy { $0 == 0 }, "\(rule)")
    }
  }

  @Test func combinesAndInterpolates() {
    let passes = FlatPasses(pool: ThreadPool(threads: 2), kernels: best)
    let count = 50_000
    let (x, y, z) = (arena(numbers(count, 1)), arena(numbers(count, 2)), arena(numbers(count, 2)))
    passes.combine(0.5, x, -2, to: y, 0..<count)
    passes.interpolate(0.25, x, to: z, 0..<count)
    for (index, old) in numbers(count, 2).enumerated() {
      let new = x.pointer[index]
      #expect(abs(y.pointer[index] - (0.5 * new - 2 * old)) < 1e-6)
      #expect(abs(z.pointer[index] - (old + 0.25 * (new - old))) < 1e-6)
    }
    passes.interpolate(0.3, x, to: x, 0..<count)
    #expect(x.values(count) == numbers(count, 1))
  }

  @Test func normAndFiniteness() {
    let passes = FlatPasses(pool: ThreadPool(threads: 2), kernels: best)
    for count in [16, 48, 4096, 4112, 100_000] {
      let x = numbers(count, 9)
      let exact = x.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      let values = arena(x)
      #expect(abs(passes.norm(values, 0..<count) / exact - 1) < 1e-6)
      #expect(passes.isFinite(values, 0..<count))
      for bad in [Float.nan, .infinity, -.infinity] {
        values.pointer[count - 3] = bad
        #expect(!passes.isFinite(values, 0..<count))
        #expect(!passes.norm(values, 0..<count).isFinite)
      }
    }
  }

  @Test func clampKeepsNotANumber() {
    let passes = FlatPasses(pool: ThreadPool(threads: 1), kernels: best)
    let x = arena([-2, -0.5, 0.5, 2, .nan, .infinity, -.infinity])
    passes.clamp(x, 0..<16, to: 1)
    let y = x.values(7)
    #expect(y[0] == -1 && y[1] == -0.5 && y[2] == 0.5 && y[3] == 1 && y[4].isNaN && y[5] == 1 && y[6] == -1)
  }
}
