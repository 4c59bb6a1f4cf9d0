// Updates of parameters from gradients: one pass over blocks of flat arenas of one layout, with the optimizer's
// rule in the middle. Every rule leaves a zero with a zero gradient and zero state as it is, so padding stays zero.
//
// A block is three integers: its first vector, its number of vectors, and the group whose coefficients it takes; a
// negative group is measured and left alone. The coefficients of a group are sixteen floats. All rules begin with
// them alike: g = gradient * c[0] + c[1] * p, and the parameter that is then moved is p * c[2].

/// Integers of a block.
public let blockIntegers = 3
/// Coefficients of a group.
public let groupCoefficients = 16

/// The rules; Autodiff's `UpdateRule` has the same numbers.
private let (momentumRule, adagradRule, adadeltaRule): (Int32, Int32, Int32) = (1, 2, 3)
private let (rmspropRule, momentsRule, adamaxRule, lionRule): (Int32, Int32, Int32, Int32) = (4, 5, 6, 7)

/// Updates blocks `first`..<`first` + `count`. Where `sums` is not nil, sums[2 b] becomes the sum of squares of what
/// block b's parameters moved by, and sums[2 b + 1] that of the parameters before.
public func update(
  _ rule: Int32, _ blocks: UnsafePointer<Int32>, _ first: Int, _ count: Int,
  _ parameters: UnsafeMutablePointer<Float>, _ gradients: UnsafePointer<Float>,
  _ s0: UnsafeMutablePointer<Float>?, _ s1: UnsafeMutablePointer<Float>?,
  _ s2: UnsafeMutablePointer<Float>?, _ coefficients: UnsafePointer<Float>,
  _ sums: UnsafeMutablePointer<Float>?
) {
  for number in first..<first + count {
    let place = blocks + number * blockIntegers
    let block = Block(
      start: Int(place[0]) * laneCount, end: (Int(place[0]) + Int(place[1])) * laneCount,
      parameters: parameters, gradients: gradients, sums: sums.map { $0 + 2 * number })
    guard place[2] >= 0 else {
      block.measure()
      continue
    }
    let c = coefficients + Int(place[2]) * groupCoefficients
    switch rule {
    case momentumRule: if let s0 { momentum(block, c, s0) }
    case adagradRule: if let s0 { adagrad(block, c, s0) }
    case adadeltaRule: if let s0, let s1 { adadelta(block, c, s0, s1) }
    case rmspropRule: if let s0 { rmsprop(block, c, s0, s1, s2) }
    case momentsRule: if let s0, let s1 { moments(block, c, s0, s1, s2) }
    case adamaxRule: if let s0, let s1 { adamax(block, c, s0, s1) }
    case lionRule: if let s0 { lion(block, c, s0) }
    default: descend(block, c)
    }
  }
}

/// Where a block lies, and the loop over it.
private struct Block {
  let start: Int
  let end: Int
  let parameters: UnsafeMutablePointer<Float>
  let gradients: UnsafePointer<Float>
  let sums: UnsafeMutablePointer<Float>?

  /// Replaces each vector of parameters by what `next` makes of (its index, it after decay, its gradient).
  @inline(__always) func move(_ c: UnsafePointer<Float>, _ next: (Int, Vector, Vector) -> Vector) {
    let (scale, decay, kept) = (c[0], c[1], c[2])
    var (moved, size) = (Vector.zero, Vector.zero)
    var i = start
    while i < end {
      let p = parameters.vector(i)
      let g = (gradients.vector(i) * scale).addingProduct(decay, p)
      let new = next(i, p * kept, g)
      parameters.store(new, i)
      let step = new - p
      moved = moved.addingProduct(step, step)
      size = size.addingProduct(p, p)
      i += laneCount
    }
    keep(moved, size)
  }

  @inline(__always) func measure() {
    var size = Vector.zero
    var i = start
    while i < end {
      size = size.addingProduct(parameters.vector(i), parameters.vector(i))
      i += laneCount
    }
    keep(.zero, size)
  }

  @inline(__always) private func keep(_ moved: Vector, _ size: Vector) {
    guard let sums else { return }
    sums[0] = Lanes.sum(moved)
    sums[1] = Lanes.sum(size)
  }
}

/// What never had a gradient stays where it is, also when the denominator is 0.
@inline(__always) private func ratio(_ a: Vector, _ b: Vector) -> Vector {
  (a / b).replacing(with: 0, where: a .== 0)
}

/// sqrt(x + inside) + outside.
@inline(__always) private func root(_ x: Vector, inside: Float, outside: Float) -> Vector {
  (x + inside).squareRoot() + outside
}

