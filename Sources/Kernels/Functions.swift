// Transcendental functions of sixteen floats, from polynomials, so that no C library has a say in a result.
// The bounds are tested over the whole range in `FunctionTests`.

/// Adding and subtracting it rounds a float of less than 2^22 to an integer, which then is in the low bits.
private let rounder: Float = 12_582_912

/// e^x as scale e^rest, for x from -87.3 to 88.37: x = k ln 2 + rest with |rest| <= ln 2 / 2, and scale = 2^k.
private struct ReducedPower {
  let rest, scale: Vector

  @inline(__always) init(_ x: Vector) {
    let shifted = Vector(repeating: rounder).addingProduct(1.442_695_04, x)
    let k = shifted - rounder
    // ln 2 in two parts: the first has few bits, so that its product with k is exact.
    rest = x.addingProduct(-0.693_359_375, k).addingProduct(2.121_944_4e-4, k)
    let bits = unsafeBitCast(shifted, to: SIMD16<UInt32>.self)
    scale = unsafeBitCast((bits &+ 127) &<< 23, to: Vector.self)
  }
}

/// e^x, relative error below 1.3e-7 (1.1 ulp) where the result is a normal number; 0 below -87.3, infinity above
/// 88.37, not-a-number for itself.
///
/// e^r by its Taylor polynomial of degree 7.
@inline(__always) func exponential(_ x: Vector) -> Vector {
  let low = x.replacing(with: -87.3, where: x .< -87.3)
  let inside = low.replacing(with: 88.37, where: low .> 88.37)
  let power = ReducedPower(inside)
  let r = power.rest
  var p = Vector(repeating: 1 / 5040)
  p = Vector(repeating: 1 / 720).addingProduct(p, r)
  p = Vector(repeating: 1 / 120).addingProduct(p, r)
  p = Vector(repeating: 1 / 24).addingProduct(p, r)
  p = Vector(repeating: 1 / 6).addingProduct(p, r)
  p = Vector(repeating: 1 / 2).addingProduct(p, r)
  p = Vector(repeating: 1).addingProduct(p, r)
  p = Vector(repeating: 1).addingProduct(p, r)
  let result = p * power.scale
  return result.replacing(with: 0, where: x .< -87.3).replacing(with: .infinity, where: x .> 88.37)
}

/// The natural logarithm of positive normal numbers, error below 1 ulp of the result or 6e-8, whichever is larger;
/// infinity and not-a-number give themselves.
///
/// x = 2^k (1 + f) with 1 + f near 1, and log(1 + f) = f - s (f - R) with s = f / (2 + f), R the rest of
/// artanh's series.
@inline(__always) func logarithm(_ x: Vector) -> Vector {
  let bits = unsafeBitCast(x, to: SIMD16<UInt32>.self)
  // Subtracting the bits of sqrt(1/2) makes the exponent field count from there; 127 more keep it positive.
  let k = (bits &- 0x3F35_04F3 &+ (127 << 23)) &>> 23
  let f = unsafeBitCast(bits &- ((k &- 127) &<< 23), to: Vector.self) - 1
  let power = unsafeBitCast(k &+ 0x4B40_0000, to: Vector.self) - (rounder + 127)
  let s = f / (f + 2)
  let square = s * s
  var p = Vector(repeating: 2 / 9)
  p = Vector(repeating: 2 / 7).addingProduct(p, square)
  p = Vector(repeating: 2 / 5).addingProduct(p, square)
  p = Vector(repeating: 2 / 3).addingProduct(p, square)
  let rest = p * square
  let mantissa = f - s * (f - rest)
  let result = mantissa.addingProduct(-2.121_944_4e-4, power).addingProduct(0.693_359_375, power)
  return result.replacing(with: x, where: .!(x .< .infinity))
}

/// The hyperbolic tangent, relative error below 2.5e-7 (2 ulp); not-a-number for itself.
///
/// 1 - 2 / (e^2|x| + 1) where |x| >= 0.625, below that an odd polynomial: Chebyshev interpolation, error 1.7e-8.
@inline(__always) func hyperbolicTangent(_ x: Vector) -> Vector {
  let sign = unsafeBitCast(x, to: SIMD16<UInt32>.self) & 0x8000_0000
  let size = unsafeBitCast(unsafeBitCast(x, to: SIMD16<UInt32>.self) & 0x7FFF_FFFF, to: Vector.self)
  let large = 1 - 2 / (exponential(size + size) + 1)
  let square = x * x
  var p = Vector(repeating: -0.006_096_714)
  p = Vector(repeating: 0.020_997_18).addingProduct(p, square)
  p = Vector(repeating: -0.053_850_908).addingProduct(p, square)
  p = Vector(repeating: 0.133_327_7).addingProduct(p, square)
  p = Vector(repeating: -0.333_333_28).addingProduct(p, square)
  let small = size.addingProduct(p * square, size)
  let value = large.replacing(with: small, where: size .< 0.625)
  return unsafeBitCast(unsafeBitCast(value, to: SIMD16<UInt32>.self) | sign, to: Vector.self)
}

