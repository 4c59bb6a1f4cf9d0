// The random numbers of a run outside of its graph, by purpose: a number is a function of the seed, what it is
// for, and two counters, never of what was drawn before. The graph's own (dropout) have the streams below 2^31.

import Autodiff

/// What random numbers are for; each purpose has a stream of its own.
enum RandomPurpose: UInt32 {
  case dataset = 0x8000_0000
  case testSplit, validationSplit, order, initialization, bootstrap, augmentation, weightNoise, inputNoise
  case mixing, partners, masking, maskingInEvaluation
  case sampling = 0x8000_1000
  case textShift, sharpness
}

/// Random numbers of one purpose, each found by its place (step, element).
struct RandomStream: Sendable {
  let seed: UInt64
  let purpose: RandomPurpose

  init(seed: UInt64, _ purpose: RandomPurpose) {
    self.seed = seed
    self.purpose = purpose
  }

  /// Uniform in 0..<1, a multiple of 2^-53.
  func uniform(_ step: Int, _ element: Int) -> Double { at(step).uniformDouble(UInt64(element)) }

  /// Mean 0 and standard deviation 1.
  func normal(_ step: Int, _ element: Int) -> Double { at(step).normal(UInt64(element)) }

  /// 0..<count in random order.
  func permutation(step: Int, count: Int) -> [Int32] { at(step).permutation(count) }

  private func at(_ step: Int) -> Philox { Philox(seed: seed, stream: purpose.rawValue, step: UInt64(step)) }
}
