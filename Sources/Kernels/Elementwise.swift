// Passes over each element on its own. Counts are multiples of 16: rows and arenas are padded, and every pass
// turns zeros into zeros, so that padding stays zero.

/// y = max(x, 0).
public func relu(_ count: Int, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>) {
  var i = 0
  while i < count {
    y.store(positivePart(x.vector(i)), i)
    i += laneCount
  }
}

/// dx = dy where y > 0, else 0; y is ReLU's output.
public func reluGradient(
  _ count: Int, _ dy: UnsafePointer<Float>, _ y: UnsafePointer<Float>, _ dx: UnsafeMutablePointer<Float>
) {
  var i = 0
  while i < count {
    dx.store(reluSlope(dy.vector(i), y.vector(i)), i)
    i += laneCount
  }
}

/// y = tanh x.
public func tangent(_ count: Int, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>) {
  var i = 0
  while i < count {
    y.store(hyperbolicTangent(x.vector(i)), i)
    i += laneCount
  }
}

/// dx = dy (1 - y^2); y is tanh's output.
public func tangentGradient(
  _ count: Int, _ dy: UnsafePointer<Float>, _ y: UnsafePointer<Float>, _ dx: UnsafeMutablePointer<Float>
) {
  var i = 0
  while i < count {
    dx.store(tangentSlope(dy.vector(i), y.vector(i)), i)
    i += laneCount
  }
}

@inline(__always) func reluSlope(_ dy: Vector, _ y: Vector) -> Vector {
  Vector.zero.replacing(with: dy, where: y .> 0)
}

@inline(__always) func tangentSlope(_ dy: Vector, _ y: Vector) -> Vector {
  dy * Vector(repeating: 1).addingProduct(-y, y)
}

/// c = a + b.
public func add(
  _ count: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>
) {
  var i = 0
  while i < count {
    c.store(a.vector(i) + b.vector(i), i)
    i += laneCount
  }
}

/// c = a b, element by element.
public func multiply(
  _ count: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>
) {
  var i = 0
  while i < count {
    c.store(a.vector(i) * b.vector(i), i)
    i += laneCount
  }
}

/// x *= factor.
public func scale(_ count: Int, _ factor: Float, _ x: UnsafeMutablePointer<Float>) {
  var i = 0
  while i < count {
    x.store(x.vector(i) * factor, i)
    i += laneCount
  }
}

/// x = x limited to -bound...bound; not-a-number stays.
public func clamp(_ count: Int, _ bound: Float, _ x: UnsafeMutablePointer<Float>) {
  var i = 0
  while i < count {
    let value = x.vector(i)
    let below = value.replacing(with: bound, where: value .> bound)
    x.store(below.replacing(with: -bound, where: below .< -bound), i)
    i += laneCount
  }
}

/// max(x, 0), with PyTorch's ReLU of not-a-number: not-a-number.
@inline(__always) func positivePart(_ x: Vector) -> Vector {
  x.replacing(with: 0, where: x .< 0)
}
