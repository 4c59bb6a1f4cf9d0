import HTTP
import JSON
import Storage

/// The artifacts proxy, and the artifacts of runs by run id.
func artifactRoutes(_ context: Context) -> [MLflowRoute] {
  proxyRoutes(context) + runArtifactRoutes(context) + artifactUploadRoutes(context)
}

/// Bytes of one artifact.
let artifactLimit = 10 << 30

/// `/mlflow-artifacts/artifacts/...`: upload, download, list, delete.
private func proxyRoutes(_ context: Context) -> [MLflowRoute] {
  let tree = ArtifactTree(store: context.store)
  let path = "mlflow-artifacts/artifacts"
  return [
    MLflowRoute(raw: .put, "\(path)/{path...}", .write, bodyLimit: artifactLimit) { request in
      let path = try ArtifactPaths.checked(request.parameters["path"] ?? "")
      guard !path.isEmpty, request.segments.last != "" else {
        throw HTTPFailure.invalidParameter("Invalid path")
      }
      let writer = try context.store.beginArtifact()
      try writer.takeAll(of: request.body)
      try writer.finish(path: path, time: now())
      return HTTPResponse(status: 200)
    },
    MLflowRoute(raw: .get, "\(path)/{path...}", .read) { request in
      let path = try ArtifactPaths.checked(request.parameters["path"] ?? "")
      return try download(path, tree, request)
    },
    MLflowRoute(.get, path, .read) { call in
      let folder = try ArtifactPaths.checked(try call.fields.string("path") ?? "")
      return filesJSON(try tree.list(folder), below: "", root: nil)
    },
    MLflowRoute(raw: .delete, "\(path)/{path...}", .write) { request in
      let path = try ArtifactPaths.checked(request.parameters["path"] ?? "")
      // The root of everything is nobody's to delete at one stroke.
      guard !path.isEmpty else { throw HTTPFailure.invalidParameter("Invalid path") }
      try tree.delete(path)
      return .json([:])
    },
    MLflowRoute(raw: .get, "mlflow-artifacts/presigned/{path...}", .read) { request in
      _ = try ArtifactPaths.checked(request.parameters["path"] ?? "")
      throw HTTPFailure.mlflow(
        .notImplemented, "Multipart download is not supported for the current artifact repository")
    },
  ]
}

/// Listing and downloading by run, for the user interface and older clients.
private func runArtifactRoutes(_ context: Context) -> [MLflowRoute] {
  let tree = ArtifactTree(store: context.store)
  return [
    MLflowRoute(.get, "mlflow/artifacts/list", .read) { call in
      let run = try artifactRun(try call.fields.runID(orUUID: true), context)
      let path = try ArtifactPaths.checked(try call.fields.string("path") ?? "")
      let root = try servedFolder(of: run.artifactURI)
      return filesJSON(try tree.list(joined(root, path)), below: path, root: run.artifactURI)
    },
    MLflowRoute(raw: .get, "get-artifact", .read, versions: [""], prefixes: [""]) { request in
      guard let path = request.query.first("path") else { throw HTTPFailure.missing("path") }
      let checked = try ArtifactPaths.checked(path)
      let uid = request.query.first("run_id") ?? request.query.first("run_uuid") ?? ""
      let run = try artifactRun(uid, context)
      return try download(joined(try servedFolder(of: run.artifactURI), checked), tree, request)
    },
    MLflowRoute(.post, "mlflow/artifacts/presigned-upload-url", .write) { call in
      try refusePresigned(call.fields, "upload", context)
    },
    MLflowRoute(.post, "mlflow/artifacts/presigned-download-url", .read) { call in
      try refusePresigned(call.fields, "download", context)
    },
    MLflowRoute(raw: .post, "mlflow/upload-artifact", .write, prefixes: ["/ajax-api"], bodyLimit: 10 << 20) {
      request in
      guard let uid = request.query.first("run_uuid"), !uid.isEmpty else {
        throw HTTPFailure.invalidParameter("Request must specify run_uuid.")
      }
      guard let path = request.query.first("path"), !path.isEmpty else {
        throw HTTPFailure.invalidParameter("Request must specify path.")
      }
      let checked = try ArtifactPaths.checked(path)
      let run = try artifactRun(uid, context)
      let writer = try context.store.beginArtifact()
      try writer.takeAll(of: request.body)
      guard writer.count > 0 else { throw HTTPFailure.invalidParameter("Request must specify data.") }
      try writer.finish(path: joined(try servedFolder(of: run.artifactURI), checked), time: now())
      return HTTPResponse(status: 200)
    },
  ]
}

/// Files of this server have no address of their own that a client could be sent to.
private func refusePresigned(_ fields: MLflowFields, _ what: String, _ context: Context) throws -> JSON {
  _ = try ArtifactPaths.checked(try fields.required("path"))
  if let uid = try fields.string("run_id"), !uid.isEmpty { _ = try artifactRun(uid, context) }
  if let uid = try fields.string("model_id"), !uid.isEmpty {
    guard try context.store.read({ try $0.loggedModel(uid) }) != nil else {
      throw HTTPFailure.mlflow(.resourceDoesNotExist, "Logged model with ID '\(uid)' not found.")
    }
  }
  throw HTTPFailure.invalidParameter(
    "Presigned \(what) URLs are not supported for artifacts that go through this server")
}

extension ArtifactWriter {
  /// Takes a request's body as it comes.
  func takeAll(of body: HTTPBody) throws {
    while true {
      let piece = try body.read(upTo: 256 << 10)
      if piece.isEmpty { return }
      try append(piece)
    }
  }
}

/// The file at a path, or MLflow's refusal.
func download(_ path: String, _ tree: ArtifactTree, _ request: HTTPRequest) throws -> HTTPResponse {
  if let file = try tree.open(path) { return .file(file, for: request) }
  if try tree.isFolder(path) { throw HTTPFailure.invalidParameter("'\(path)' is a directory, not a file") }
  throw HTTPFailure.mlflow(.resourceDoesNotExist, "No such artifact: '\(path)'")
}

/// Files as MLflow lists them: names below `folder`, no size for folders and for empty files.
func filesJSON(_ entries: [ArtifactEntry], below folder: String, root: String?) -> JSON {
  var answer: JSONObject = [:]
  answer.set("root_uri", root)
  let files = entries.map { entry -> JSON in
    var file: JSONObject = ["path": .string(joined(folder, entry.name)), "is_dir": JSON(entry.bytes == nil)]
    if let bytes = entry.bytes, bytes > 0 { file["file_size"] = JSON(bytes) }
    return .object(file)
  }
  answer.set("files", .array(files))
  return .object(answer)
}

/// Two paths, either of which may be empty.
func joined(_ folder: String, _ path: String) -> String {
  folder.isEmpty || path.isEmpty ? folder + path : folder + "/" + path
}

/// The folder of this server behind an artifact URI; throws MLflow's 400 for artifacts that are somewhere else.
func servedFolder(of uri: String) throws -> String {
  guard let folder = ArtifactLocation.folder(ofURI: uri) else {
    throw HTTPFailure.invalidParameter("The artifacts at '\(uri)' are not kept by this server")
  }
  return folder
}

private func artifactRun(_ uid: String, _ context: Context) throws -> RunRecord {
  guard let run = try context.store.read({ try $0.run(uid, withMetrics: false) }) else {
    throw HTTPFailure.mlflow(.resourceDoesNotExist, "Run with id=\(uid) not found")
  }
  return run
}
