// How parameters follow their gradients, one file each. An optimizer names the slots it keeps for every parameter
// and says with which coefficients its rule runs at a step; parameters, gradients and slots are flat arenas of one
// layout, so an update is one pass. References: PyTorch's torch.optim, in whose order things happen: weight decay
// first, the learning rate last; corrections are computed in double.

import Autodiff
import JSON

/// The numbers of a rule at a step.
typealias Coefficients = ParameterPasses.Coefficients

/// Turns gradients into new parameters.
protocol Optimizer: Sendable {
  /// All fields with their values, `type` first.
  var encoded: JSONObject { get }
  /// The base learning rate, which the schedule multiplies.
  var learningRate: Double { get }
  /// How parameters are drawn to 0; what that means is the optimizer's.
  var weightDecay: Double { get }
  /// Names of the numbers kept for each parameter.
  var slots: [String] { get }
  /// What slots hold before the first step.
  var initialState: Float { get }
  /// The pass that carries it out.
  var rule: UpdateRule { get }

  /// The coefficients of step `t`, which counts from 1, for parameters of one group.
  mutating func coefficients(_ t: Int, rate: Double, weightDecay: Double, gradientScale: Double)
    -> Coefficients

  /// The momentum, or the first beta, which schedules may move; nil where there is none.
  var momentum: Double? { get set }

  /// Where gradients are taken: this many times the first slot away from the parameters.
  func lookahead(rate: Double) -> Double
}

extension Optimizer {
  var initialState: Float { 0 }

  var momentum: Double? {
    get { nil }
    set {}
  }

  func lookahead(rate: Double) -> Double { 0 }
}

/// An optimizer with a velocity.
protocol VelocityOptimizer: Optimizer {
  /// The part of the velocity that a step keeps.
  var velocityKept: Double { get set }
}

extension VelocityOptimizer {
  var momentum: Double? {
    get { velocityKept }
    set { velocityKept = newValue ?? velocityKept }
  }
}

extension ParameterPasses.Coefficients {
  /// The three that every rule begins with, and its own. `decay` times the parameter is added to the gradient;
  /// `kept` is what the parameter is multiplied with before it moves.
  init(gradientScale: Double, decay: Double = 0, kept: Double = 1, _ own: Double...) {
    self = .zero
    for (index, value) in ([gradientScale, decay, kept] + own).enumerated() { self[index] = Float(value) }
  }
}

extension MethodTable where Method == any Optimizer {
  /// All optimizers.
  static let optimizers = MethodTable(rows: [
    Row(Sgd.type) { fields throws(SpecError) in try Sgd(fields) },
    Row(Nag.type) { fields throws(SpecError) in try Nag(fields) },
    Row(Adagrad.type) { fields throws(SpecError) in try Adagrad(fields) },
    Row(Adadelta.type) { fields throws(SpecError) in try Adadelta(fields) },
    Row(RmsProp.type) { fields throws(SpecError) in try RmsProp(fields) },
    Row(Adam.type) { fields throws(SpecError) in try Adam(fields) },
    Row(AdamW.type) { fields throws(SpecError) in try AdamW(fields) },
    Row(Adamax.type) { fields throws(SpecError) in try Adamax(fields) },
    Row(NAdam.type) { fields throws(SpecError) in try NAdam(fields) },
    Row(RAdam.type) { fields throws(SpecError) in try RAdam(fields) },
    Row(Lion.type) { fields throws(SpecError) in try Lion(fields) },
  ])
}
