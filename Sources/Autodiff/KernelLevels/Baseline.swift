// The kernels compiled for the base of the architecture. The file imports that compilation alone, so its names mean no other.

import Kernels

extension KernelTable {
  static let baseline = baselineKernels
}

private let baselineKernels = KernelTable(
  level: .baseline,
  product: productNarrow,
  columnSums: columnSums,
  add: add,
  relu: relu,
  reluGradient: reluGradient,
  tanh: tangent,
  tanhGradient: tangentGradient,
  exp: exponentials,
  log: logarithms,
  dropout: dropout,
  crossEntropy: softmaxCrossEntropy,
  squaredError: squaredError,
  patches: patches,
  scatterPatches: scatterPatches,
  sumPartials: sumPartials,
  toPlanes: toPlanes,
  toChannels: toChannels,
  maxPool: maxPool,
  maxPoolGradient: maxPoolGradient,
  averagePool: averagePool,
  averagePoolGradient: averagePoolGradient,
  batchMoments: batchMoments,
  batchStatistics: batchStatistics,
  batchCoefficients: batchCoefficients,
  batchNormalize: batchNormalize,
  batchGradientSums: batchGradientSums,
  batchGradientCombine: batchGradientCombine,
  batchGradient: batchGradient,
  addRows: addRows,
  gatherRows: gatherRows,
  repack: repack,
  gatherLabels: gatherLabels,
  sumsOfSquares: sumsOfSquares,
  areFinite: areFinite,
  scale: scale,
  clamp: clamp,
  update: update,
  blockSquares: blockSquares,
  penalize: penalize,
  combine: combine,
  interpolate: interpolate)
