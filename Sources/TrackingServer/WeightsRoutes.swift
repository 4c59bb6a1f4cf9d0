import Glibc
import HTTP
import JSON
import Storage
import Training

/// The weights that people brought: safetensors files in a folder of the store, each appearing whole by a rename.
struct WeightsLibrary: Sendable {
  /// Weights are read into memory by the jobs that begin from them.
  static let maxBytes = 2 << 30
  private static let suffix = ".safetensors"

  private let folder: String

  init(folder: String) throws(ImportError) {
    self.folder = folder
    guard mkdir(folder, 0o700) == 0 || errno == EEXIST else { throw .unwritable(errno) }
  }

  private func path(_ name: String) -> String { "\(folder)/\(name)\(Self.suffix)" }

  /// The bytes of a file; nil when there is none of that name.
  func read(_ name: String) -> ByteSource? {
    guard DatasetLibrary.isName(name), let file = MappedFile(path(name)) else { return nil }
    return ByteSource(count: file.bytes.count) { Array(file.bytes[$0]) }
  }

  func has(_ name: String) -> Bool { DatasetLibrary.isName(name) && access(path(name), R_OK) == 0 }

  /// Puts a checked file in its place.
  func take(_ file: String, as name: String) throws(ImportError) {
    guard rename(file, path(name)) == 0 else { throw .unwritable(errno) }
    try DatasetLibrary.sync(folder)
  }

  func delete(_ name: String) throws(ImportError) {
    guard unlink(path(name)) == 0 else { throw .unwritable(errno) }
    try DatasetLibrary.sync(folder)
  }

  var names: [String] {
    DatasetLibrary.entries(folder).filter { $0.hasSuffix(Self.suffix) }.map {
      String($0.dropLast(Self.suffix.count))
    }
    .filter(DatasetLibrary.isName).sorted()
  }

  /// Name, bytes, time and tensors of a file, of which only the header is read.
  func describe(_ name: String) -> JSON? {
    var status = stat()
    guard stat(path(name), &status) == 0, let file = MappedFile(path(name)),
      let entries = try? Safetensors.usableEntries(of: file.bytes)
    else { return nil }
    return [
      "name": .string(name), "bytes": JSON(file.bytes.count),
      "created_at": JSON(status.st_mtim.tv_sec * 1000 + status.st_mtim.tv_nsec / 1_000_000),
      "tensors": .array(
        entries.map { entry in
          [
            "name": .string(entry.name), "dtype": .string(entry.type.rawValue),
            "shape": .array(entry.shape.map { JSON($0) }),
          ]
        }),
    ]
  }
}

/// Weights to begin from (`model.init_from.weights`).
func weightsEndpoints(_ context: Context) -> [Endpoint] {
  [
    Endpoint(
      method: .get, pattern: "/api/v1/weights", permission: .read, summary: "The weights that were brought.",
      answer: .json("WeightsList")
    ) { _ in
      .json(["weights": .array(context.weights.names.compactMap(context.weights.describe))])
    },
    Endpoint(
      method: .put, pattern: "/api/v1/weights/{name}", permission: .write,
      summary: "Brings a safetensors file that jobs can begin from, in place of one of its name.",
      body: "Bytes", answer: .json("Weights", status: 201), failures: [409, 413, 503],
      bodyLimit: WeightsLibrary.maxBytes
    ) { request in
      let name = try uploadName(request)
      try refuseWhileUsed(["model", "init_from", "weights"], name, "weights", context)
      let files = UploadedFiles(library: context.library)
      try files.receive(request, parts: ["file"])
      guard let path = files.paths["file"], let file = MappedFile(path) else {
        throw HTTPFailure(status: 500, message: "the data folder cannot be read")
      }
      do {
        _ = try Safetensors.usableEntries(of: file.bytes)
        try context.weights.take(path, as: name)
      } catch let error as SafetensorsError {
        throw HTTPFailure.invalid(nil, "not a safetensors file that can be used: \(error)")
      } catch let error as ImportError {
        throw failure(of: error)
      }
      guard let told = context.weights.describe(name) else { throw HTTPFailure.notFound("weights \(name)") }
      var response = HTTPResponse.json(told, status: 201)
      response.headers.set("Location", "/api/v1/weights/\(name)")
      return response
    },
    Endpoint(
      method: .delete, pattern: "/api/v1/weights/{name}", permission: .write, summary: "Deletes weights.",
      answer: .nothing, failures: [404, 409]
    ) { request in
      let name = request.parameters["name"] ?? ""
      guard context.weights.has(name) else {
        throw HTTPFailure.notFound("weights \(quoted(name)) do not exist")
      }
      try refuseWhileUsed(["model", "init_from", "weights"], name, "weights", context)
      do { try context.weights.delete(name) } catch let error as ImportError { throw failure(of: error) }
      return HTTPResponse(status: 204)
    },
  ]
}

/// The name in the path of an upload.
func uploadName(_ request: HTTPRequest) throws -> String {
  let name = request.parameters["name"] ?? ""
  guard DatasetLibrary.isName(name) else {
    throw HTTPFailure.invalid(
      "name",
      "name must be 1 to 100 letters, digits, '.', '_' or '-', not starting with '.', got \(quoted(name))")
  }
  return name
}

/// A job that waits, trains or is paused needs what its spec names to stay as it is.
func refuseWhileUsed(_ path: [String], _ name: String, _ what: String, _ context: Context) throws {
  func uses(_ job: JobRecord) -> Bool {
    guard let spec = try? JSON.parse(job.spec) else { return false }
    return path.reduce(Optional(spec)) { $0?[$1] }?.stringValue == name
  }
  for state in [JobState.queued, .running, .paused] {
    var before: Int64?
    while true {
      let jobs = try context.store.listJobs(state: state, limit: 1000, before: before)
      if let job = jobs.first(where: uses) {
        throw HTTPFailure.conflict("job \(job.id) (\(state.rawValue)) uses \(what) \(name)")
      }
      guard jobs.count == 1000, let last = jobs.last else { break }
      before = last.id
    }
  }
}
