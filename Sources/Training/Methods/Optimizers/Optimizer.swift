// How parameters follow their gradients, one file each. An optimizer names the slots it keeps for every
// parameter; parameters, gradients and slots are flat arenas of one layout, so an update is one pass.

import Autodiff
import JSON

/// Turns gradients into new parameters.
protocol Optimizer: Sendable {
  /// All fields with their values, `type` first.
  var encoded: JSONObject { get }
  /// The base learning rate, which the schedule multiplies.
  var learningRate: Double { get }
  /// Names of the numbers kept for each parameter, as in PyTorch's state.
  var slots: [String] { get }

  /// Step `step` (from 0) with the learning rate of that step; gradients count `gradientScale` times.
  func update(_ state: OptimizerState, rate: Double, step: Int, gradientScale: Double)
}

/// What an update reads and writes: arenas of one layout, of which it touches `range`.
struct OptimizerState {
  let passes: FlatPasses
  let parameters: Arena
  let gradients: Arena
  /// One a name in the optimizer's `slots`.
  let slots: [Arena]
  let range: Range<Int>
}

extension MethodTable where Method == any Optimizer {
  /// All optimizers.
  static let optimizers = MethodTable(rows: [
    Row(Sgd.type) { fields throws(SpecError) in try Sgd(fields) },
    Row(Adam.type) { fields throws(SpecError) in try Adam(fields) },
  ])
}
