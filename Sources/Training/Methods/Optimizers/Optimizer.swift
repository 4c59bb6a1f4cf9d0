// How parameters follow their gradients, one file each. An optimizer names the slots it keeps for every
// parameter; parameters, gradients and slots are flat arenas of one layout, so an update is one pass.

import JSON

/// Turns gradients into new parameters.
protocol Optimizer: Sendable {
  /// All fields with their values, `type` first.
  var encoded: JSONObject { get }
  /// The base learning rate, which the schedule multiplies.
  var learningRate: Double { get }
  /// Names of the numbers kept for each parameter, as in PyTorch's state.
  var slots: [String] { get }

  /// Step `step` (from 0) of one tensor with the learning rate of that step.
  func update(
    _ parameter: inout [Float], _ gradient: [Float], _ slots: inout [[Float]], rate: Double, step: Int)
}

extension MethodTable where Method == any Optimizer {
  /// All optimizers.
  static let optimizers = MethodTable(rows: [
    Row(Sgd.type) { fields throws(SpecError) in try Sgd(fields) },
    Row(Adam.type) { fields throws(SpecError) in try Adam(fields) },
  ])
}
