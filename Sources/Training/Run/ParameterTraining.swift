// Which parameters a step changes, and how fast: from what layers and the optimizer say, by parameter.

/// How one parameter takes part in training.
struct ParameterTraining: Sendable, Equatable {
  /// The first step that changes it; `Int.max` for never.
  let firstStep: Int
  /// What the learning rate is multiplied with.
  let rateScale: Double
  /// Whether weight decay acts on it.
  let decays: Bool

  /// Of each of a model's parameters.
  static func all(_ architecture: Architecture, _ spec: JobSpec, totalSteps: Int) -> [ParameterTraining] {
    let parameters = architecture.parameters
    var all: [ParameterTraining] = []
    for (index, layer) in architecture.layers.enumerated() {
      let training = index < spec.model.training.count ? spec.model.training[index] : .standard
      for parameter in layer.shape.parameters where !parameter.isBuffer {
        // The slowest of the layers that it is in decides when it begins, and all of them how fast it goes.
        var said = [training] + parameter.training
        if !said.contains(where: \.freeze), spec.model.freeze.contains(where: { $0.matches(parameter.name) })
        {
          said.append(LayerTraining(freeze: true, unfreezeAt: nil, rateScale: 1))
        }
        all.append(
          ParameterTraining(
            firstStep: said.map { $0.firstStep(totalSteps: totalSteps, common: spec.train.unfreezeAt) }.max()
              ?? 0,
            rateScale: said.reduce(1) { $0 * $1.rateScale },
            decays: spec.optimizer.decays(parameter, of: parameters)))
      }
    }
    return all
  }

  /// The steps of a run at which a phase with other parameters begins; the first is 0.
  static func phases(_ all: [ParameterTraining], totalSteps: Int) -> [Int] {
    Set(all.map(\.firstStep) + [0]).filter { $0 == 0 || $0 < totalSteps }.sorted()
  }

  /// A group of parameters that are updated alike.
  struct Group: Sendable, Hashable {
    /// The optimizer's steps count from here, as in PyTorch, where what has no gradient has no state yet.
    let firstStep: Int
    let rateScale: Double
    let decays: Bool
  }

  var group: Group { Group(firstStep: firstStep, rateScale: rateScale, decays: decays) }
}
