// The schema of a job, made from the same code that reads one.

import JSON

/// What a reader has been asked for: names, types, limits and defaults of the fields of one object.
final class SpecNotes {
  private var properties = JSONObject()
  private var required: [String] = []
  private var children: [(name: String, notes: SpecNotes)] = []
  private var variants: [SpecNotes] = []
  /// What the object is, in words.
  var text: String?

  /// Notes a field; one without default is required.
  func note(_ name: String, _ schema: JSON, default fallback: JSON?) {
    guard var object = schema.objectValue else { return }
    if let fallback {
      object["default"] = fallback
      if fallback == .null, let type = object["type"] { object["type"] = [type, "null"] }
    } else {
      required.append(name)
    }
    properties[name] = .object(object)
  }

  /// The notes of an object in a field.
  func below(_ name: String) -> SpecNotes {
    let notes = SpecNotes()
    children.append((name, notes))
    return notes
  }

  /// The notes of one of several methods, which `key` names.
  func variant(_ key: String, _ type: String, isDefault: Bool) -> SpecNotes {
    let notes = SpecNotes()
    notes.note(key, ["type": "string", "const": .string(type)], default: isDefault ? .string(type) : nil)
    variants.append(notes)
    return notes
  }

  /// The JSON schema of the object.
  var schema: JSON {
    var own = properties
    for (name, notes) in children { own[name] = notes.schema }
    guard !variants.isEmpty else { return Self.object(own, required, text) }
    return [
      "oneOf": .array(
        variants.map { variant in
          var all = variant.properties
          for (name, notes) in variant.children { all[name] = notes.schema }
          for (name, schema) in own.entries where all[name] == nil { all[name] = schema }
          return Self.object(all, variant.required, variant.text)
        })
    ]
  }

  private static func object(_ properties: JSONObject, _ required: [String], _ text: String?) -> JSON {
    var object: JSONObject = ["type": "object", "properties": .object(properties)]
    if let text { object["description"] = .string(text) }
    if !required.isEmpty { object["required"] = .array(required.map(JSON.string)) }
    return .object(object)
  }

  /// What `read` asks for, as a schema.
  static func schema(_ read: (FieldReader) throws -> Void) -> JSON {
    let notes = SpecNotes()
    // A stand-in that a method does not take ends its reading, not the document.
    try? read(FieldReader(notes: notes))
    return notes.schema
  }
}

extension JobSpec {
  /// The JSON schema of a job: every method with its fields, their types, limits and defaults.
  public static var schema: JSON {
    func list(_ items: JSON) -> JSON { ["type": "array", "items": items] }
    let layer = SpecNotes.schema {
      _ = try LayerTraining($0)
      _ = try $0.method(MethodTable.layers)
    }
    let preset = SpecNotes.schema { _ = try $0.method(MethodTable.presets, key: "preset") }
    let initFrom = SpecNotes.schema { _ = try InitFromSpec($0) }
    let names = list(["type": "string"])
    var model: JSON = [
      "type": "object", "required": ["layers"],
      "properties": ["layers": list(layer), "freeze": names, "init_from": initFrom],
    ]
    if let presets = preset["oneOf"]?.arrayValue {
      let forms = presets.map { form -> JSON in
        guard var object = form.objectValue, var properties = object["properties"]?.objectValue else {
          return form
        }
        properties["freeze"] = names
        properties["init_from"] = initFrom
        object["properties"] = .object(properties)
        return .object(object)
      }
      model = ["oneOf": .array([model] + forms)]
    }
    return [
      "type": "object", "required": ["dataset", "model", "optimizer"],
      "description": "A training job; POST it with dry_run=true to see every default filled in.",
      "properties": [
        "experiment": ["type": "string", "default": "Default"], "name": ["type": "string"],
        "seed": ["type": "integer", "minimum": 0, "maximum": JSON(1 << 53), "default": 0],
        "tags": ["type": "object", "additionalProperties": ["type": "string"]],
        "priority": ["type": "integer", "default": 0],
        "preset": [
          "type": "string", "enum": .array(Recipe.allCases.map { .string($0.rawValue) }),
          "description": "fills in optimizer, schedule and length where the job does not say them",
        ],
        "dataset": SpecNotes.schema { _ = try DatasetSpec($0, .builtin) }, "model": model,
        "augment": list(SpecNotes.schema { _ = try $0.method(MethodTable.augmentations) }),
        "loss": SpecNotes.schema {
          _ = try Penalties($0)
          _ = try $0.method(MethodTable.losses, default: CrossEntropyLoss.type)
        },
        "optimizer": SpecNotes.schema { _ = try OptimizerSpec($0) },
        "schedule": SpecNotes.schema { _ = try ScheduleSpec($0) },
        "train": SpecNotes.schema { _ = try TrainSpec($0) },
        "checkpoint": SpecNotes.schema { _ = try CheckpointSpec($0, .classification) },
        "average": SpecNotes.schema { _ = try $0.method(MethodTable.averages) },
      ],
    ]
  }
}
