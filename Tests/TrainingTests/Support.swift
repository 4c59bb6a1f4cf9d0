// What several tests of training measure with.

/// The larger of two errors; one that is not a number counts as infinite, where `max` would pass over it.
func worse(_ a: Double, _ b: Double) -> Double { b <= a ? a : b.isNaN ? .infinity : b }
