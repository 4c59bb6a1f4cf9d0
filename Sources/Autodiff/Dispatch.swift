// Which compilation of the kernels this process uses.

import Glibc

/// Why a level of kernels cannot be used.
public struct KernelError: Error, Equatable, Sendable, CustomStringConvertible {
  /// What is wrong, with the levels there are.
  public let description: String
}

/// The kernels of one level, as function pointers. All levels give the same bits. A kernel is a row here and one in
/// each file of `KernelLevels/`.
public struct KernelTable: Sendable {
  /// What the kernels were compiled for.
  public enum Level: String, CaseIterable, Sendable {
    /// Any processor of this architecture; slow on x86-64, which has no fused multiply-add in its base.
    case baseline
    /// x86-64-v3: AVX2 and fused multiply-add.
    case avx2
    /// x86-64-v4: AVX-512.
    case avx512
  }

  typealias Floats = UnsafePointer<Float>
  typealias MutableFloats = UnsafeMutablePointer<Float>

  /// The level of this table.
  public let level: Level

  let product:
    @convention(c) (
      Int, Int, Int, Floats, Int, Int, Floats, Int, Int, MutableFloats, Int, Int32, Floats?, MutableFloats
    ) -> Void
  let transpose: @convention(c) (Int, Int, Int, Floats, Int, MutableFloats, Int) -> Void
  let columnSums: @convention(c) (Int, Int, Floats, Int, MutableFloats) -> Void
  let add: @convention(c) (Int, Floats, Floats, MutableFloats) -> Void
  let multiply: @convention(c) (Int, Floats, Floats, MutableFloats) -> Void
  let relu: @convention(c) (Int, Floats, MutableFloats) -> Void
  let reluGradient: @convention(c) (Int, Floats, Floats, MutableFloats) -> Void
  let tanh: @convention(c) (Int, Floats, MutableFloats) -> Void
  let tanhGradient: @convention(c) (Int, Floats, Floats, MutableFloats) -> Void
  let exp: @convention(c) (Int, Floats, MutableFloats) -> Void
  let log: @convention(c) (Int, Floats, MutableFloats) -> Void
  let dropout:
    @convention(c) (
      Int, Int, UInt64, UInt32, UInt64, UInt32, Float, Floats, MutableFloats, UnsafeMutablePointer<UInt32>
    ) -> Void
  let addNormals:
    @convention(c) (
      Int, Int, Int, Int, UInt64, UInt32, UInt64, Float, MutableFloats, UnsafeMutablePointer<UInt32>
    ) -> Void
  let crossEntropy:
    @convention(c) (
      Int, Int, Floats, Int, UnsafePointer<Int32>, Float, Float, MutableFloats, MutableFloats, MutableFloats?
    ) -> Void
  let squaredError:
    @convention(c) (Int, Int, Floats, Int, Floats, Int, Float, MutableFloats, MutableFloats?) -> Void
  let borderImage: @convention(c) (Int, Int, UnsafePointer<Int>, Floats, MutableFloats) -> Void
  let convolve:
    @convention(c) (
      Int, UnsafePointer<Int>, Floats, Floats, MutableFloats, Int32, Floats?, MutableFloats
    ) -> Void
  let convolveGradient:
    @convention(c) (Int, UnsafePointer<Int>, Floats, Floats, MutableFloats, Bool, MutableFloats) -> Void
  let flipWeights: @convention(c) (Int, Int, Int, Int, Int, Floats, MutableFloats) -> Void
  let scatterPatches: @convention(c) (Int, Int, UnsafePointer<Int>, Floats, Int, MutableFloats) -> Void
  let sumPartials: @convention(c) (Int, Int, Int, Floats, MutableFloats) -> Void
  let toPlanes: @convention(c) (Int, Int, Int, Floats, Int, MutableFloats, Int) -> Void
  let toChannels: @convention(c) (Int, Int, Int, Floats, Int, MutableFloats, Int) -> Void
  let maxPool: @convention(c) (Int, UnsafePointer<Int>, Floats, MutableFloats) -> Void
  let maxPoolGradient: @convention(c) (Int, UnsafePointer<Int>, Floats, Floats, Floats, MutableFloats) -> Void
  let averagePool: @convention(c) (Int, UnsafePointer<Int>, Float, Floats, MutableFloats) -> Void
  let averagePoolGradient: @convention(c) (Int, UnsafePointer<Int>, Float, Floats, MutableFloats) -> Void
  let batchMoments: @convention(c) (Int, Int, Floats, MutableFloats) -> Void
  let batchStatistics:
    @convention(c) (
      Int, Int, Int, Floats, Floats, Floats, Float, Float, MutableFloats, MutableFloats, MutableFloats,
      UnsafeMutableRawPointer
    ) -> Void
  let batchCoefficients: @convention(c) (Int, Floats, Floats, Float, Floats, Floats, MutableFloats) -> Void
  let batchNormalize: @convention(c) (Int, Int, Floats, Floats, Bool, MutableFloats) -> Void
  let batchGradientSums: @convention(c) (Int, Int, Floats, Floats, Floats, Floats?, MutableFloats) -> Void
  let batchGradientCombine:
    @convention(c) (
      Int, Int, Int, Floats, Floats, Floats, MutableFloats, MutableFloats, MutableFloats
    ) -> Void
  let batchGradient: @convention(c) (Int, Int, Floats, Floats, Floats, Floats, Floats?, MutableFloats) -> Void
  let normalizedPool:
    @convention(c) (Int, UnsafePointer<Int>, Floats, Floats, MutableFloats, MutableFloats) -> Void
  let normalizedPoolGradientSums:
    @convention(c) (
      Int, UnsafePointer<Int>, Floats, Floats, Floats, Floats, MutableFloats, MutableFloats
    ) -> Void
  let normalizedPoolGradient:
    @convention(c) (
      Int, UnsafePointer<Int>, Floats, Floats, Floats, Floats, Floats, MutableFloats, MutableFloats
    ) -> Void
  let addRows: @convention(c) (Int, Floats, Floats?, UnsafeMutablePointer<Double>) -> Void
  let gatherRows: @convention(c) (Int, Int, Floats, UnsafePointer<Int32>, MutableFloats, Int) -> Void
  let gatherBytes:
    @convention(c) (
      Int, Int, UnsafePointer<UInt8>, UnsafePointer<Int32>, MutableFloats, Int
    ) -> Void
  let standardizeRows: @convention(c) (Int, Int, Floats, Floats, MutableFloats, Int) -> Void
  let erf: @convention(c) (Int, Floats, MutableFloats) -> Void
  let activate: @convention(c) (Int, Int32, Float, Floats, MutableFloats) -> Void
  let geluWithSlope: @convention(c) (Int, Floats, MutableFloats, MutableFloats) -> Void
  let activationGradient: @convention(c) (Int, Int32, Float, Floats, Floats, MutableFloats) -> Void
  let clearPadding: @convention(c) (Int, Int, Int, MutableFloats) -> Void
  let robustError:
    @convention(c) (
      Int, Int, Floats, Int, Floats, Int, Float, Float, MutableFloats, MutableFloats?
    ) -> Void
  let binaryCrossEntropy:
    @convention(c) (
      Int, Int, Floats, Int, UnsafePointer<Int32>, Float, Float, MutableFloats, MutableFloats, MutableFloats?
    ) -> Void
  let labelWeights:
    @convention(c) (
      Int, Int, UnsafePointer<Int32>, Floats, MutableFloats, UnsafeMutablePointer<Double>?
    ) -> Void
  let weightedCrossEntropy:
    @convention(c) (
      Int, Int, Floats, Int, UnsafePointer<Int32>, Floats, Float, Floats, MutableFloats, MutableFloats,
      MutableFloats?
    ) -> Void
  let normalizeRows:
    @convention(c) (
      Int, Int, Int, Floats, Floats, Floats?, Float, Bool, MutableFloats, MutableFloats
    ) -> Void
  let normalizeRowsGradient:
    @convention(c) (
      Int, Int, Int, Floats, Floats, Floats, Floats, Bool, Floats?, MutableFloats
    ) -> Void
  let normalizeRowsParameterGradients:
    @convention(c) (Int, Int, Int, Floats, Floats, Floats, MutableFloats, MutableFloats?) -> Void
  let embed: @convention(c) (Int, Int, Int, Int, Int, Int, Floats, Floats, MutableFloats) -> Void
  let embedGradient: @convention(c) (Int, Int, Int, Int, Int, Int, Floats, Floats, MutableFloats) -> Void
  let addPositions: @convention(c) (Int, Int, Int, Int, Floats, Floats, MutableFloats) -> Void
  let positionsGradient: @convention(c) (Int, Int, Int, Int, Int, Floats, MutableFloats) -> Void
  let attention:
    @convention(c) (
      Int, Int, Int, Int, Int, Bool, Bool, UInt64, UInt32, UInt64, UInt32, Float, Floats, MutableFloats,
      MutableFloats, MutableFloats
    ) -> Void
  let attentionGradient:
    @convention(c) (
      Int, Int, Int, Int, Int, Bool, Bool, UInt64, UInt32, UInt64, UInt32, Float, Floats, Floats, Floats,
      Floats,
      MutableFloats, MutableFloats
    ) -> Void
  let repack: @convention(c) (Int, Int, Int, Floats, Int, Int, MutableFloats, Int, Int) -> Void
  let gatherLabels:
    @convention(c) (Int, UnsafePointer<Int32>, UnsafePointer<Int32>, UnsafeMutablePointer<Int32>) -> Void
  let sumsOfSquares: @convention(c) (Int, Floats, MutableFloats) -> Void
  let areFinite: @convention(c) (Int, Floats) -> Bool
  let scale: @convention(c) (Int, Float, MutableFloats) -> Void
  let clamp: @convention(c) (Int, Float, MutableFloats) -> Void
  let update:
    @convention(c) (
      Int32, UnsafePointer<Int32>, Int, Int, MutableFloats, Floats, MutableFloats?, MutableFloats?,
      MutableFloats?, Floats, MutableFloats?
    ) -> Void
  let blockSquares: @convention(c) (UnsafePointer<Int32>, Int, Int, Floats, MutableFloats) -> Void
  let penalize:
    @convention(c) (
      UnsafePointer<Int32>, Int, Int, Floats, MutableFloats, Float, Float, MutableFloats
    ) -> Void
  let firedColumns: @convention(c) (Int, Int, Floats, Int, MutableFloats) -> Void
  let combine: @convention(c) (Int, Float, Floats, Float, MutableFloats) -> Void
  let interpolate: @convention(c) (Int, Float, Floats, MutableFloats) -> Void

