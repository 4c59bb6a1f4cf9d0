// What a checkpoint holds of the model and the optimizer, and what in it is not finite.

import Autodiff

extension Network {
  /// Everything a checkpoint holds of the model and the optimizer, read from the arenas when it is written.
  func tensors() -> [TensorSource] {
    arenas.flatMap { prefix, arena in sources(prefix, plan.programs.layout, arena) }
      + bufferArenas.flatMap { prefix, arena in sources(prefix, plan.programs.buffers, arena) }
  }

  private func sources(_ prefix: String, _ layout: ParameterLayout, _ arena: Arena) -> [TensorSource] {
    layout.entries.enumerated().map { index, entry in
      let name = "\(prefix).\(entry.name)"
      if entry.shape.isEmpty {
        return TensorSource(name: name, shape: [], type: .i64, pieces: 1) { _ in
          withUnsafeBytes(of: layout.readCounter(index, from: arena).littleEndian) { Array($0) }
        }
      }
      let pieces = entry.pieces(of: Self.pieceFloats)
      return TensorSource(name: name, shape: entry.shape, type: .f32, pieces: pieces.count) { number in
        layout.read(index, lines: pieces[number], from: arena).withUnsafeBytes { Array($0) }
      }
    }
  }

  /// Floats of a tensor that are read or written together: a MiB.
  private static let pieceFloats = 1 << 18

  /// Takes over what `tensors` gave, or of it only what the model needs that is put to use; throws when names or shapes
  /// differ.
  func restore(_ file: Safetensors, forUse: Bool = false) throws {
    let entries = Dictionary(file.entries.map { ($0.name, $0) }) { first, _ in first }
    func found(_ prefix: String, _ entry: ParameterLayout.Entry) throws -> Safetensors.Entry {
      let name = "\(prefix).\(entry.name)"
      guard let found = entries[name], found.shape == entry.shape else {
        throw TrainingError(
          step: nil, description: "the checkpoint has no tensor \(name) of shape \(entry.shape)")
      }
      return found
    }
    func read(_ prefix: String, _ index: Int, _ layout: ParameterLayout, into arena: Arena) throws {
      let entry = layout.entries[index]
      let stored = try found(prefix, entry)
      if entry.shape.isEmpty {
        return layout.writeCounter(try file.tensor(stored).count, to: index, in: arena)
      }
      for lines in entry.pieces(of: Self.pieceFloats) {
        let elements = lines.lowerBound * entry.lineCount..<lines.upperBound * entry.lineCount
        try layout.write(try file.values(stored, elements), to: index, lines: lines, in: arena)
      }
    }
    func isWanted(_ prefix: String) -> Bool { !forUse || prefix == "model" || prefix == "average" }
    for (prefix, arena) in arenas where isWanted(prefix) {
      for index in layout.entries.indices { try read(prefix, index, layout, into: arena) }
    }
    let kept = plan.programs.buffers
    for (prefix, arena) in bufferArenas where isWanted(prefix) {
      for index in kept.entries.indices { try read(prefix, index, kept, into: arena) }
    }
  }

  /// The arenas of running statistics and counters, with what their tensors' names begin with.
  private var bufferArenas: [(prefix: String, arena: Arena)] {
    [("model", buffers)]
      + [("best", bestBuffers), ("average", averageBuffers), ("best_average", bestAverageBuffers)].compactMap
    {
      prefix, arena in arena.map { (prefix, $0) }
    }
  }

  /// The arenas that are kept, with what their tensors' names begin with.
  private var arenas: [(prefix: String, arena: Arena)] {
    [("model", parameters)] + zip(plan.spec.optimizer.slots, slots).map { ("optimizer.\($0)", $1) }
      + [("average", average), ("best", best), ("best_average", bestAverage)].compactMap { prefix, arena in
        arena.map { (prefix, $0) }
      }
  }

  /// `parameter NAME`, the first that holds something not finite.
  func firstNonFiniteParameter() -> String? {
    firstNonFinite(parameters).map { "parameter \($0)" }
  }

  /// What became not finite first in the last batch, `the output of layer 2 (linear)`; nil where it cannot be found
  /// again, as after noise on the parameters.
  func firstNonFiniteValue() -> String? {
    quiet == nil ? lastRun?.firstNotFinite() : nil
  }

  /// `the gradient of NAME`, the first that holds something not finite.
  func firstNonFiniteGradient() -> String? {
    firstNonFinite(gradients).map { "the gradient of \($0)" }
  }

  private func firstNonFinite(_ arena: Arena) -> String? {
    layout.entries.first { !passes.isFinite(arena, $0.offset..<$0.offset + $0.floats) }?.name
  }
}