/// p -= c[3] g.
private func descend(_ block: Block, _ c: UnsafePointer<Float>) {
  let rate = -c[3]
  block.move(c) { _, p, g in p.addingProduct(rate, g) }
}

/// v = c[4] v + c[5] g; p -= c[3] (c[6] g + c[7] v).
private func momentum(_ block: Block, _ c: UnsafePointer<Float>, _ v: UnsafeMutablePointer<Float>) {
  let (rate, kept, added, direct, through) = (-c[3], c[4], c[5], c[6], c[7])
  block.move(c) { i, p, g in
    let velocity = (g * added).addingProduct(kept, v.vector(i))
    v.store(velocity, i)
    return p.addingProduct(rate, (velocity * through).addingProduct(direct, g))
  }
}

/// s += g^2; p -= c[3] g / (sqrt(s + c[5]) + c[4]).
private func adagrad(_ block: Block, _ c: UnsafePointer<Float>, _ s: UnsafeMutablePointer<Float>) {
  let (rate, outside, inside) = (-c[3], c[4], c[5])
  block.move(c) { i, p, g in
    let sum = s.vector(i).addingProduct(g, g)
    s.store(sum, i)
    return p.addingProduct(rate, ratio(g, root(sum, inside: inside, outside: outside)))
  }
}

/// v = c[4] v + c[5] g^2; d = sqrt(u + c[6]) / sqrt(v + c[6]) g; u = c[4] u + c[5] d^2; p -= c[3] d.
private func adadelta(
  _ block: Block, _ c: UnsafePointer<Float>, _ v: UnsafeMutablePointer<Float>,
  _ u: UnsafeMutablePointer<Float>
) {
  let (rate, kept, added, inside) = (-c[3], c[4], c[5], c[6])
  block.move(c) { i, p, g in
    let newV = (v.vector(i) * kept).addingProduct(g * added, g)
    let oldU = u.vector(i)
    let d = ratio(root(oldU, inside: inside, outside: 0) * g, root(newV, inside: inside, outside: 0))
    v.store(newV, i)
    u.store((oldU * kept).addingProduct(d * added, d), i)
    return p.addingProduct(rate, d)
  }
}

/// v = c[4] v + c[5] g^2; centered (c[9] is 1): a += c[5] (g - a) and the root is of v - a^2, else of v;
/// d = g / (sqrt(. + c[7]) + c[6]); with momentum (c[10] is 1): b = c[8] b + d; p -= c[3] b, else p -= c[3] d.
/// The slots are v, then a and b as far as there are any.
private func rmsprop(
  _ block: Block, _ c: UnsafePointer<Float>, _ v: UnsafeMutablePointer<Float>,
  _ second: UnsafeMutablePointer<Float>?, _ third: UnsafeMutablePointer<Float>?
) {
  let (rate, kept, added, outside, inside, momentum) = (-c[3], c[4], c[5], c[6], c[7], c[8])
  let average = c[9] == 1 ? second : nil
  let buffer = c[10] == 1 ? (c[9] == 1 ? third : second) : nil
  block.move(c) { i, p, g in
    var variance = (v.vector(i) * kept).addingProduct(g * added, g)
    v.store(variance, i)
    if let average {
      let old = average.vector(i)
      let mean = old.addingProduct(added, g - old)
      average.store(mean, i)
      // Not below 0, where rounding would leave it and the root would not be a number.
      variance = variance.addingProduct(-mean, mean)
      variance = variance.replacing(with: 0, where: variance .< 0)
    }
    var d = ratio(g, root(variance, inside: inside, outside: outside))
    if let buffer {
      d = d.addingProduct(momentum, buffer.vector(i))
      buffer.store(d, i)
    }
    return p.addingProduct(rate, d)
  }
}

/// Adam and its family. m += c[5] (g - m); v = c[6] v + c[7] g^2; with a third slot w = max(w, v), else w is v;
/// p -= (c[3] m + c[4] g) / (sqrt(c[8] w + c[10]) + c[9]).
private func moments(
  _ block: Block, _ c: UnsafePointer<Float>, _ m: UnsafeMutablePointer<Float>,
  _ v: UnsafeMutablePointer<Float>, _ largest: UnsafeMutablePointer<Float>?
) {
  let (through, direct) = (c[3], c[4])
  let (addedM, keptV, addedV, correction, outside) = (c[5], c[6], c[7], c[8], c[9])
  let inside = Vector(repeating: c[10])
  block.move(c) { i, p, g in
    let oldM = m.vector(i)
    let newM = oldM.addingProduct(addedM, g - oldM)
    let newV = (v.vector(i) * keptV).addingProduct(g * addedV, g)
    m.store(newM, i)
    v.store(newV, i)
    var second = newV
    if let largest {
      let old = largest.vector(i)
      second = newV.replacing(with: old, where: old .> newV)
      largest.store(second, i)
    }
    let root = inside.addingProduct(correction, second).squareRoot() + outside
    return p - ratio((newM * through).addingProduct(direct, g), root)
  }
}

