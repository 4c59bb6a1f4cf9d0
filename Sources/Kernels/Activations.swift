// Activations by number, with an `alpha` where they have one, and their gradients from the input. Counts are
// multiples of 16. Those that are not 0 at 0 leave something in the padding, which `clearPadding` takes away.

/// The raw values are part of the instruction format.
public let activationLeakyRelu: Int32 = 0
/// x, or alpha (e^x - 1) below 0. Clevert, Unterthiner, Hochreiter 2015.
public let activationElu: Int32 = 1
/// ELU with Klambauer, Unterthiner, Mayr, Hochreiter's (2017) two constants.
public let activationSelu: Int32 = 2
/// x times the normal distribution's function. Hendrycks, Gimpel 2016.
public let activationGelu: Int32 = 3
/// GELU by the hyperbolic tangent.
public let activationGeluTanh: Int32 = 4
/// x sigmoid(x). Elfwing, Uchibe, Doya 2017.
public let activationSilu: Int32 = 5
/// 1 / (1 + e^-x).
public let activationSigmoid: Int32 = 6
/// log(1 + e^(alpha x)) / alpha.
public let activationSoftplus: Int32 = 7
/// x clamp(x + 3, 0, 6) / 6. Howard et al. 2019.
public let activationHardswish: Int32 = 8

/// y = f(x).
public func activate(
  _ count: Int, _ kind: Int32, _ alpha: Float, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>
) {
  switch kind {
  case activationLeakyRelu: leakyReluValues(count, alpha, x, y)
  case activationElu: eluValues(count, alpha, x, y)
  case activationSelu: seluValues(count, x, y)
  case activationGelu: geluValues(count, x, y)
  case activationGeluTanh: geluTanhValues(count, x, y)
  case activationSilu: siluValues(count, x, y)
  case activationSigmoid: sigmoidValues(count, x, y)
  case activationSoftplus: softplusValues(count, alpha, x, y)
  default: hardswishValues(count, x, y)
  }
}

/// dx = dy f'(x); at a corner the slope that PyTorch gives.
public func activationGradient(
  _ count: Int, _ kind: Int32, _ alpha: Float, _ dy: UnsafePointer<Float>, _ x: UnsafePointer<Float>,
  _ dx: UnsafeMutablePointer<Float>
) {
  switch kind {
  case activationLeakyRelu: leakyReluGradient(count, alpha, dy, x, dx)
  case activationElu: eluGradient(count, alpha, dy, x, dx)
  case activationSelu: seluGradient(count, dy, x, dx)
  case activationGelu: geluGradient(count, dy, x, dx)
  case activationGeluTanh: geluTanhGradient(count, dy, x, dx)
  case activationSilu: siluGradient(count, dy, x, dx)
  case activationSigmoid: sigmoidGradient(count, dy, x, dx)
  case activationSoftplus: softplusGradient(count, alpha, dy, x, dx)
  default: hardswishGradient(count, dy, x, dx)
  }
}

// Each pass is a function of its own: inside of a very large one the compiler no longer inlines what it should.

@inline(never) private func leakyReluValues(
  _ count: Int, _ alpha: Float, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>
) {
  mapVectors(count, x, y) { x in leakyRelu(x, alpha) }
}

@inline(never) private func eluValues(
  _ count: Int, _ alpha: Float, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>
) {
  mapVectors(count, x, y) { x in exponentialUnit(x, alpha, 1) }
}

@inline(never) private func seluValues(
  _ count: Int, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>
) {
  mapVectors(count, x, y) { x in exponentialUnit(x, seluAlpha, seluScale) }
}

@inline(never) private func geluValues(
  _ count: Int, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>
) {
  mapVectors(count, x, y) { x in x * normal(x).below }
}

@inline(never) private func geluTanhValues(
  _ count: Int, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>
) {
  mapVectors(count, x, y) { x in geluTangent(x) }
}