  /// The kernels of a level; throws when this processor cannot run them.
  public static func make(_ level: Level) throws(KernelError) -> KernelTable {
    guard available.contains(level) else {
      throw KernelError(
        description: "this processor has no \(level.rawValue) kernels; it has \(names(available))")
    }
    switch level {
    case .baseline: return .baseline
    case .avx2: return .avx2
    case .avx512: return .avx512
    }
  }

  /// The table of the level named `forced`, or else of the best level there is. The name comes from the environment
  /// variable `CAIRN_KERNELS` where it is set; throws when it is not a level or this processor lacks it.
  public static func select(_ forced: String? = environmentLevel) throws(KernelError) -> KernelTable {
    guard let forced, !forced.isEmpty else { return try make(available.last ?? .baseline) }
    guard let level = Level(rawValue: forced) else {
      throw KernelError(
        description: "CAIRN_KERNELS must be one of \(names(Level.allCases)), got \"\(forced)\"")
    }
    return try make(level)
  }

  /// The value of `CAIRN_KERNELS`.
  public static var environmentLevel: String? {
    getenv("CAIRN_KERNELS").map { String(cString: $0) }
  }

  /// The levels this processor can run, slowest first.
  public static let available: [Level] = {
    let flags = processorFlags()
    var levels = [Level.baseline]
    guard flags.isSuperset(of: ["avx2", "fma", "bmi1", "bmi2", "f16c", "movbe", "abm"]) else { return levels }
    levels.append(.avx2)
    if flags.isSuperset(of: ["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"]) {
      levels.append(.avx512)
    }
    return levels
  }()

  private static func names(_ levels: [Level]) -> String {
    levels.map(\.rawValue).joined(separator: ", ")
  }

  /// What the kernel says this processor has and the system supports; nothing where that cannot be read.
  private static func processorFlags() -> Set<Substring> {
    #if arch(x86_64)
      let file = open("/proc/cpuinfo", O_RDONLY)
      guard file >= 0 else { return [] }
      defer { close(file) }
      // The first processor's entry is enough, and is far shorter than this.
      let text = String(
        unsafeUninitializedCapacity: 16_384,
        initializingUTF8With: { max(0, read(file, $0.baseAddress, $0.count)) })
      let line = text.split(separator: "\n").first { $0.hasPrefix("flags") }
      return Set(line?.split(whereSeparator: { $0 == " " || $0 == "\t" }) ?? [])
    #else
      return []
    #endif
  }
}
