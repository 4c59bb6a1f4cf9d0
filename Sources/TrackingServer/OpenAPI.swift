import JSON
import Training
import Tuning

/// The OpenAPI 3.1 description of the native API, made from the route table and the schemas below.
func openAPIDocument(_ endpoints: [Endpoint], version: String) -> JSON {
  var paths = JSONObject()
  for endpoint in endpoints {
    let path = endpoint.pattern.split(separator: "...").joined()
    var operations = paths[path]?.objectValue ?? JSONObject()
    operations[endpoint.method.rawValue.lowercased()] = operation(endpoint)
    paths[path] = .object(operations)
  }
  return [
    "openapi": "3.1.0",
    "info": [
      "title": "Cairn", "version": .string(version),
      "description": "Post a training job, follow its curves, come back to any point of any run.",
    ],
    "paths": .object(paths),
    "components": [
      "schemas": .object(schemas),
      "securitySchemes": ["token": ["type": "http", "scheme": "bearer"]],
    ],
  ]
}

private func operation(_ endpoint: Endpoint) -> JSON {
  var parameters: [JSON] = captures(of: endpoint.pattern).map { name in
    [
      "name": .string(name), "in": "path", "required": true,
      "schema": name == "id" ? ["type": "integer", "minimum": 1] : ["type": "string", "minLength": 1],
    ]
  }
  for parameter in endpoint.query {
    let list: JSON = ["type": "array", "items": parameter.schema, "minItems": parameter.isRequired ? 1 : 0]
    parameters.append([
      "name": .string(parameter.name), "in": "query", "required": .bool(parameter.isRequired),
      "description": .string(parameter.meaning), "schema": parameter.repeats ? list : parameter.schema,
    ])
  }
  var operation: JSONObject = ["summary": .string(endpoint.summary), "parameters": .array(parameters)]
  if let body = endpoint.body {
    operation["requestBody"] = [
      "required": true,
      "content": body == "Bytes"
        ? [
          "application/octet-stream": ["schema": reference(body)],
          "multipart/form-data": ["schema": ["type": "object", "additionalProperties": reference(body)]],
        ] : ["application/json": ["schema": reference(body)]],
    ]
  }
  var content = JSONObject()
  for type in endpoint.answer.types { content[type.media] = ["schema": reference(type.schema)] }
  var answer: JSONObject = ["description": endpoint.answer.types.isEmpty ? "Done." : "The answer."]
  if !content.entries.isEmpty { answer["content"] = .object(content) }
  var responses: JSONObject = [String(endpoint.answer.status): .object(answer)]
  for status in [400] + endpoint.failures + [500] {
    responses[String(status)] = [
      "description": .string(meaning(of: status)),
      "content": ["application/json": ["schema": reference("Error")]],
    ]
  }
  operation["responses"] = .object(responses)
  if endpoint.permission != .open { operation["security"] = [["token": []], [:]] }
  return .object(operation)
}

/// The names in braces of a pattern, in order.
private func captures(of pattern: String) -> [String] {
  pattern.split(separator: "/").filter { $0.hasPrefix("{") }.map { segment in
    String(segment.dropFirst().dropLast()).split(separator: ".").first.map(String.init) ?? ""
  }
}

private func reference(_ schema: String) -> JSON { ["$ref": .string("#/components/schemas/\(schema)")] }

private func meaning(of status: Int) -> String {
  switch status {
  case 400: "The request is wrong; the message names the field and its limits."
  case 401: "The token is missing or wrong."
  case 404: "There is no such thing."
  case 409: "The state does not allow it."
  case 413: "The body is larger than the limit."
  case 503: "The server cannot take it now; try again later."
  default: "A fault of the server; the message has the id under which its log tells more."
  }
}

private func list(of schema: String, named name: String) -> JSON {
  [
    "type": "object", "required": [.string(name)],
    "properties": .object(
      [
        name: ["type": "array", "items": reference(schema)], "next_page_token": ["type": "string"],
      ] as JSONObject),
  ]
}

private func object(_ properties: JSONObject, required: [String]? = nil) -> JSON {
  [
    "type": "object", "properties": .object(properties),
    "required": .array((required ?? properties.keys).map(JSON.string)),
  ]
}

private let text: JSON = ["type": "string"]
private let integer: JSON = ["type": "integer"]
private let milliseconds: JSON = ["type": ["integer", "null"], "description": "Milliseconds since 1970."]
private let number: JSON = [
  "description": "A number; one that is not finite is a string.",
  "oneOf": [["type": "number"], ["type": "string", "enum": ["NaN", "Infinity", "-Infinity"]]],
]
private let numbers: JSON = ["type": "array", "items": reference("Number")]
private let metricValues: JSON = ["type": "object", "additionalProperties": reference("Number")]
private let integers: JSON = ["type": "array", "items": integer]

