// The kernels compiled for x86-64-v3. The file imports that compilation alone, so its names mean no other.

import KernelsAVX2

extension KernelTable {
  static let avx2 = avx2Kernels
}

private let avx2Kernels = KernelTable(
  level: .avx2,
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
