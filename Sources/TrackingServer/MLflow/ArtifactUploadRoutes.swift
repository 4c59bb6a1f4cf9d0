import HTTP
import JSON
import Storage

/// Uploads in parts: `create` names an address for each part, the client puts the parts there, `complete` joins them.
func artifactUploadRoutes(_ context: Context) -> [MLflowRoute] {
  let path = "mlflow-artifacts/mpu"
  return [
    MLflowRoute(raw: .post, "\(path)/create/{folder...}", .write, bodyLimit: 1 << 20) { request in
      let fields = try MLflowFields(request)
      let target = try target(request, fields)
      let count = try fields.integer("num_parts") ?? 0
      guard (1...Int64(maximumParts)).contains(count) else {
        throw HTTPFailure.invalidValue("num_parts", JSON(count), "It must be from 1 to \(maximumParts)")
      }
      let id = try context.store.beginUpload(path: target, time: now())
      let credentials = (1...count).map { number -> JSON in
        [
          "url": .string("\(origin(of: request))/api/2.0/\(path)/part/\(id)/\(number)"),
          "part_number": JSON(number), "headers": partHeaders(request),
        ]
      }
      return .json(["upload_id": .string(id), "credentials": .array(credentials)])
    },
    MLflowRoute(raw: .put, "\(path)/part/{upload}/{number}", .write, bodyLimit: 1 << 30) { request in
      let upload = request.parameters["upload"] ?? ""
      guard let number = Int(request.parameters["number"] ?? ""), (1...maximumParts).contains(number) else {
        throw HTTPFailure.invalidParameter("A part's number must be from 1 to \(maximumParts)")
      }
      guard try context.store.uploadPath(upload) != nil else { throw unknownUpload(upload) }
      let writer = try context.store.beginArtifact()
      try writer.takeAll(of: request.body)
      try writer.finish(upload: upload, number: number)
      return HTTPResponse(status: 200, headers: ["ETag": "\"\(writer.checksumText)\""])
    },
    MLflowRoute(raw: .post, "\(path)/complete/{folder...}", .write, bodyLimit: 4 << 20) { request in
      let fields = try MLflowFields(request)
      let target = try target(request, fields)
      try fields.require("parts")
      let parts = try fields.objects("parts").map { Int(try $0.integer("part_number") ?? 0) }
      let upload = try fields.string("upload_id") ?? ""
      guard try context.store.uploadPath(upload) == target else { throw unknownUpload(upload) }
      try context.store.completeUpload(upload, parts: parts.sorted(), time: now())
      return .json([:])
    },
    MLflowRoute(raw: .post, "\(path)/abort/{folder...}", .write, bodyLimit: 1 << 20) { request in
      let fields = try MLflowFields(request)
      let target = try target(request, fields)
      let upload = try fields.string("upload_id") ?? ""
      if try context.store.uploadPath(upload) == target { try context.store.abortUpload(upload) }
      return .json([:])
    },
  ]
}

/// The most parts of one upload; with the client's ten megabytes each, a hundred gigabytes.
private let maximumParts = 10_000

/// Where the upload is to be: the folder in the address and the name of the client's file.
private func target(_ request: HTTPRequest, _ fields: MLflowFields) throws -> String {
  let folder = try ArtifactPaths.checked(request.parameters["folder"] ?? "")
  // The field holds the file's path on the client's machine, of which only the name matters here.
  let local = try fields.required("path")
  let name = try ArtifactPaths.checked(String(local.split { $0 == "/" || $0 == "\\" }.last ?? ""))
  guard !name.isEmpty else { throw HTTPFailure.invalidParameter("Invalid path") }
  return try ArtifactPaths.checked(joined(folder, name))
}

private func unknownUpload(_ id: String) -> HTTPFailure {
  .mlflow(.resourceDoesNotExist, "There is no upload '\(id)' to this path")
}

/// The server as the client sees it. A proxy in front that speaks TLS says so, and only this client hears the answer.
private func origin(of request: HTTPRequest) -> String {
  let isSecure = request.headers["X-Forwarded-Proto"]?.lowercased() == "https"
  return "\(isSecure ? "https" : "http")://\(request.headers["Host"] ?? "localhost")"
}

/// The client sends parts without its own credentials: it is told to send those it has just shown.
private func partHeaders(_ request: HTTPRequest) -> JSON {
  guard let credentials = request.headers["Authorization"] else { return [:] }
  return ["Authorization": .string(credentials)]
}
