import HTTP
import Storage

/// Demands the bearer token of everything that is not open; without a token everything is allowed.
///
/// The comparison takes the same time wherever the first wrong byte is.
func authorizer(token: String?) -> @Sendable (HTTPPermission, HTTPRequest) throws -> Void {
  guard let token else { return { _, _ in } }
  let expected = Array("Bearer \(token)".utf8)
  return { permission, request in
    guard permission != .open else { return }
    let given = Array((request.headers["Authorization"] ?? "").utf8)
    var difference = given.count ^ expected.count
    for (index, byte) in expected.enumerated() {
      difference |= Int(byte ^ (index < given.count ? given[index] : ~byte))
    }
    guard difference == 0 else {
      throw HTTPFailure(
        status: 401, message: "this server wants its token: Authorization: Bearer TOKEN",
        headers: ["WWW-Authenticate": "Bearer realm=\"cairn\""])
    }
  }
}

/// What a client sees of a fault of the store; nil for what is no client's business.
func failure(of error: StoreError) -> HTTPFailure? {
  switch error {
  case .full: HTTPFailure(status: 503, message: "the disk is full; nothing was stored")
  case .busy:
    HTTPFailure(status: 503, message: "too many writes are waiting; try again", headers: ["Retry-After": "1"])
  case .notFound(let what): .notFound("\(what) does not exist")
  case .conflict(let what): .conflict(what)
  default: nil
  }
}