/// e^x - 1, relative error below 2.5e-7 (2 ulp) for x <= 0, above that 1e-6 times e^x at most; not-a-number for itself.
///
/// As `exponential`, but the 1 is taken from the power before the polynomial is added: 2^k (e^r - 1) + (2^k - 1).
@inline(__always) func exponentialLessOne(_ x: Vector) -> Vector {
  let low = x.replacing(with: -87.3, where: x .< -87.3)
  let inside = low.replacing(with: 88, where: low .> 88)
  let power = ReducedPower(inside)
  let r = power.rest
  var p = Vector(repeating: 1 / 5040)
  p = Vector(repeating: 1 / 720).addingProduct(p, r)
  p = Vector(repeating: 1 / 120).addingProduct(p, r)
  p = Vector(repeating: 1 / 24).addingProduct(p, r)
  p = Vector(repeating: 1 / 6).addingProduct(p, r)
  p = Vector(repeating: 1 / 2).addingProduct(p, r)
  let less = r.addingProduct(p, r * r)
  return (power.scale - 1).addingProduct(power.scale, less)
}

/// log(1 + x) for x >= 0, relative error below 2.5e-7 (2 ulp).
///
/// What rounding 1 + x lost is added back, divided by the sum: the logarithm's slope there.
@inline(__always) func logarithmOfOneMore(_ x: Vector) -> Vector {
  let sum = x + 1
  return logarithm(sum) + (x - (sum - 1)) / sum
}

/// 1 / (1 + e^-x), relative error below 2.5e-7 (2 ulp) where the result is a normal number; 0 below -88.37.
@inline(__always) func logistic(_ x: Vector) -> Vector {
  1 / (exponential(-x) + 1)
}

/// The error function, relative error below 1.5e-7 (1.3 ulp); not-a-number for itself.
///
/// An odd polynomial where |x| < 1, from there 1 - e^q with a polynomial q for the logarithm of 1 - erf, which from
/// 4 on rounds to 1. Both by Chebyshev interpolation.
@inline(__always) func errorFunction(_ x: Vector) -> Vector {
  let sign = unsafeBitCast(x, to: SIMD16<UInt32>.self) & 0x8000_0000
  let size = unsafeBitCast(unsafeBitCast(x, to: SIMD16<UInt32>.self) & 0x7FFF_FFFF, to: Vector.self)
  let square = x * x
  var p = Vector(repeating: -9.673_590_17e-6)
  p = Vector(repeating: 1.126_825_37e-4).addingProduct(p, square)
  p = Vector(repeating: -8.484_396_52e-4).addingProduct(p, square)
  p = Vector(repeating: 5.221_053_41e-3).addingProduct(p, square)
  p = Vector(repeating: -2.686_543_83e-2).addingProduct(p, square)
  p = Vector(repeating: 0.112_837_826).addingProduct(p, square)
  p = Vector(repeating: -0.376_126_385).addingProduct(p, square)
  p = Vector(repeating: 0.128_379_17).addingProduct(p, square)
  let small = size.addingProduct(size, p)
  let inside = size.replacing(with: 4, where: size .> 4)
  var q = Vector(repeating: 1.614_061_6e-6)
  q = Vector(repeating: -4.559_062_23e-5).addingProduct(q, inside)
  q = Vector(repeating: 5.927_695_37e-4).addingProduct(q, inside)
  q = Vector(repeating: -4.740_222_34e-3).addingProduct(q, inside)
  q = Vector(repeating: 2.636_471_74e-2).addingProduct(q, inside)
  q = Vector(repeating: -0.109_978_245).addingProduct(q, inside)
  q = Vector(repeating: -0.631_937_094).addingProduct(q, inside)
  q = Vector(repeating: -1.130_166_68).addingProduct(q, inside)
  q = Vector(repeating: 3.032_129_67e-4).addingProduct(q, inside)
  let large = 1 - exponential(q)
  let value = large.replacing(with: small, where: size .< 1)
  let result = unsafeBitCast(unsafeBitCast(value, to: SIMD16<UInt32>.self) | sign, to: Vector.self)
  return result.replacing(with: x, where: .!(x .== x))
}

