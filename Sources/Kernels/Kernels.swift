// Kernels: the loops that training spends its time in.
//
// What lives here: functions over raw pointers, each one pass over memory that somebody else owns. This folder is
// compiled three times (`KernelsAVX2` and `KernelsAVX512` are links to it), and `KernelTable` in Autodiff picks one
// compilation at start. What does not: shapes, checks, memory, threads, random state; Autodiff has them, and its
// plans are checked before a kernel ever runs, for nothing is checked here (`-Ounchecked`).
//
// Four rules keep the three compilations bit for bit the same, and apart from each other:
// 1. A multiply-add is always `addingProduct`, which rounds once on every machine; the compiler never contracts.
// 2. A reduction always runs in sixteen lanes and ends in `Lanes.sum`; a summed dimension is walked upwards, so
//    tile shapes, blockings and thread counts cannot change a result.
// 3. Transcendental functions are the polynomials of `Functions.swift`, never the C library's.
// 4. Only pointers, concrete SIMD types, and generics over this folder's own types: arrays, strings, closures and the
//    library's algorithms are symbols that the linker would share between the three.
//
// To add a kernel: one function in the file of its kind, one row in `KernelTable`.

/// The vector of every kernel: sixteen floats, whatever the width of the machine's registers.
typealias Vector = SIMD16<Float>

/// Lanes of a vector; rows of matrices are padded to a multiple of it.
let laneCount = 16

extension UnsafePointer<Float> {
  @inline(__always) func vector(_ index: Int) -> Vector {
    UnsafeRawPointer(self + index).loadUnaligned(as: Vector.self)
  }
}

extension UnsafeMutablePointer<Float> {
  @inline(__always) func vector(_ index: Int) -> Vector {
    UnsafeRawPointer(self + index).loadUnaligned(as: Vector.self)
  }

  @inline(__always) func store(_ value: Vector, _ index: Int) {
    UnsafeMutableRawPointer(self + index).storeBytes(of: value, as: Vector.self)
  }
}
