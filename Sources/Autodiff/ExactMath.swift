// Mathematics in double with the same bits everywhere.

/// Functions of doubles from additions, multiplications, divisions and square roots alone, which every processor
/// rounds alike; a C library chooses its approximations by processor and version. For the few numbers that a step
/// or a data set needs, not for tensors. Errors are below 2 ulp unless said otherwise.
public enum ExactMath {
  /// ln 2 in two parts; the first has 32 bits, so that its product with an exponent is exact.
  private static let ln2High = 0x1.62e42fee00000p-1
  private static let ln2Low = 0x1.a39ef35793c76p-33

  /// e^x: x = k ln 2 + r, and Taylor's series for |r| <= ln 2 / 2.
  public static func exp(_ x: Double) -> Double {
    guard x < 709.782712893384 else { return x.isNaN ? x : .infinity }
    guard x > -745.14 else { return 0 }
    let k = (x * 1.4426950408889634).rounded()
    let high = x - k * ln2High
    let low = k * ln2Low
    let r = high - low
    // e^r = 1 + r + r^2 q; the small terms first.
    var q = 0.0
    for n in stride(from: 14.0, through: 3, by: -1) { q = (q + 1) * r / n }
    let tail = r * r * 0.5 * (q + 1) + ((high - r) - low)
    let value = 1 + (r + tail)
    // In two factors, for results that are not normal numbers.
    let half = Int(k) / 2
    return value * power2(half) * power2(Int(k) - half)
  }

  /// The natural logarithm: x = 2^k (1 + f), and log(1 + f) = f - s (f - R) with s = f / (2 + f), R the rest of
  /// artanh's series.
  public static func log(_ x: Double) -> Double {
    guard x > 0 else { return x == 0 ? -.infinity : .nan }
    guard x < .infinity else { return x }
    var (k, m) = (Double(x.exponent), x.significand)
    if m > 1.4142135623730951 {
      m *= 0.5
      k += 1
    }
    let f = m - 1
    let s = f / (2 + f)
    let square = s * s
    var rest = 0.0
    for n in stride(from: 23.0, through: 3, by: -2) { rest = (rest + 2 / n) * square }
    return k * ln2High + (f - (s * (f - rest) - k * ln2Low))
  }

  /// The sine, for |x| up to a million.
  public static func sin(_ x: Double) -> Double {
    let (r, tail, quadrant) = reduced(x)
    return quarter(r, tail, quadrant)
  }

  /// The cosine, for |x| up to a million.
  public static func cos(_ x: Double) -> Double {
    let (r, tail, quadrant) = reduced(x)
    return quarter(r, tail, quadrant + 1)
  }

  /// sin(pi x), exact at multiples of a half.
  public static func sinPi(_ x: Double) -> Double {
    guard x.isFinite else { return .nan }
    let halves = (2 * x).rounded()
    return quarter((x - halves * 0.5) * .pi, 0, Int(halves.truncatingRemainder(dividingBy: 4)))
  }

  /// cos(pi x), exact at multiples of a half.
  public static func cosPi(_ x: Double) -> Double {
    guard x.isFinite else { return .nan }
    let halves = (2 * x).rounded()
    return quarter((x - halves * 0.5) * .pi, 0, Int(halves.truncatingRemainder(dividingBy: 4)) + 1)
  }

  /// base^exponent by repeated squaring with twice the digits of a double.
  public static func pow(_ base: Double, _ exponent: Int) -> Double {
    var (result, square) = (Twofold(1), Twofold(base))
    var left = exponent.magnitude
    while left > 0 {
      if left & 1 == 1 { result = result * square }
      left >>= 1
      if left > 0 { square = square * square }
    }
    let value = result.high.isFinite && result.low.isFinite ? result.high + result.low : result.high
    return exponent < 0 ? 1 / value : value
  }

  /// base^exponent for a positive base, as e^(exponent log base): relative error about |exponent log base| ulp.
  public static func pow(_ base: Double, _ exponent: Double) -> Double {
    if exponent.rounded() == exponent, abs(exponent) < 0x1p53 { return pow(base, Int(exponent)) }
    return base == 0 ? (exponent > 0 ? 0 : .infinity) : exp(exponent * log(base))
  }

  private static func power2(_ exponent: Int) -> Double {
    Double(sign: .plus, exponent: exponent, significand: 1)
  }

  /// x = quadrant pi/2 + r + tail with |r| <= pi/4; pi/2 in parts of 33 bits (Cody, Waite 1980).
  private static func reduced(_ x: Double) -> (r: Double, tail: Double, quadrant: Int) {
    guard abs(x) <= 0x1p30 else { return (.nan, 0, 0) }
    let k = (x * 0.6366197723675814).rounded()
    let (a, b, c) = (0x1.921fb54400000p0, 0x1.0b4611a600000p-34, 0x1.3198a2e037073p-69)
    let first = x - k * a
    let second = first - k * b
    let lost = (first - second) - k * b
    let r = second - k * c
    return (r, (second - r) - k * c + lost, Int(k))
  }

  /// The sine of quadrant pi/2 + r + tail by Taylor's series; the last terms are below 1e-19.
  private static func quarter(_ r: Double, _ tail: Double, _ quadrant: Int) -> Double {
    let square = r * r
    let isCosine = quadrant & 1 == 1
    let value: Double
    if isCosine {
      var sum = 0.0
      for n in stride(from: 20.0, through: 4, by: -2) { sum = (1 - sum) * square / (n * (n - 1)) }
      let half = 0.5 * square
      let rough = 1 - half
      // What subtracting the half lost is added back.
      value = rough + (((1 - rough) - half) + (half * sum - r * tail))
    } else {
      var sum = 0.0
      for n in stride(from: 19.0, through: 3, by: -2) { sum = (1 - sum) * square / (n * (n - 1)) }
      value = r + (tail - r * sum)
    }
    return quadrant & 2 == 0 ? value : -value
  }
}

/// A number as the sum of two doubles.
private struct Twofold {
  var high: Double
  var low: Double

  init(_ value: Double) { (high, low) = (value, 0) }

  static func * (a: Twofold, b: Twofold) -> Twofold {
    let product = a.high * b.high
    // The fused multiply-add rounds once by definition, so this is the product's exact rest.
    let rest = (-product).addingProduct(a.high, b.high) + (a.high * b.low + a.low * b.high)
    var result = Twofold(product + rest)
    result.low = rest - (result.high - product)
    return result
  }
}
