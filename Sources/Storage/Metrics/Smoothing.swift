// Smoothing of curves: the running mean that a chart draws over the points.

import Glibc

/// How a curve is smoothed: an exponential moving average by distance in steps, corrected for its start.
///
/// A point `unit` steps back weighs `weight` times as much as a new one, so curves that were recorded at different
/// intervals look alike (Kingma and Ba 2015, section 3, for the correction).
public struct Smoothing: Sendable, Equatable {
  /// The weight of a point `unit` steps back: 0 or more, below 1.
  public var weight: Double
  /// Steps over which the weight counts, above 0.
  public var unit: Double

  /// A smoothing; the caller has checked both numbers.
  public init(weight: Double, unit: Double) { (self.weight, self.unit) = (weight, unit) }

  /// The first step that matters for what is smoothed from `step` on: earlier points weigh less than rounding does.
  func start(before step: Int64) -> Int64 {
    let reach = weight > 0 ? (unit * log(1e-17) / log(weight)).rounded(.up) : 0
    guard reach < 0x1p62 else { return .min }
    let (start, overflow) = step.subtractingReportingOverflow(Int64(reach))
    return overflow ? .min : start
  }
}

/// A moving average that takes points one after the other, by step.
struct MovingAverage {
  private let smoothing: Smoothing
  private var sum = 0.0
  private var mass = 0.0
  private var step: Int64?
  private var first = Double.nan
  private var isConstant = true
  private var gap = Double.nan
  private var decay = 0.0

  init(_ smoothing: Smoothing) { self.smoothing = smoothing }

  /// The average of what came; NaN before the first number. Equal values are not changed by rounding.
  var value: Double { isConstant ? first : sum / mass }

  /// Takes a point; what is not finite is left out.
  mutating func add(step: Int64, value: Double) {
    guard value.isFinite else { return }
    if let last = self.step {
      let now = max(0, Double(step) - Double(last)) / smoothing.unit
      if now != gap {
        // A power is dear, and most gaps are alike.
        gap = now
        decay = pow(smoothing.weight, now)
      }
      sum *= decay
      mass *= decay
    } else {
      first = value
    }
    isConstant = isConstant && value == first
    sum += value
    mass += 1
    self.step = step
  }

  mutating func add(_ points: PointColumns) {
    for row in 0..<points.count { add(step: points.steps[row], value: points.values[row]) }
  }
}