/// e^x for x from -87 to 0, as `exponential` without its care for what lies outside.
@inline(__always) private func powerOfNegative(_ x: Vector) -> Vector {
  let power = ReducedPower(x)
  let r = power.rest
  var p = Vector(repeating: 1 / 720)
  p = Vector(repeating: 1 / 120).addingProduct(p, r)
  p = Vector(repeating: 1 / 24).addingProduct(p, r)
  p = Vector(repeating: 1 / 6).addingProduct(p, r)
  p = Vector(repeating: 1 / 2).addingProduct(p, r)
  p = Vector(repeating: 1).addingProduct(p, r)
  p = Vector(repeating: 1).addingProduct(p, r)
  return p * power.scale
}

/// The normal distribution's function, absolute error below 1e-7, and e^(-x^2 / 2); not-a-number for itself.
///
/// The function of -|x| is e^(-x^2 / 2) times a polynomial of |x|, least squares with the error as weight on 0...6.
@inline(__always) func normal(_ x: Vector) -> (below: Vector, power: Vector) {
  let size = unsafeBitCast(unsafeBitCast(x, to: SIMD16<UInt32>.self) & 0x7FFF_FFFF, to: Vector.self)
  // Beyond, the power would no longer be a normal number; it is 0 there.
  let a = size.replacing(with: 13, where: size .> 13)
  let power = powerOfNegative(a * a * -0.5).replacing(with: 0, where: size .> 13)
  let inside = a.replacing(with: 6, where: a .> 6)
  var p = Vector(repeating: 5.853_518e-8)
  p = Vector(repeating: -1.603_709_8e-6).addingProduct(p, inside)
  p = Vector(repeating: 1.989_351e-5).addingProduct(p, inside)
  p = Vector(repeating: -1.497_939_8e-4).addingProduct(p, inside)
  p = Vector(repeating: 7.796_843_4e-4).addingProduct(p, inside)
  p = Vector(repeating: -3.055_373_9e-3).addingProduct(p, inside)
  p = Vector(repeating: 9.659_835e-3).addingProduct(p, inside)
  p = Vector(repeating: -2.606_920_9e-2).addingProduct(p, inside)
  p = Vector(repeating: 6.226_241_2e-2).addingProduct(p, inside)
  p = Vector(repeating: -0.132_916_91).addingProduct(p, inside)
  p = Vector(repeating: 0.249_991_1).addingProduct(p, inside)
  p = Vector(repeating: -0.398_941_79).addingProduct(p, inside)
  p = Vector(repeating: 0.5).addingProduct(p, inside)
  let tail = p * power
  return (tail.replacing(with: 1 - tail, where: x .> 0), power)
}

/// Sums and maxima over the lanes of a vector, always as the same tree.
enum Lanes {
  @inline(__always) static func sum(_ x: Vector) -> Float {
    let eight = x.lowHalf + x.highHalf
    let four = eight.lowHalf + eight.highHalf
    let two = four.lowHalf + four.highHalf
    return two[0] + two[1]
  }

  @inline(__always) static func maximum(_ x: Vector) -> Float {
    let eight = x.lowHalf.replacing(with: x.highHalf, where: x.lowHalf .< x.highHalf)
    let four = eight.lowHalf.replacing(with: eight.highHalf, where: eight.lowHalf .< eight.highHalf)
    let two = four.lowHalf.replacing(with: four.highHalf, where: four.lowHalf .< four.highHalf)
    return two[0] < two[1] ? two[1] : two[0]
  }

  /// The lanes' numbers.
  static var numbers: SIMD16<Int32> {
    @inline(__always) get { SIMD16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15) }
  }

  /// Where a vector that begins at column `column` lies within `columns`.
  @inline(__always) static func within(_ columns: Int, from column: Int) -> SIMDMask<SIMD16<Int32>> {
    numbers .< SIMD16(repeating: Int32(truncatingIfNeeded: columns &- column))
  }
}

/// y = e^x over `count` floats, a multiple of 16.
public func exponentials(_ count: Int, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>) {
  var i = 0
  while i < count {
    y.store(exponential(x.vector(i)), i)
    i += laneCount
  }
}

/// y = log x over `count` floats, a multiple of 16.
public func logarithms(_ count: Int, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>) {
  var i = 0
  while i < count {
    y.store(logarithm(x.vector(i)), i)
    i += laneCount
  }
}