@inline(never) private func siluValues(
  _ count: Int, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>
) {
  mapVectors(count, x, y) { x in x * logistic(x) }
}

@inline(never) private func sigmoidValues(
  _ count: Int, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>
) {
  mapVectors(count, x, y) { x in logistic(x) }
}

@inline(never) private func softplusValues(
  _ count: Int, _ alpha: Float, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>
) {
  mapVectors(count, x, y) { x in softplus(x * alpha) * (1 / alpha) }
}

@inline(never) private func hardswishValues(
  _ count: Int, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>
) {
  mapVectors(count, x, y) { x in hardswish(x) }
}

@inline(never) private func leakyReluGradient(
  _ count: Int, _ alpha: Float, _ dy: UnsafePointer<Float>, _ x: UnsafePointer<Float>,
  _ dx: UnsafeMutablePointer<Float>
) {
  mapVectors(count, dy, x, dx) { dy, x in (dy * alpha).replacing(with: dy, where: x .> 0) }
}

@inline(never) private func eluGradient(
  _ count: Int, _ alpha: Float, _ dy: UnsafePointer<Float>, _ x: UnsafePointer<Float>,
  _ dx: UnsafeMutablePointer<Float>
) {
  mapVectors(count, dy, x, dx) { dy, x in dy * exponentialUnitSlope(x, alpha, 1) }
}

@inline(never) private func seluGradient(
  _ count: Int, _ dy: UnsafePointer<Float>, _ x: UnsafePointer<Float>, _ dx: UnsafeMutablePointer<Float>
) {
  mapVectors(count, dy, x, dx) { dy, x in dy * exponentialUnitSlope(x, seluAlpha, seluScale) }
}

@inline(never) private func geluGradient(
  _ count: Int, _ dy: UnsafePointer<Float>, _ x: UnsafePointer<Float>, _ dx: UnsafeMutablePointer<Float>
) {
  mapVectors(count, dy, x, dx) { dy, x in dy * geluSlope(x) }
}

@inline(never) private func geluTanhGradient(
  _ count: Int, _ dy: UnsafePointer<Float>, _ x: UnsafePointer<Float>, _ dx: UnsafeMutablePointer<Float>
) {
  mapVectors(count, dy, x, dx) { dy, x in dy * geluTangentSlope(x) }
}

@inline(never) private func siluGradient(
  _ count: Int, _ dy: UnsafePointer<Float>, _ x: UnsafePointer<Float>, _ dx: UnsafeMutablePointer<Float>
) {
  mapVectors(count, dy, x, dx) { dy, x in dy * siluSlope(x) }
}

@inline(never) private func sigmoidGradient(
  _ count: Int, _ dy: UnsafePointer<Float>, _ x: UnsafePointer<Float>, _ dx: UnsafeMutablePointer<Float>
) {
  mapVectors(count, dy, x, dx) { dy, x in dy * logisticSlope(x) }
}

@inline(never) private func softplusGradient(
  _ count: Int, _ alpha: Float, _ dy: UnsafePointer<Float>, _ x: UnsafePointer<Float>,
  _ dx: UnsafeMutablePointer<Float>
) {
  mapVectors(count, dy, x, dx) { dy, x in dy * logistic(x * alpha) }
}

@inline(never) private func hardswishGradient(
  _ count: Int, _ dy: UnsafePointer<Float>, _ x: UnsafePointer<Float>, _ dx: UnsafeMutablePointer<Float>
) {
  mapVectors(count, dy, x, dx) { dy, x in dy * hardswishSlope(x) }
}

/// Sets the floats after the first `columns` of each row to 0.
public func clearPadding(_ rows: Int, _ columns: Int, _ stride: Int, _ x: UnsafeMutablePointer<Float>) {
  for row in 0..<rows { (x + row * stride + columns).update(repeating: 0, count: stride - columns) }
}

