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
        let isNamed = spec.model.freeze.contains { $0.matches(parameter.name) }
        let how =
          isNamed && !training.freeze
          ? LayerTraining(freeze: true, unfreezeAt: nil, rateScale: training.rateScale) : training
        all.append(
          ParameterTraining(
            firstStep: how.firstStep(totalSteps: totalSteps, common: spec.train.unfreezeAt),
            rateScale: training.rateScale, decays: spec.optimizer.decays(parameter, of: parameters)))
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
    let rateScale: Double
    let decays: Bool
  }

  var group: Group { Group(rateScale: rateScale, decays: decays) }
}
