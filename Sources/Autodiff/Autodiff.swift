// Autodiff: from a graph of operations to a flat list of instructions over one block of memory.
//
// What lives here: the graph and its shapes (`Graph`), one file per operation (`Operations/`), and the passes from
// a graph to a plan: differentiate, fuse, emit instructions, place values in memory. Then what runs plans:
// the executor, the pool of threads, the table of kernels for this processor. And two things that every run needs
// bit for bit alike on every machine: random numbers by counter (`Philox`) and `ExactMath`.
// What does not: loops over numbers (Kernels), layers, losses' names, schedules, data (Training).
//
//   Graph -> Plan.make: differentiate -> fuse -> emit -> place -> Plan -> Executor.run, once per step
//
// To add an operation: one file in `Operations/` with a struct that conforms to `Operation`, its builder on `Graph`
// and, where it pays, a fusion rule; a kernel, when no kernel does it yet, is one row in `KernelTable` and one in
// the switch of `Command.run`. To add an optimizer: its rule in the kernels' `Updates.swift` and in `UpdateRule`.

/// A value of a graph: the result of an operation, an input or a parameter.
public struct Node: Sendable, Equatable {
  /// Its number among the graph's values.
  let value: Int
  /// Its size in each dimension, the batch first: [32, 64].
  public let shape: [Int]
}

/// Why a graph cannot be built or a plan cannot be made or run.
public struct GraphError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The operation that does not fit: `linear`.
  public let operation: String
  /// What it expected and what it got, with the shapes.
  public let message: String

  /// An error of one operation.
  public init(_ operation: String, _ message: String) {
    self.operation = operation
    self.message = message
  }

  /// Operation and message in one line.
  public var description: String { "\(operation): \(message)" }
}

/// The least multiple of sixteen floats, a cache line, that holds `count`.
func padded(_ count: Int) -> Int { (count + 15) & ~15 }
