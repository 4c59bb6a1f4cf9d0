// Normal numbers by the thousand, and work of the host that a pool's threads share.

import Kernels

extension KernelTable {
  /// Floats of scratch that `addNormals` needs.
  public static let normalScratchFloats = dropoutScratchWords

  /// Adds normal numbers of mean 0 and the given deviation, functions of the place alone; `scratch` has
  /// `normalScratchFloats`. Reference: Box, Muller 1958.
  public func addNormals(
    _ random: Philox, deviation: Float, to values: UnsafeMutablePointer<Float>, count: Int,
    scratch: UnsafeMutablePointer<Float>
  ) {
    addNormals(
      1, count, count, 0, random.seed, random.stream, random.step, deviation, values, words(scratch))
  }
}

extension FlatPasses {
  /// Adds normal numbers of mean 0 and the given deviation to a parameter where it lies; padding stays 0.
  public func addNormals(
    _ random: Philox, deviation: Float, to index: Int, of layout: ParameterLayout, in arena: Arena
  ) {
    let entry = layout.entries[index]
    setRandom(random)
    run(
      .addNormals, Split(entry.rows, unit: 8, nanoseconds: entry.count),
      (arena.pointer + entry.offset, nil, nil, nil),
      sizes: SIMD8(entry.columns, entry.stride, Int(random.stream), 0, 0, 0, 0, 0),
      numbers: SIMD8(deviation, 0, 0, 0, 0, 0, 0, 0))
  }

  /// Calls `body` with ranges that together are `0..<count`, on several threads at a time where the work is worth it, and
  /// each time with scratch of as many floats as were reserved. What it does for a number must not depend on the others.
  public func forEach(
    _ count: Int, nanosecondsEach: Int, _ body: (Range<Int>, UnsafeMutablePointer<Float>) -> Void
  ) {
    withoutActuallyEscaping(body) { body in
      var work = HostWork(body: body)
      withUnsafeMutablePointer(to: &work) { work in
        let place = UnsafeMutableRawPointer(work).assumingMemoryBound(to: Float.self)
        run(.host, Split(count, unit: 4, nanoseconds: count * nanosecondsEach), (place, nil, nil, nil))
      }
    }
  }
}

/// What a `host` command carries out.
private struct HostWork {
  let body: (Range<Int>, UnsafeMutablePointer<Float>) -> Void
}

extension Command {
  /// Normal numbers for rows `start`..<`start` + `count`. sizes: columns, stride, stream; numbers: the deviation.
  static func noise(
    _ command: UnsafePointer<Command>, _ context: UnsafePointer<RunContext>, _ start: Int, _ count: Int,
    _ scratch: UnsafeMutablePointer<Float>
  ) {
    guard let p0 = command.pointee.p0 else { return }
    let (sizes, random) = (command.pointee.sizes, context.pointee)
    random.kernels.addNormals(
      count, sizes[0], sizes[1], start, random.seed, UInt32(truncatingIfNeeded: sizes[2]), random.step,
      command.pointee.numbers[0], p0 + start * sizes[1], words(scratch))
  }

  /// The host's own work on numbers `start`..<`start` + `count`.
  static func host(
    _ command: UnsafePointer<Command>, _ start: Int, _ count: Int, _ scratch: UnsafeMutablePointer<Float>
  ) {
    guard let p0 = command.pointee.p0 else { return }
    UnsafeRawPointer(p0).assumingMemoryBound(to: HostWork.self).pointee.body(start..<start + count, scratch)
  }
}

/// Scratch as the random words' kernels want it.
private func words(_ scratch: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<UInt32> {
  UnsafeMutableRawPointer(scratch).assumingMemoryBound(to: UInt32.self)
}