private let seluAlpha: Float = 1.673_263_242_354_377_2
private let seluScale: Float = 1.050_700_987_355_480_5
/// The square root of 2 / pi.
private let tangentScale: Float = 0.797_884_560_802_865_4
private let tangentCube: Float = 0.044_715

@inline(__always) private func mapVectors(
  _ count: Int, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ f: (Vector) -> Vector
) {
  var i = 0
  while i < count {
    y.store(f(x.vector(i)), i)
    i += laneCount
  }
}

@inline(__always) private func mapVectors(
  _ count: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>,
  _ f: (Vector, Vector) -> Vector
) {
  var i = 0
  while i < count {
    y.store(f(a.vector(i), b.vector(i)), i)
    i += laneCount
  }
}

@inline(__always) private func leakyRelu(_ x: Vector, _ slope: Float) -> Vector {
  x.replacing(with: x * slope, where: x .< 0)
}

@inline(__always) private func exponentialUnit(_ x: Vector, _ alpha: Float, _ scale: Float) -> Vector {
  (x * scale).replacing(with: exponentialLessOne(x) * (alpha * scale), where: x .< 0)
}

@inline(__always) private func exponentialUnitSlope(_ x: Vector, _ alpha: Float, _ scale: Float) -> Vector {
  (exponential(x) * (alpha * scale)).replacing(with: scale, where: x .> 0)
}

@inline(__always) private func siluSlope(_ x: Vector) -> Vector {
  let s = logistic(x)
  return s.addingProduct(x * s, 1 - s)
}

@inline(__always) private func logisticSlope(_ x: Vector) -> Vector {
  let s = logistic(x)
  return s * (1 - s)
}

/// The density of the normal distribution at 0.
private let densityAtZero: Float = 0.398_942_280_401_432_7

@inline(__always) private func geluSlope(_ x: Vector) -> Vector {
  let (below, power) = normal(x)
  return below.addingProduct(x, power * densityAtZero)
}

/// y = GELU of x, and its slope there.
public func geluWithSlope(
  _ count: Int, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>,
  _ slope: UnsafeMutablePointer<Float>
) {
  var i = 0
  while i < count {
    let value = x.vector(i)
    let (below, power) = normal(value)
    y.store(value * below, i)
    slope.store(below.addingProduct(value, power * densityAtZero), i)
    i += laneCount
  }
}

/// sqrt(2 / pi) (x + 0.044715 x^3).
@inline(__always) private func geluInner(_ x: Vector) -> Vector {
  x * (x * x * (tangentCube * tangentScale) + tangentScale)
}

@inline(__always) private func geluTangent(_ x: Vector) -> Vector {
  let half = x * 0.5
  return half.addingProduct(half, hyperbolicTangent(geluInner(x)))
}

@inline(__always) private func geluTangentSlope(_ x: Vector) -> Vector {
  let t = hyperbolicTangent(geluInner(x))
  let inner = x * x * (3 * tangentCube * tangentScale) + tangentScale
  let value = (t + 1) * 0.5
  return value.addingProduct(x * 0.5 * (1 - t * t), inner)
}

@inline(__always) private func softplus(_ x: Vector) -> Vector {
  let size = unsafeBitCast(unsafeBitCast(x, to: SIMD16<UInt32>.self) & 0x7FFF_FFFF, to: Vector.self)
  return positivePart(x) + logarithmOfOneMore(exponential(-size))
}

@inline(__always) private func hardswish(_ x: Vector) -> Vector {
  let low = (x + 3).replacing(with: 0, where: x .< -3)
  return x * low.replacing(with: 6, where: x .> 3) / 6
}

@inline(__always) private func hardswishSlope(_ x: Vector) -> Vector {
  let middle = x * (1 / 3 as Float) + 0.5
  return middle.replacing(with: 0, where: x .<= -3).replacing(with: 1, where: x .>= 3)
}

/// y = erf x over `count` floats, a multiple of 16.
public func errorFunctions(_ count: Int, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>) {
  mapVectors(count, x, y) { errorFunction($0) }
}
