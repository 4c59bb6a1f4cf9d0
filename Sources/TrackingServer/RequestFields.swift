import HTTP
import JSON
import Training

/// Reads a request's body field by field, as a job is read: every fault names its field, and what `read` does not ask for
/// is refused. `name` is what the fields belong to.
func fields<Value>(of body: JSON, _ name: String, _ read: (FieldReader) throws -> Value) throws -> Value {
  do {
    let fields = try FieldReader(body, whole: "the body")
    let value = try read(fields)
    try fields.finish(name)
    return value
  } catch let error as SpecError {
    throw HTTPFailure.invalid(error.field.isEmpty ? nil : error.field, error.message)
  }
}
