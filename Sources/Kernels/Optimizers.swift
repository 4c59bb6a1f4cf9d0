// Updates of parameters from gradients: one pass over flat arenas of one layout. Counts are multiples of 16. Every
// update leaves a zero with a zero gradient and zero state as it is, so padding stays zero.

/// Gradient descent with momentum. Reference: PyTorch's SGD.
///
/// g = gradient * gradientScale + weightDecay * parameter; with momentum, velocity = momentum * velocity +
/// (1 - dampening) * g, but the first step's is g; with nesterov the direction is g + momentum * velocity, else the
/// velocity; parameter -= rate * direction. `velocity` is nil where momentum is 0.
public func sgd(
  _ count: Int, _ parameters: UnsafeMutablePointer<Float>, _ gradients: UnsafePointer<Float>,
  _ velocity: UnsafeMutablePointer<Float>?, _ rate: Float, _ momentum: Float, _ dampening: Float,
  _ weightDecay: Float, _ gradientScale: Float, _ nesterov: Bool, _ isFirstStep: Bool
) {
  var i = 0
  guard let velocity else {
    while i < count {
      let p = parameters.vector(i)
      let g = (gradients.vector(i) * gradientScale).addingProduct(weightDecay, p)
      parameters.store(p.addingProduct(-rate, g), i)
      i += laneCount
    }
    return
  }
  let (kept, added): (Float, Float) = isFirstStep ? (0, 1) : (momentum, 1 - dampening)
  while i < count {
    let p = parameters.vector(i)
    let g = (gradients.vector(i) * gradientScale).addingProduct(weightDecay, p)
    let v = (g * added).addingProduct(kept, velocity.vector(i))
    velocity.store(v, i)
    let direction = nesterov ? g.addingProduct(momentum, v) : v
    parameters.store(p.addingProduct(-rate, direction), i)
    i += laneCount
  }
}

/// Adaptive moments (Kingma, Ba 2014) with weight decay in the gradient. Reference: PyTorch's Adam.
///
/// g = gradient * gradientScale + weightDecay * parameter; m += (1 - beta1) (g - m);
/// v = beta2 v + (1 - beta2) g^2; parameter -= stepSize * m / (sqrt(v) / rootCorrection + epsilon), where stepSize
/// is rate / (1 - beta1^t) and rootCorrection sqrt(1 - beta2^t).
public func adam(
  _ count: Int, _ parameters: UnsafeMutablePointer<Float>, _ gradients: UnsafePointer<Float>,
  _ m: UnsafeMutablePointer<Float>, _ v: UnsafeMutablePointer<Float>, _ stepSize: Float,
  _ beta1Complement: Float,
  _ beta2: Float, _ beta2Complement: Float, _ rootCorrection: Float, _ epsilon: Float, _ weightDecay: Float,
  _ gradientScale: Float
) {
  // One division an element fewer; the quotient's rounding is far below what epsilon is for.
  let inverseCorrection = 1 / rootCorrection
  var i = 0
  while i < count {
    let p = parameters.vector(i)
    let g = (gradients.vector(i) * gradientScale).addingProduct(weightDecay, p)
    let oldM = m.vector(i)
    let newM = oldM.addingProduct(beta1Complement, g - oldM)
    let newV = (v.vector(i) * beta2).addingProduct(g * beta2Complement, g)
    m.store(newM, i)
    v.store(newV, i)
    let root = Vector(repeating: epsilon).addingProduct(
      newV.squareRoot(), Vector(repeating: inverseCorrection))
    // Differs from PyTorch with epsilon 0: what never had a gradient stays, instead of becoming 0 / 0.
    let ratio = (newM / root).replacing(with: 0, where: newM .== 0)
    parameters.store(p.addingProduct(-stepSize, ratio), i)
    i += laneCount
  }
}
