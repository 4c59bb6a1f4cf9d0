// What a web page in the user's browser must not be able to do: reach this server
// under a name of its own (DNS rebinding), or change state from another site. Programs send no Origin and pass.

/// The Host allow-list and the rules about Origin and Sec-Fetch-Site.
struct BrowserGuard: Sendable {
  /// Lower-case names; nil allows every host.
  private let names: Set<String>?

  /// `allowed` comes on top of the loopback names and the bind address. Without it, a wildcard address allows every
  /// host, because its owner's names are not known; `*` says so explicitly. Ports are not compared: people tunnel them.
  init(allowed: [String], bind: String) {
    let isWildcard = bind == "0.0.0.0" || bind == "::"
    guard !allowed.contains("*"), !(allowed.isEmpty && isWildcard) else {
      names = nil
      return
    }
    var names: Set<String> = ["localhost", "127.0.0.1", "[::1]"]
    for text in allowed + [bind, "[\(bind)]"] {
      if let host = HostName(text) { names.insert(host.name) }
    }
    self.names = names
  }

  /// Throws 421 for a foreign host and 403 for a state-changing request that another site makes.
  func check(_ head: RequestHead) throws(HTTPFailure) {
    if let names {
      guard let host = head.host, names.contains(host.name) else {
        throw HTTPFailure(
          status: 421,
          message: "this server does not answer for the host in this request; allow the name when starting it"
        )
      }
    }
    guard !head.method.isSafe else { return }
    if let origin = head.headers["Origin"], !Self.isOwn(origin, host: head.host) {
      throw HTTPFailure(status: 403, message: "requests from other sites may not change anything here")
    }
    if let site = head.headers["Sec-Fetch-Site"], site != "same-origin", site != "none" {
      throw HTTPFailure(status: 403, message: "requests from other sites may not change anything here")
    }
  }

  private static func isOwn(_ origin: String, host: HostName?) -> Bool {
    for (scheme, defaultPort) in [("http://", 80), ("https://", 443)] where origin.hasPrefix(scheme) {
      guard let host, let own = HostName(origin.dropFirst(scheme.count)) else { return false }
      return own.name == host.name && (own.port ?? defaultPort) == (host.port ?? defaultPort)
    }
    return false
  }
}
