import Glibc

/// Why an uploaded file did not become a data set.
public enum ImportError: Error, Sendable, Equatable {
  /// The file is not what it should be; the position (line or byte) and what is wrong there. `field` names the
  /// request's parameter or the part of its form that is to be changed, where it is not the file itself.
  case damaged(field: String?, String)
  /// The disk has no room.
  case diskFull
  /// The folder cannot be written; `errno`.
  case unwritable(Int32)

  static func damaged(_ message: String) -> ImportError { .damaged(field: nil, message) }

  init(errno code: Int32) {
    self = code == ENOSPC || code == EDQUOT ? .diskFull : .unwritable(code)
  }
}
