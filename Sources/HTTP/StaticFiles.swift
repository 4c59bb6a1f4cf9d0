// Static files: read once into a table, so that a lookup cannot leave the folder and a request costs no system call.
import CLinux
import Glibc

/// The files of a folder, by path.
public struct StaticFiles: Sendable {
  private struct File: Sendable {
    var bytes: [UInt8]
    var type: String
    var tag: String
    /// The modules that a page will ask for, as a Link field; empty for what is no page.
    var link = ""

    /// Puts bytes before the end of a page's body.
    mutating func insert(_ more: [UInt8]) {
      let end = Array("</body>".utf8)
      let place = bytes.indices.last { bytes[$0...].starts(with: end) } ?? bytes.count
      bytes.insert(contentsOf: more, at: place)
      tag = StaticFiles.tag(of: bytes)
    }
  }

  /// What a page of ours may do: run our scripts and talk to this server, nothing else.
  private static let policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    + "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

  private static let types = [
    "html": "text/html; charset=utf-8", "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8", "mjs": "text/javascript; charset=utf-8",
    "json": "application/json", "map": "application/json", "webmanifest": "application/manifest+json",
    "svg": "image/svg+xml", "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg",
    "gif": "image/gif", "webp": "image/webp", "ico": "image/x-icon", "woff2": "font/woff2",
    "txt": "text/plain; charset=utf-8", "csv": "text/csv; charset=utf-8",
  ]

  /// Folders deeper than this are not a dashboard.
  private static let deepest = 16

  private var files: [String: File] = [:]