private let schemas: JSONObject = [
  "Error": object(
    ["error_code": text, "message": text, "field": text], required: ["error_code", "message"]),
  "Number": number,
  "Text": text,
  "Bytes": ["type": "string", "format": "binary"],
  "Health": object(["status": text]),
  "Document": ["type": "object"],
  "JobSpec": JobSpec.schema,
  "DryRun": object([
    "spec": reference("JobSpec"), "parameters": integer,
    "layers": ["type": "array", "items": reference("Layer")],
    "stages": [
      "type": "array",
      "items": object(["layers": ["type": "array", "items": text], "parameters": integer]),
    ],
    "steps_per_epoch": integer, "total_steps": integer, "memory_bytes": integer,
  ]),
  "Layer": object([
    "name": text, "output_shape": integers, "parameters": integer, "settings": ["type": "object"],
    "layers": ["type": "array", "items": reference("Layer")],
  ]),
  "JobCheck": object([
    "plan": ["oneOf": [reference("DryRun"), ["type": "null"]]],
    "error": ["oneOf": [reference("Error"), ["type": "null"]]],
    "range": [
      "type": ["array", "null"], "items": integer, "description": "Where the field of the error stands.",
    ],
    "proposals": [
      "type": ["object", "null"],
      "description": "What may stand at the caret, and the range that it replaces.",
      "properties": [
        "range": integers,
        "items": ["type": "array", "items": object(["text": text, "insert": text])],
      ],
    ],
  ]),
  "Job": object([
    "id": integer, "run_id": text,
    "state": ["type": "string", "enum": .array(jobStateNames.map(JSON.string))],
    "error": ["type": ["string", "null"]], "priority": integer, "created_at": milliseconds,
    "started_at": milliseconds, "ended_at": milliseconds,
    "progress": object([
      "step": integer, "total_steps": integer, "epoch": integer, "eta_seconds": ["type": ["number", "null"]],
    ]),
  ]),
  "Jobs": list(of: "Job", named: "jobs"),
  "Run": object([
    "info": object(
      [
        "run_id": text, "run_uuid": text, "run_name": text, "experiment_id": text, "experiment": text,
        "status": text, "start_time": milliseconds, "end_time": milliseconds, "lifecycle_stage": text,
      ]),
    "run_id": text, "name": text, "experiment": text, "status": text, "start_time": milliseconds,
    "end_time": milliseconds, "job_id": ["type": ["integer", "null"]],
    "params": ["type": "object", "additionalProperties": text],
    "tags": ["type": "object", "additionalProperties": text],
    "metrics": [
      "type": "object",
      "additionalProperties": object([
        "last": reference("Number"), "min": reference("Number"), "max": reference("Number"), "count": integer,
      ]),
    ],
  ]),
  "Runs": list(of: "Run", named: "runs"),
  "MetricSummary": object([
    "key": text, "count": integer, "first": reference("Number"), "last": reference("Number"),
    "min": reference("Number"), "min_step": ["type": ["integer", "null"]], "max": reference("Number"),
    "max_step": ["type": ["integer", "null"]], "last_step": integer,
  ]),
  "MetricSummaries": list(of: "MetricSummary", named: "metrics"),
  "Curve": object(
    [
      "key": text, "count": integer, "sampled": ["type": "boolean"], "steps": integers,
      "timestamps": integers,
      "values": numbers, "min": numbers, "max": numbers, "run_id": text,
      "bucket": [
        "type": "integer", "description": "Width of the buckets in steps, aligned to its multiples.",
      ],
      "last_step": [
        "type": "integer", "description": "The step of the last point, where there are buckets.",
      ],
      "smoothed": numbers,
      "resumed": integers,
      "replaced": [
        "type": "array",
        "items": object(["steps": integers, "timestamps": integers, "values": numbers]),
      ],
    ], required: ["key", "count", "sampled", "steps", "timestamps", "values"]),
  "Curves": list(of: "Curve", named: "curves"),
  "Log": object([
    "lines": ["type": "array", "items": object(["line": integer, "time": integer, "text": text])],
    "next": integer,
  ]),
  "Checkpoint": object([
    "step": integer, "epoch": integer, "created_at": integer, "bytes": integer,
    "labels": ["type": "array", "items": text],
    "metrics": ["type": "object", "additionalProperties": reference("Number")],
  ]),
  "Checkpoints": list(of: "Checkpoint", named: "checkpoints"),
  "Dataset": object([
    "name": text, "kind": text, "examples": integer, "input_shape": integers,
    "classes": ["type": ["array", "null"], "items": text],
  ]),
  "Datasets": list(of: "Dataset", named: "datasets"),
  "Examples": object([
    "count": integer, "input_shape": integers, "columns": ["type": "array", "items": text],
    "examples": [
      "type": "array",
      "items": object(
        [
          "index": integer, "label": text, "target": reference("Number"), "values": numbers, "text": text,
        ], required: ["index"]),
    ],
  ]),
  "Weights": object([
    "name": text, "bytes": integer, "created_at": milliseconds,
    "tensors": ["type": "array", "items": object(["name": text, "dtype": text, "shape": integers])],
  ]),
  "WeightsList": list(of: "Weights", named: "weights"),
  "SharpnessRequest": object(
    [
      "checkpoint": [
        "type": ["string", "integer"], "default": "latest", "description": "A step, latest or best.",
      ],
      "epsilon": [
        "type": "number", "exclusiveMinimum": 0, "maximum": 1, "default": 0.001,
        "description": "Each parameter x may move by epsilon * (|x| + 1).",
      ],
      "steps": [
        "type": "integer", "minimum": 1, "maximum": 100, "default": 10,
        "description": "Steps of each ascent.",
      ],
      "starts": [
        "type": "integer", "minimum": 1, "maximum": 20, "default": 3,
        "description": "Ascents: one from the model itself, the others from random places of the box.",
      ],
      "limit": [
        "type": "integer", "minimum": 1, "maximum": 100_000,
        "description":
          "Examples of the training part that the loss is the mean over, at most; 2048 without it, fewer of running text.",
      ],
      "seed": ["type": "integer", "minimum": 0],
    ], required: []),
  "Sharpness": object([
    "run_id": text, "checkpoint": integer, "epsilon": number, "steps": integer, "starts": integer,
    "examples": integer, "loss": reference("Number"), "max_loss": reference("Number"),
    "sharpness": reference("Number"),
  ]),
  "EnsembleRequest": object(
    [
      "members": [
        "type": "array", "minItems": 1, "maxItems": 100,
        "description": "Models to average; checkpoint is a step, latest or best.",
        "items": object(
          ["run_id": text, "checkpoint": ["type": ["string", "integer"]]], required: ["run_id"]),
      ],
      "train": object(
        [
          "method": ["type": "string", "enum": .array(EnsembleMethod.allCases.map { .string($0.rawValue) })],
          "members": ["type": "integer", "minimum": 2, "maximum": 100, "default": 5],
          "base": reference("JobSpec"),
        ], required: ["method", "base"]),
      "split": [
        "type": "string", "enum": ["train", "validation", "test"],
        "description":
          "The part, of the first member's data, to evaluate on; without it the validation and the test part.",
      ],
    ], required: []),
  "Ensemble": object(
    [
      "id": integer, "state": ["type": "string", "enum": ["running", "finished", "failed", "cancelled"]],
      "error": ["type": ["string", "null"]],
      "method": [
        "type": "string",
        "enum": .array((["members"] + EnsembleMethod.allCases.map(\.rawValue)).map(JSON.string)),
      ],
      "split": ["type": ["string", "null"]], "created_at": milliseconds, "ended_at": milliseconds,
      "members": [
        "type": "array",
        "items": object(
          [
            "run_id": text, "job_id": ["type": ["integer", "null"]], "state": ["type": ["string", "null"]],
            "checkpoint": ["type": ["string", "integer"]], "step": integer, "metrics": metricValues,
            "weighted_error": number, "vote": number, "fold": integer, "examples": integer,
            "trained_on_validation_examples": integer, "trained_on_test_examples": integer,
          ], required: ["run_id", "checkpoint", "metrics"]),
      ],
      "ensemble": [
        "type": "object", "additionalProperties": reference("Number"),
        "description":
          """
        Metrics of the mean prediction: probabilities of classes or numbers averaged, with boosting weighted by votes; \
        with folds each example predicted by the member that did not train on it.
        """,
      ],
      "mean": metricValues, "standard_deviation": metricValues,
      "squared_error": [
        "type": "number",
        "description":
          """
        The mean squared error of the members: bias_squared + variance + noise. variance is how far members are from \
        their mean, noise is estimated by the Gamma test, bias_squared is the rest.
        """,
      ],
      "bias_squared": number, "variance": number, "noise": number,
      "largest_weights": [
        "type": "array", "items": object(["example": integer, "weight": number]),
        "description": "The examples that boosting weighs most in the end.",
      ],
    ],
    required: ["id", "state", "error", "method", "split", "created_at", "ended_at", "members", "ensemble"]),
  "Ensembles": list(of: "Ensemble", named: "ensembles"),
  "PredictRequest": object(
    [
      "checkpoint": [
        "type": ["string", "integer"], "default": "best", "description": "A step, latest or best.",
      ],
      "inputs": [
        "type": "array", "description": "Examples as the data set has them, lists of numbers.",
        "items": ["type": "array"],
      ], "prompt": text, "tokens": ["type": "integer", "minimum": 1, "maximum": 10000, "default": 100],
      "temperature": ["type": "number", "minimum": 0, "default": 1],
      "seed": ["type": "integer", "minimum": 0],
    ], required: []),
  "Prediction": object(
    [
      "outputs": ["type": "array", "items": numbers], "probabilities": ["type": "array", "items": numbers],
      "classes": integers, "text": text,
    ], required: []),
]
