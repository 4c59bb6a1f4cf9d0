// The points of a metric as they were logged, for clients that want all of them.

extension Connection {
  /// Every point of a metric by timestamp, then step, then value (NaN counts as 0); none for an unknown run or key.
  public func history(run uid: String, key: String) throws -> Curve {
    guard let run = try integer("SELECT id FROM run WHERE uid = ?", .text(uid)) else {
      return Curve(key: key)
    }
    let curve = try self.curve(
      run: run, key: key, maxPoints: 0, from: .min, to: .max, directPoints: Connection.directPoints)
    return curve.sorted { left, right in
      (curve.timestamps[left], curve.steps[left], curve.comparable(left))
        < (curve.timestamps[right], curve.steps[right], curve.comparable(right))
    }
  }

  /// Every point of a metric by step, then timestamp, then value; none for an unknown run or key.
  public func historyByStep(run uid: String, key: String, from: Int64, to: Int64) throws -> Curve {
    guard let run = try integer("SELECT id FROM run WHERE uid = ?", .text(uid)) else {
      return Curve(key: key)
    }
    let curve = try self.curve(
      run: run, key: key, maxPoints: 0, from: from, to: to, directPoints: Connection.directPoints)
    return curve.sorted { left, right in
      (curve.steps[left], curve.timestamps[left], curve.comparable(left))
        < (curve.steps[right], curve.timestamps[right], curve.comparable(right))
    }
  }
}

extension Curve {
  /// The value as it takes part in an order, where NaN counts as 0.
  fileprivate func comparable(_ row: Int) -> Double { values[row].isNaN ? 0 : values[row] }

  /// The rows in the order of `precedes`; those that are in order already stay where they are.
  fileprivate func sorted(_ precedes: (Int, Int) -> Bool) -> Curve {
    let isSorted = (1..<max(steps.count, 1)).allSatisfy { !precedes($0, $0 - 1) }
    if isSorted { return self }
    let order = steps.indices.sorted(by: precedes)
    var curve = self
    curve.steps = order.map { steps[$0] }
    curve.timestamps = order.map { timestamps[$0] }
    curve.values = order.map { values[$0] }
    return curve
  }
}
