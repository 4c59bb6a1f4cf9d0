// Listening sockets.
import CLinux
import Glibc

/// Why a server cannot be made; `description` is meant for the person who started it.
public enum HTTPServerError: Error, Sendable, CustomStringConvertible {
  /// Another process listens there.
  case portInUse(host: String, port: Int)
  /// The address cannot be listened on.
  case cannotListen(host: String, port: Int, reason: String)
  /// The host is neither `localhost` nor an IPv4 or IPv6 address.
  case badHost(String)
  /// The route table contradicts itself.
  case badRoute(String)
  /// The system refused something the server needs.
  case system(String)

  /// A sentence that says what to do or what is wrong.
  public var description: String {
    switch self {
    case .portInUse(let host, let port):
      "\(host):\(port) is already in use by another program; stop it or choose another port"
    case .cannotListen(let host, let port, let reason): "cannot listen on \(host):\(port): \(reason)"
    case .badHost(let host): "'\(host)' is neither localhost nor an IPv4 or IPv6 address"
    case .badRoute(let text): "the route table is wrong: \(text)"
    case .system(let text): text
    }
  }
}

/// The sockets of one `host:port`: `localhost` has two, IPv4 and, where there is one, IPv6.
struct Listener: Sendable {
  let descriptors: [CInt]
  let port: Int

  /// The kernel clamps it to net.core.somaxconn.
  private static let backlog: CInt = 1024

  init(host: String, port: Int) throws(HTTPServerError) {
    guard (0...65_535).contains(port) else {
      throw .cannotListen(host: host, port: port, reason: "a port is a number from 0 to 65535")
    }
    let isLocalhost = HTTPHeaders.same(host, "localhost")
    // A free port on IPv4 may be taken on IPv6: then another one is tried.
    for attempt in 1... {
      let first = try Self.listen(isLocalhost ? "127.0.0.1" : Self.unbracketed(host), shown: host, port: port)
      let chosen = Int(linux_local_port(first))
      guard isLocalhost else {
        descriptors = [first]
        self.port = chosen
        return
      }
      do throws(HTTPServerError) {
        let second = try Self.listen("::1", shown: "[::1]", port: chosen)
        descriptors = [first, second]
        self.port = chosen
        return
      } catch {
        if case .portInUse = error {
          close(first)
          guard port == 0, attempt < 16 else { throw error }
        } else {  // this machine has no IPv6
          descriptors = [first]
          self.port = chosen
          return
        }
      }
    }
    throw .system("no free port")
  }

  private static func unbracketed(_ host: String) -> String {
    host.hasPrefix("[") && host.hasSuffix("]") ? String(host.dropFirst().dropLast()) : host
  }

  private static func listen(_ address: String, shown: String, port: Int) throws(HTTPServerError) -> CInt {
    let descriptor = linux_listen(address, UInt16(port), backlog)
    guard descriptor < 0 else { return descriptor }
    switch errno {
    case EADDRINUSE: throw .portInUse(host: shown, port: port)
    case EINVAL: throw .badHost(shown)
    case let code: throw .cannotListen(host: shown, port: port, reason: String(cString: strerror(code)))
    }
  }
}
