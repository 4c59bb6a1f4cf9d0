// The route table and the search in it.

/// What a caller needs to be allowed; a mandatory part of every route.
public enum HTTPPermission: Sendable {
  /// Nothing.
  case open
  /// To see.
  case read
  /// To change.
  case write
}

/// One row of the route table.
public struct HTTPRoute: Sendable {
  /// The method; HEAD comes with GET.
  public let method: HTTPMethod
  /// Literal segments, `{name}` for one segment, and last `{name...}` for all that follow, joined by slashes.
  public let pattern: String
  /// What the caller must be allowed.
  public let permission: HTTPPermission
  /// The largest body in bytes; 413.
  public let bodyLimit: Int
  /// The handler's work is less than a change of threads and it waits for nobody: small requests are then handled on
  /// the thread of the event loop. There it throws `HTTPNeedsWorker` when a request turns out to be of another kind.
  public let isBrief: Bool
  /// Makes the answer, on a worker thread.
  public let handler: @Sendable (HTTPRequest) throws -> HTTPResponse

  /// A row.
  public init(
    _ method: HTTPMethod, _ pattern: String, _ permission: HTTPPermission, bodyLimit: Int = 1 << 20,
    isBrief: Bool = false, handler: @escaping @Sendable (HTTPRequest) throws -> HTTPResponse
  ) {
    self.method = method
    self.pattern = pattern
    self.permission = permission
    self.bodyLimit = bodyLimit
    self.isBrief = isBrief
    self.handler = handler
  }
}

/// Thrown by the handler of a brief route, before it has done anything, when the request must go to a worker: then it
/// is called once more, with `HTTPRequest.mustBeBrief` false.
public struct HTTPNeedsWorker: Error {
  /// The error.
  public init() {}
}

/// A tree over path segments. A literal segment is tried before a capture, a capture before a tail.
struct Router: Sendable {
  /// A route and the names of its captures in order.
  struct Entry: Sendable {
    var route: HTTPRoute
    var names: [String]
  }

  enum Outcome {
    case found(HTTPRoute, parameters: [String: String])
    case methodNotAllowed([HTTPMethod])
    /// Nothing matches, and the path holds an escaped slash, which only tails may.
    case escapedSlash
    /// Nothing matches, and the path holds an empty segment before its last, which only tails may.
    case emptySegment
    case notFound
  }

  private struct Node {
    var literals: [String: Int] = [:]
    var capture: Int?
    var leaves: [HTTPMethod: Entry] = [:]
    var tails: [HTTPMethod: Entry] = [:]
  }

  private enum Piece {
    case literal(String)
    case capture(String)
    case tail(String)
  }

  private var nodes = [Node()]

  /// Fails with a sentence when a pattern is malformed or two rows mean the same.
  init(_ routes: [HTTPRoute]) throws(HTTPServerError) {
    for route in routes { try add(route) }
  }

  private mutating func add(_ route: HTTPRoute) throws(HTTPServerError) {
    let pieces = try Self.pieces(route.pattern)
    var node = 0
    var names: [String] = []
    var isTail = false
    for piece in pieces {
      switch piece {
      case .literal(let text): node = child(of: node, literal: text)
      case .capture(let name):
        names.append(name)
        node = child(of: node)
      case .tail(let name):
        names.append(name)
        isTail = true
      }
    }
    let taken = isTail ? nodes[node].tails[route.method] : nodes[node].leaves[route.method]
    guard taken == nil else {
      throw .badRoute("two routes answer \(route.method.rawValue) \(route.pattern)")
    }
    guard Set(names).count == names.count else {
      throw .badRoute("\(route.pattern) captures one name twice")
    }
    let entry = Entry(route: route, names: names)
    if isTail {
      nodes[node].tails[route.method] = entry
    } else {
      nodes[node].leaves[route.method] = entry
    }
  }

  private static func pieces(_ pattern: String) throws(HTTPServerError) -> [Piece] {
    guard pattern.hasPrefix("/") else { throw .badRoute("\(pattern) does not begin with a slash") }
    guard pattern != "/" else { return [] }
    let texts = pattern.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    var pieces: [Piece] = []
    for (index, text) in texts.enumerated() {
      if text.hasPrefix("{"), text.hasSuffix("...}"), index + 1 == texts.count, text.count > 5 {
        pieces.append(.tail(String(text.dropFirst().dropLast(4))))
      } else if text.hasPrefix("{"), text.hasSuffix("}"), text.count > 2, !text.hasSuffix("...}") {
        pieces.append(.capture(String(text.dropFirst().dropLast())))
      } else if !text.isEmpty, !text.contains("{"), !text.contains("}") {
        pieces.append(.literal(text))
      } else {
        throw .badRoute("\(pattern) has a malformed segment '\(text)'")
      }
    }
    return pieces
  }

  private mutating func child(of node: Int, literal: String) -> Int {
    if let child = nodes[node].literals[literal] { return child }
    nodes.append(Node())
    nodes[node].literals[literal] = nodes.count - 1
    return nodes.count - 1
  }

  private mutating func child(of node: Int) -> Int {
    if let child = nodes[node].capture { return child }
    nodes.append(Node())
    nodes[node].capture = nodes.count - 1
    return nodes.count - 1
  }

  /// The most literal route that matches the path and has the method, else what the path would allow.
  func route(_ method: HTTPMethod, _ segments: [PathSegment]) -> Outcome {
    var allowed: Set<HTTPMethod> = []
    if let (entry, values) = search(0, segments[...], [], method, &allowed) {
      let parameters = Dictionary(zip(entry.names, values), uniquingKeysWith: { first, _ in first })
      return .found(entry.route, parameters: parameters)
    }
    guard allowed.isEmpty else {
      if allowed.contains(.get) { allowed.insert(.head) }
      allowed.insert(.options)
      return .methodNotAllowed(HTTPMethod.allCases.filter(allowed.contains))
    }
    if segments.contains(where: \.hasEscapedSlash) { return .escapedSlash }
    return segments.dropLast().contains { $0.text.isEmpty } ? .emptySegment : .notFound
  }

  private func search(
    _ index: Int, _ rest: ArraySlice<PathSegment>, _ captured: [String], _ method: HTTPMethod,
    _ allowed: inout Set<HTTPMethod>
  ) -> (Entry, [String])? {
    let node = nodes[index]
    guard let first = rest.first else {
      return pick(node.leaves, method, &allowed).map { ($0, captured) }
    }
    if !first.hasEscapedSlash {
      if let next = node.literals[first.text],
        let found = search(next, rest.dropFirst(), captured, method, &allowed)
      {
        return found
      }
      if let next = node.capture, !first.text.isEmpty,
        let found = search(next, rest.dropFirst(), captured + [first.text], method, &allowed)
      {
        return found
      }
    }
    guard !node.tails.isEmpty, !first.text.isEmpty, let entry = pick(node.tails, method, &allowed) else {
      return nil
    }
    return (entry, captured + [rest.map(\.text).joined(separator: "/")])
  }

  private func pick(
    _ entries: [HTTPMethod: Entry], _ method: HTTPMethod, _ allowed: inout Set<HTTPMethod>
  ) -> Entry? {
    if let entry = entries[method] ?? (method == .head ? entries[.get] : nil) { return entry }
    allowed.formUnion(entries.keys)
    return nil
  }
}
