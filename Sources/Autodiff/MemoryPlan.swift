// Where values lie in the one block of memory of an executor.

/// A place for every value, such that no two that are needed at the same time overlap.
///
/// Greedy by size: the largest value first, each at the lowest place that is free as long as it lives.
/// Reference: Pisarchyk, Lee 2020, "Efficient memory management for deep neural net inference".
struct MemoryPlan: Sendable {
  /// First float of each value in the block; nil for what lies elsewhere (parameters, gradients) or is never used.
  let offsets: [Int?]
  /// The instructions during which each value must not be overwritten; the same values as in `offsets`.
  let lifetimes: [ClosedRange<Int>?]
  /// Size of the block.
  let floats: Int

  /// `keeping` lists values that are read after the last instruction. Inputs and results live throughout.
  init(_ values: [Value], _ instructions: [Instruction], keeping: [Int]) {
    let lifetimes = Self.lifetimes(values, instructions, keeping: Set(keeping))
    let order = values.indices.filter { lifetimes[$0] != nil }.sorted {
      (-values[$0].floats, $0) < (-values[$1].floats, $1)
    }
    var offsets = [Int?](repeating: nil, count: values.count)
    var placed: [(range: Range<Int>, lifetime: ClosedRange<Int>)] = []
    var end = 0
    for value in order {
      guard let lifetime = lifetimes[value] else { continue }
      let neighbours = placed.filter { $0.lifetime.overlaps(lifetime) }.map(\.range)
        .sorted { $0.lowerBound < $1.lowerBound }
      var offset = 0
      for range in neighbours {
        if offset + values[value].floats <= range.lowerBound { break }
        offset = max(offset, range.upperBound)
      }
      let range = offset..<offset + values[value].floats
      offsets[value] = offset
      placed.append((range, lifetime))
      end = max(end, range.upperBound)
    }
    self.offsets = offsets
    self.lifetimes = lifetimes
    floats = end
  }

  private static func lifetimes(_ values: [Value], _ instructions: [Instruction], keeping: Set<Int>)
    -> [ClosedRange<Int>?]
  {
    var lifetimes = [ClosedRange<Int>?](repeating: nil, count: values.count)
    for (time, instruction) in instructions.enumerated() {
      for value in instruction.operands {
        lifetimes[value] = (lifetimes[value]?.lowerBound ?? time)...time
      }
    }
    for (index, value) in values.enumerated() {
      switch value.origin {
      case .parameter, .buffer, .constant, .gradient: lifetimes[index] = nil
      case .input, .labels, .targets, .otherLabels, .otherTargets, .results:
        lifetimes[index] = -1...instructions.count
      case .computed:
        if keeping.contains(index) {
          lifetimes[index] = (lifetimes[index]?.lowerBound ?? 0)...instructions.count
        }
      }
    }
    return lifetimes
  }
}
