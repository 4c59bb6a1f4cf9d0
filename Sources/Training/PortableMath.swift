// Functions of whole-program doubles that give the same bits on every machine: only additions,
// multiplications, divisions and square roots, never the C library's approximations, which differ between
// versions and processors. For the few numbers a step or a data set needs, not for tensors.

enum PortableMath {
  /// cos(pi * x), exact at multiples of a half.
  static func cosinePi(_ x: Double) -> Double {
    var turn = abs(x).truncatingRemainder(dividingBy: 2)
    if turn > 1 { turn = 2 - turn }
    if turn > 0.5 { return -cosinePi(1 - turn) }
    if turn > 0.25 { return sineSeries(.pi * (0.5 - turn)) }
    return cosineSeries(.pi * turn)
  }

  /// sin(pi * x), exact at multiples of a half.
  static func sinePi(_ x: Double) -> Double {
    cosinePi(x - 0.5)
  }

  /// The natural logarithm of a positive normal number, to a few units in the last place.
  static func logarithm(_ x: Double) -> Double {
    var (exponent, mantissa) = (Double(x.exponent), x.significand)
    if mantissa > 1.4142135623730951 {
      mantissa /= 2
      exponent += 1
    }
    let z = (mantissa - 1) / (mantissa + 1)
    let square = z * z
    var sum = 0.0
    for n in stride(from: 23.0, through: 1, by: -2) { sum = sum * square + 1 / n }
    return exponent * 0.6931471805599453 + 2 * z * sum
  }

  /// e^x for x <= 0, to a few units in the last place; 0 below -700.
  static func exponential(_ x: Double) -> Double {
    guard x > -700 else { return x.isNaN ? x : 0 }
    let twos = (x / 0.6931471805599453).rounded()
    let rest = x - twos * 0.693147180369123816490 - twos * 1.90821492927058770002e-10
    var sum = 1.0
    for n in stride(from: 16.0, through: 1, by: -1) { sum = 1 + rest / n * sum }
    return Double(sign: .plus, exponent: Int(twos), significand: sum)
  }

  /// base^exponent for exponents from 0, by repeated squaring.
  static func power(_ base: Double, _ exponent: Int) -> Double {
    var result = 1.0
    var square = base
    var left = exponent
    while left > 0 {
      if left & 1 == 1 { result *= square }
      square *= square
      left >>= 1
    }
    return result
  }

  /// For 0...pi/4; the last term is below 1e-19.
  private static func sineSeries(_ x: Double) -> Double {
    let square = x * x
    var sum = 1.0
    for n in stride(from: 17.0, through: 3, by: -2) { sum = 1 - square / (n * (n - 1)) * sum }
    return x * sum
  }

  private static func cosineSeries(_ x: Double) -> Double {
    let square = x * x
    var sum = 1.0
    for n in stride(from: 18.0, through: 2, by: -2) { sum = 1 - square / (n * (n - 1)) * sum }
    return sum
  }
}
