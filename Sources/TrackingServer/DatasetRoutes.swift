import HTTP
import JSON
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
      summary: "A data set with its quality report.", answer: .json("Dataset"), failures: [404]
    ) { request in
      let name = request.parameters["name"] ?? ""
      do {
        let dataset = try context.catalog.load(name)
        var object = infoJSON(dataset.info).objectValue ?? [:]
        object["quality"] = QualityReport(dataset).encode()
        return .json(.object(object))
      } catch let error as DatasetError {
        throw HTTPFailure.notFound(error.description)
      }
    },
  ]
}

private func infoJSON(_ info: DatasetInfo) -> JSON {
  [
    "name": .string(info.name), "kind": .string(info.kind.rawValue), "task": .string(info.task.rawValue),
    "examples": JSON(info.examples), "input_shape": .array(info.inputShape.map { JSON($0) }),
    "classes": info.classes.isEmpty ? .null : .array(info.classes.map(JSON.string)),
    "source": .string(info.source), "license": .string(info.license),
  ]
}
