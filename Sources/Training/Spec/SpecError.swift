/// What is wrong with a job, and where.
public struct SpecError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The path of the field, such as `model.layers.2.out`; empty for the job as a whole.
  public let field: String
  /// A sentence for the user, beginning with the field: `optimizer.lr must be > 0, got -1`.
  public let message: String

  /// The message.
  public var description: String { message }

  /// A fault of `field`, told by a whole sentence.
  public init(field: String, message: String) {
    self.field = field
    self.message = message
  }

  /// A fault of `field`, told as what follows its name.
  init(_ field: String, _ fault: String) {
    self.init(field: field, message: field.isEmpty ? "the job \(fault)" : "\(field) \(fault)")
  }
}
