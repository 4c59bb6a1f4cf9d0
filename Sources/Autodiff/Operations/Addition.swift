/// c = a + b: joins the parts of a gradient.
struct Addition: Operation {
  let name = "add"

  func emit(_ step: Step, _ emitter: inout Emitter) {
    emitter.elementwise(.add, [step.inputs[0], step.inputs[1], step.outputs[0]])
  }
}
