// A recipe is a name for settings that belong together. It fills in what a job does not say, before anything is read, and
// what the job says wins.

import JSON

/// `preset` in a job.
enum Recipe: String, CaseIterable {
  /// Fine-tuning of a pre-trained transformer on a small set: Adam with bias correction and 2e-5, 20 epochs, the rate
  /// rising for a tenth of them and then falling to 0 on a straight line. Reference: Mosbach, Andriushchenko, Klakow 2021,
  /// "On the stability of fine-tuning BERT".
  case fineTune = "fine_tune"

  /// What it says, by section of a job.
  private var settings: JSONObject {
    switch self {
    case .fineTune:
      [
        "optimizer": ["type": "adam", "lr": 2e-5, "bias_correction": true],
        "schedule": [
          "type": "linear", "start_factor": 1, "end_factor": 0, "total_iters": .null, "warmup": 0.1,
        ], "train": ["epochs": 20],
      ]
    }
  }

  /// The job with its recipe's settings where it has none of its own; a section with another `type` stays as it is.
  static func applied(to job: JSON) throws(SpecError) -> JSON {
    guard var object = job.objectValue, let name = object["preset"], name != .null else { return job }
    guard let recipe = name.stringValue.flatMap(Recipe.init(rawValue:)) else {
      let names = allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
      throw SpecError("preset", "must be one of \(names), got \(FieldReader.show(name))")
    }
    for (section, settings) in recipe.settings.entries {
      object[section] = merged(object[section] ?? [:], settings)
    }
    return .object(object)
  }

  private static func merged(_ own: JSON, _ settings: JSON) -> JSON {
    guard var object = own.objectValue, let settings = settings.objectValue else { return own }
    if let type = object["type"], let other = settings["type"], type != other { return own }
    for (field, value) in settings.entries where object[field] == nil {
      // Epochs and steps are two ways to say one thing.
      if field == "epochs", let steps = object["steps"], steps != .null { continue }
      object[field] = value
    }
    return .object(object)
  }
}
