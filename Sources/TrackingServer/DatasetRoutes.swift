import HTTP
import JSON
import Storage
import Training

/// What can be trained on.
func datasetEndpoints(_ context: Context) -> [Endpoint] {
  [
    Endpoint(
      method: .get, pattern: "/api/v1/datasets", permission: .read, summary: "The data sets.",
      answer: .json("Datasets")
    ) { _ in
      .json(["datasets": .array(context.catalog.list.map { infoJSON($0) })])
    },
    Endpoint(
      method: .get, pattern: "/api/v1/datasets/{name}", permission: .read,
      summary: "A data set with its quality report.", answer: .json("Dataset"), failures: [404, 503]
    ) { request in
      let name = request.parameters["name"] ?? ""
      // All of the set is gone through.
      return context.checks.answer { _ in
        do {
          let dataset = try context.catalog.load(name)
          var object = infoJSON(dataset.info).objectValue ?? [:]
          object["quality"] = QualityReport(dataset).encode()
          return .json(.object(object))
        } catch let error as DatasetError {
          throw HTTPFailure.notFound(error.description)
        }
      }
    },
    Endpoint(
      method: .get, pattern: "/api/v1/datasets/{name}/examples", permission: .read,
      summary: "Some examples, as they are or augmented as in an epoch of a job.",
      query: [
        .init(
          name: "from", schema: ["type": "integer", "minimum": 0, "default": 0],
          meaning: "The first example wanted."),
        .init(
          name: "limit", schema: ["type": "integer", "minimum": 1, "maximum": 100, "default": 20],
          meaning: "How many at most."),
        .init(
          name: "augment", schema: ["type": "string"],
          meaning: "A job's augment list as JSON, such as [{\"type\": \"rotate\", \"degrees\": 20}]."),
        .init(
          name: "seed", schema: ["type": "integer", "minimum": 0, "default": 0], meaning: "The job's seed."),
        .init(
          name: "epoch", schema: ["type": "integer", "minimum": 0, "default": 0],
          meaning: "The epoch; each has its own augmentations."),
      ], answer: .json("Examples"), failures: [404]
    ) { request in try examples(request, context) },
    Endpoint(
      method: .put, pattern: "/api/v1/datasets/{name}", permission: .write,
      summary:
        "Brings a data set, in place of one of its name: a file (gzip or not), or a form with images and labels.",
      query: [
        .init(
          name: "format",
          schema: ["type": "string", "enum": .array(UploadFormat.allCases.map { .string($0.rawValue) })],
          meaning: "How to read it.", isRequired: true),
        .init(
          name: "label", schema: ["type": "string"],
          meaning:
            """
            The column to predict, of a CSV file; by default the last. With format text: the file is a CSV of two \
            columns, a text and this label.
            """
        ),
        .init(
          name: "task", schema: ["type": "string", "enum": ["classification", "regression"]],
          meaning: "Classes or numbers; by default what the labels look like."),
      ], body: "Bytes", answer: .json("Dataset", status: 201), failures: [409, 413, 503],
      bodyLimit: DatasetLibrary.maxBytes
    ) { request in
      let name = try uploadName(request)
      guard !DatasetCatalog.isBuiltin(name) else {
        throw HTTPFailure.conflict("\(name) is a data set that comes with Cairn")
      }
      let query = QueryReader(query: request.query)
      let formats = UploadFormat.allCases.map(\.rawValue)
      guard let format = try query.choice("format", formats).flatMap(UploadFormat.init(rawValue:)) else {
        throw HTTPFailure.invalid("format", "format must be one of \(formats.joined(separator: ", "))")
      }
      let task = try query.choice("task", ["classification", "regression"])
      if request.query.first("label") != nil, format != .csv, format != .text {
        throw HTTPFailure.invalid("label", "label names a column of a CSV file; \(format.rawValue) has none")
      }
      try refuseWhileUsed(["dataset", "name"], name, "data set", context)
      let files = UploadedFiles(library: context.library)
      try files.receive(request, parts: format.parts)
      let options = TableOptions(
        label: request.query.first("label"), task: task.flatMap(DatasetTask.init(rawValue:)))
      return context.uploads.answer { _ in
        do {
          let info = try context.library.add(
            name, format, files: format.parts.compactMap { files.paths[$0] }, options)
          var response = HTTPResponse.json(infoJSON(info), status: 201)
          response.headers.set("Location", "/api/v1/datasets/\(name)")
          return response
        } catch let error as ImportError {
          throw failure(of: error)
        }
      }
    },
    Endpoint(
      method: .delete, pattern: "/api/v1/datasets/{name}", permission: .write,
      summary: "Deletes an uploaded data set.",
      answer: .nothing, failures: [404, 409]
    ) { request in
      let name = request.parameters["name"] ?? ""
      guard !DatasetCatalog.isBuiltin(name) else {
        throw HTTPFailure.conflict("\(name) is a data set that comes with Cairn")
      }
      guard context.library.has(name) else {
        throw HTTPFailure.notFound("data set \(quoted(name)) does not exist")
      }
      try refuseWhileUsed(["dataset", "name"], name, "data set", context)
      do { try context.library.delete(name) } catch let error as ImportError { throw failure(of: error) }
      return HTTPResponse(status: 204)
    },
  ]
}

private func examples(_ request: HTTPRequest, _ context: Context) throws -> HTTPResponse {
  let query = QueryReader(query: request.query)
  let first = try query.integer("from", default: 0, in: 0...Int(Int32.max))
  let limit = try query.integer("limit", default: 20, in: 1...100)
  let seed = try query.integer("seed", default: 0, in: 0...1 << 53)
  let epoch = try query.integer("epoch", default: 0, in: 0...1_000_000)
  do {
    let augment = try request.query.first("augment").map { try JSON.parse($0) } ?? []
    let dataset = try context.catalog.load(request.parameters["name"] ?? "")
    let preview = try DatasetPreview(dataset, augment: augment)
    return .json([
      "count": JSON(preview.count), "input_shape": .array(dataset.inputShape.map { JSON($0) }),
      "columns": .array(dataset.columns.map(JSON.string)),
      "examples": preview.examples(from: first, limit: limit, seed: UInt64(seed), epoch: epoch),
    ])
  } catch let error as DatasetError {
    throw HTTPFailure.notFound(error.description)
  } catch let error as SpecError {
    throw HTTPFailure.invalid(error.field, error.message)
  } catch let error as JSONError {
    throw HTTPFailure.invalid("augment", "augment is no JSON: \(error.message)")
  }
}

private func infoJSON(_ info: DatasetInfo) -> JSON {
  [
    "name": .string(info.name), "kind": .string(info.kind.rawValue), "task": .string(info.task.rawValue),
    "examples": JSON(info.examples), "input_shape": .array(info.inputShape.map { JSON($0) }),
    "classes": info.classes.isEmpty ? .null : .array(info.classes.map(JSON.string)),
    "source": .string(info.source), "license": .string(info.license),
  ]
}
