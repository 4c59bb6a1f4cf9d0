// A training plan cut at layers, for threads that each carry out the layers of one stage.

/// Which instructions of a plan are whose, when its parameters are dealt out to stages: those of a stage's forward
/// pass, and those of its backward pass. Carried out forward in the order of the stages and then backward in the
/// opposite one, they are the whole plan in its own order, so the bits are the plan's.
public struct PlanSegments: Sendable, Equatable {
  /// The forward pass, by stage.
  public let forward: [Range<Int>]
  /// The loss, for the last stage, and the backward pass, by stage.
  public let backward: [Range<Int>]
}

extension Plan {
  /// Cuts a training plan where stages begin, each named by the number of its first parameter, the first of them 0. A
  /// stage without parameters has no instructions; its layers go with the stage before. Nil when the gradients of two
  /// stages are not apart, or the plan is not for training.
  public func segments(_ stages: [Int]) -> PlanSegments? {
    guard mode == .training, let loss,
      let middle = instructions.firstIndex(where: { $0.operands.contains(loss) })
    else { return nil }
    /// The numbers of the parameters, or of the gradients, among an instruction's operands.
    func numbers(_ index: Int, gradients: Bool) -> [Int] {
      instructions[index].operands.compactMap { operand in
        switch values[operand].origin {
        case .parameter(let number): gradients ? nil : number
        case .gradient(let number): gradients ? number : nil
        default: nil
        }
      }
    }
    let backward = (middle..<instructions.count).map { (index: $0, numbers: numbers($0, gradients: true)) }
    var (begins, ends) = ([0], [instructions.count])
    for first in stages.dropFirst() {
      let begin = (0..<middle).first { numbers($0, gradients: false).contains { $0 >= first } } ?? middle
      let end = (backward.last { $0.numbers.contains { $0 >= first } }?.index ?? middle - 1) + 1
      let later = backward.first { $0.numbers.contains { $0 < first } }?.index ?? instructions.count
      guard end <= later, begin >= begins[begins.count - 1], end <= ends[ends.count - 1] else { return nil }
      begins.append(begin)
      ends.append(end)
    }
    return PlanSegments(
      forward: begins.indices.map { begins[$0]..<($0 + 1 < begins.count ? begins[$0 + 1] : middle) },
      backward: ends.indices.map { ($0 + 1 < ends.count ? ends[$0 + 1] : middle)..<ends[$0] })
  }
}