  /// Reads every regular file below `folder`; hidden files and symbolic links are left out. Throws
  /// HTTPServerError.system when the folder or a file in it cannot be read.
  public init(folder: String) throws(HTTPServerError) {
    let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Self.failure(folder) }
    defer { close(descriptor) }
    try read(descriptor, prefix: "", depth: 0)
    for path in paths where path.hasSuffix(".html") {
      let link = modules(of: path).map { "</\($0)>; rel=modulepreload" }.joined(separator: ", ")
      files[path]?.link = link
    }
  }

  /// The paths in the table, sorted.
  public var paths: [String] { files.keys.sorted() }

  /// The answer for GET or HEAD: 200, 304 when the client has the file, or nil when there is no such file. A folder
  /// is answered by its index.html. What `addition` makes of a page's path is put at the end of the page's body.
  public func response(
    for request: HTTPRequest, addition: (String) -> [UInt8] = { _ in [] }
  ) -> HTTPResponse? {
    let isFolder = request.segments.isEmpty || request.segments.last == ""
    let path = (isFolder ? request.segments.dropLast() + ["index.html"] : request.segments[...])
      .joined(separator: "/")
    guard var file = files[path] else { return nil }
    if file.type.hasPrefix("text/html"), case let more = addition(path), !more.isEmpty {
      file.insert(more)
    }
    var response = HTTPResponse.bytes(file.bytes, type: file.type)
    if Self.matches(request.headers.all("If-None-Match"), tag: file.tag) {
      response = HTTPResponse(status: 304)
    }
    response.headers.set("ETag", file.tag)
    response.headers.set("Cache-Control", "no-cache")
    response.headers.set("Content-Security-Policy", Self.policy)
    if !file.link.isEmpty { response.headers.set("Link", file.link) }
    return response
  }

  /// `If-None-Match` is a list or `*` and compares weakly (RFC 9110 section 13.1.2).
  private static func matches(_ values: [String], tag: String) -> Bool {
    values.contains { value in
      value.split(separator: ",").contains { piece in
        let candidate = String(piece).trimmedSpaces
        return candidate == "*" || candidate == tag || candidate == "W/" + tag
      }
    }
  }

  /// The module that a page begins with and all that it imports, directly or not: told with the page, they are asked
  /// for at once and not one after the other.
  private func modules(of page: String) -> [String] {
    var found = quoted(in: page) { $0.contains("type=\"module\"") }.filter { $0.hasSuffix(".js") }
    var next = 0
    while next < found.count {
      let folder = found[next].split(separator: "/").dropLast()
      for name in quoted(in: found[next], where: { $0.hasPrefix("import ") }) {
        var path = Array(folder)
        for piece in name.split(separator: "/") where piece != "." {
          if piece == ".." { _ = path.popLast() } else { path.append(piece) }
        }
        let module = path.joined(separator: "/")
        if files[module] != nil, !found.contains(module) { found.append(module) }
      }
      next += 1
    }
    return found
  }

  /// What ends the quotations of some lines of a file: a path without its first slash.
  private func quoted(in file: String, where matters: (Substring) -> Bool) -> [String] {
    String(decoding: files[file]?.bytes ?? [], as: UTF8.self).split(separator: "\n").filter(matters)
      .compactMap { line in line.split(separator: "\"").dropLast().last.map { String($0.drop { $0 == "/" }) }
      }
  }

  private mutating func read(_ directory: CInt, prefix: String, depth: Int) throws(HTTPServerError) {
    for name in try Self.names(in: directory, shown: prefix) where !name.hasPrefix(".") {
      let path = prefix + name
      let descriptor = linux_open_beneath(directory, name, O_RDONLY | O_NONBLOCK, 0)
      guard descriptor >= 0 else {
        if errno == ELOOP { continue }  // a symbolic link
        throw Self.failure(path)
      }
      defer { close(descriptor) }
      var status = stat()
      guard fstat(descriptor, &status) == 0 else { throw Self.failure(path) }
      switch status.st_mode & S_IFMT {
      case S_IFREG:
        let bytes = try Self.bytes(of: descriptor, size: Int(status.st_size), shown: path)
        files[path] = File(bytes: bytes, type: Self.type(of: name), tag: Self.tag(of: bytes))
      case S_IFDIR where depth < Self.deepest:
        try read(descriptor, prefix: path + "/", depth: depth + 1)
      default: continue
      }
    }
  }

  private static func names(in directory: CInt, shown: String) throws(HTTPServerError) -> [String] {
    // fdopendir takes over its descriptor, and the caller still needs this one.
    let own = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard own >= 0, let stream = fdopendir(own) else { throw failure(shown) }
    defer { closedir(stream) }
    // An entry is shorter than its declared type: only its name may be read, never the whole structure.
    let nameOffset = MemoryLayout<dirent>.offset(of: \.d_name) ?? 0
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = UnsafeRawPointer(entry).advanced(by: nameOffset).assumingMemoryBound(to: CChar.self)
      names.append(String(cString: name))
    }
    return names
  }

  private static func bytes(
    of descriptor: CInt, size: Int, shown: String
  ) throws(HTTPServerError) -> [UInt8] {
    var failed = false
    let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, filled in
      filled = 0
      while filled < size {
        let count = Glibc.read(descriptor, buffer.baseAddress?.advanced(by: filled), size - filled)
        if count > 0 {
          filled += count
        } else if count == 0 || errno != EINTR {
          failed = count < 0
          return
        }
      }
    }
    guard !failed else { throw failure(shown) }
    return bytes
  }

  private static func type(of name: String) -> String {
    guard let dot = name.lastIndex(of: ".") else { return "application/octet-stream" }
    return types[name[name.index(after: dot)...].lowercased()] ?? "application/octet-stream"
  }

  /// A strong entity tag: the 64-bit FNV-1a hash of the content.
  private static func tag(of bytes: [UInt8]) -> String {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in bytes {
      hash ^= UInt64(byte)
      hash &*= 0x0000_0100_0000_01b3
    }
    let text = String(hash, radix: 16)
    return "\"" + String(repeating: "0", count: 16 - text.utf8.count) + text + "\""
  }

  private static func failure(_ path: String) -> HTTPServerError {
    .system(
      "cannot read \(path.isEmpty ? "the folder of static files" : path): \(String(cString: strerror(errno)))"
    )
  }
}
