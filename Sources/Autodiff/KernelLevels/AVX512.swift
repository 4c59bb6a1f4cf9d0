// The kernels compiled for x86-64-v4. The file imports that compilation alone, so its names mean no other.

import KernelsAVX512

extension KernelTable {
  static let avx512 = avx512Kernels
}

private let avx512Kernels = KernelTable(
  level: .avx512,
  product: productWide,
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
