// Where a run went wrong: the same step again, looking at every value as it is made.

extension Executor {
  /// What became infinite or not a number first in the last run: `the output of layer 2 (linear)`; nil where all is
  /// finite. Carries the run out again on the same inputs, so parameters must be what they were; running statistics move
  /// once more.
  public func firstNotFinite() -> String? {
    // What the failed run left must not be taken for something new.
    for (index, value) in plan.values.enumerated() where value.origin == .computed {
      guard let offset = plan.memory.offsets[index] else { continue }
      (memory.pointer + offset).update(repeating: 0, count: value.floats)
    }
    if let input = plan.values.firstIndex(where: { $0.origin == .input }), !isFinite(input) {
      return "the input"
    }
    for index in plan.instructions.indices {
      pool.run(commands + index, context)
      for value in plan.instructions[index].operands where isWatched(value) && !isFinite(value) {
        return name(of: value, madeBy: index)
      }
    }
    return nil
  }

  private func isWatched(_ value: Int) -> Bool {
    switch plan.values[value].origin {
    case .computed, .gradient: true
    default: false
    }
  }

  private func isFinite(_ value: Int) -> Bool {
    guard let address = address(of: value) else { return true }
    return context.pointee.kernels.areFinite(plan.values[value].floats, address)
  }

  private func address(of value: Int) -> UnsafePointer<Float>? {
    if case .gradient(let number) = plan.values[value].origin {
      return gradients.map { UnsafePointer($0.pointer + plan.layout.entries[number].offset) }
    }
    return plan.memory.offsets[value].map { UnsafePointer(memory.pointer + $0) }
  }

  /// The value's name, or that of the next value that has one.
  private func name(of value: Int, madeBy index: Int) -> String? {
    func name(_ value: Int) -> String? {
      if case .gradient(let number) = plan.values[value].origin {
        return "the gradient of \(plan.layout.entries[number].name)"
      }
      return plan.names[value]
    }
    if let own = name(value) { return own }
    for instruction in plan.instructions[index...] {
      for other in instruction.operands {
        if let next = name(other), isMade(other, from: index) { return "a value on the way to \(next)" }
      }
    }
    return "the loss"
  }

  /// Whether a value is first used by an instruction from `index` on.
  private func isMade(_ value: Int, from index: Int) -> Bool {
    !plan.instructions[..<index].contains { $0.operands.contains(value) }
  }
}