/// m += c[4] (g - m); u = max(c[5] u, |g| + c[6]); p -= c[3] m / u.
private func adamax(
  _ block: Block, _ c: UnsafePointer<Float>, _ m: UnsafeMutablePointer<Float>,
  _ u: UnsafeMutablePointer<Float>
) {
  let (rate, addedM, keptU, epsilon) = (-c[3], c[4], c[5], c[6])
  block.move(c) { i, p, g in
    let oldM = m.vector(i)
    let newM = oldM.addingProduct(addedM, g - oldM)
    let (kept, size) = (u.vector(i) * keptU, g.replacing(with: -g, where: g .< 0) + epsilon)
    let newU = size.replacing(with: kept, where: kept .> size)
    m.store(newM, i)
    u.store(newU, i)
    return p.addingProduct(rate, ratio(newM, newU))
  }
}

/// p -= c[3] sign(m + c[4] (g - m)); m += c[5] (g - m).
private func lion(_ block: Block, _ c: UnsafePointer<Float>, _ m: UnsafeMutablePointer<Float>) {
  let (rate, mixed, added) = (c[3], c[4], c[5])
  block.move(c) { i, p, g in
    let old = m.vector(i)
    let direction = old.addingProduct(mixed, g - old)
    m.store(old.addingProduct(added, g - old), i)
    let step = Vector.zero.replacing(with: rate, where: direction .> 0)
    return p - step.replacing(with: -rate, where: direction .< 0)
  }
}

/// sums[b] = the sum of squares of block b of `x`, for blocks `first`..<`first` + `count`.
public func blockSquares(
  _ blocks: UnsafePointer<Int32>, _ first: Int, _ count: Int, _ x: UnsafePointer<Float>,
  _ sums: UnsafeMutablePointer<Float>
) {
  for number in first..<first + count {
    let place = blocks + number * blockIntegers
    sums[number] = sumOfSquares(Int(place[1]) * laneCount, x + Int(place[0]) * laneCount)
  }
}

/// Adds the gradient of penalties to blocks of a group: gradient += twiceL2 p + l1 sign(p). sums[2 b] becomes the
/// sum of squares of block b's parameters and sums[2 b + 1] that of their sizes; 0 for a negative group.
public func penalize(
  _ blocks: UnsafePointer<Int32>, _ first: Int, _ count: Int, _ parameters: UnsafePointer<Float>,
  _ gradients: UnsafeMutablePointer<Float>, _ twiceL2: Float, _ l1: Float,
  _ sums: UnsafeMutablePointer<Float>
) {
  for number in first..<first + count {
    let place = blocks + number * blockIntegers
    var (squares, sizes) = (Vector.zero, Vector.zero)
    var i = Int(place[0]) * laneCount
    let end = place[2] >= 0 ? i + Int(place[1]) * laneCount : i
    while i < end {
      let p = parameters.vector(i)
      let sign = Vector.zero.replacing(with: 1, where: p .> 0).replacing(with: -1, where: p .< 0)
      gradients.store(gradients.vector(i).addingProduct(twiceL2, p).addingProduct(l1, sign), i)
      squares = squares.addingProduct(p, p)
      sizes = sizes.addingProduct(p, sign)
      i += laneCount
    }
    sums[2 * number] = Lanes.sum(squares)
    sums[2 * number + 1] = Lanes.sum(sizes)
  }
}

/// y = a x + b y; `count` is a multiple of 16.
public func combine(
  _ count: Int, _ a: Float, _ x: UnsafePointer<Float>, _ b: Float, _ y: UnsafeMutablePointer<Float>
) {
  var i = 0
  while i < count {
    y.store((y.vector(i) * b).addingProduct(a, x.vector(i)), i)
    i += laneCount
  }
}

/// y += a (x - y); `count` is a multiple of 16.
public func interpolate(_ count: Int, _ a: Float, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>)
{
  var i = 0
  while i < count {
    let old = y.vector(i)
    y.store(old.addingProduct(a, x.vector(i) - old), i)
    i += laneCount
  }
}
