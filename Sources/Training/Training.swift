// Training: from a job's description to curves and checkpoints.
//
// What lives here
//   Spec/        `JobSpec`, the only configuration of a run, read by one typed `FieldReader`
//   Methods/     schedules, optimizers, losses, layers, initializations: one small file each, found by its `type`
//                in a `MethodTable`
//   Data/        the data sets that come with the program, how a set is cut into parts, scaled and put in batches
//   Checkpoint/  safetensors, and what a run needs to go on from
//   Run/         the model as a plan, the loop, what it reports to
//
// What does not: tensors and their arithmetic (Autodiff, Kernels); where curves and checkpoints are kept (whoever
// implements `RunRecorder`); when jobs run (the scheduler).
//
// Everything is a pure function of the spec, its seed and the data: no clock, no shared random state, no order of
// threads. The one curve that depends on time is `examples_per_second`.
//
// Adding a method: write its file under Methods/ with its fields, defaults and reference, and add its row to the
// family's `MethodTable`. Adding a data set: a row in `DatasetCatalog`.
