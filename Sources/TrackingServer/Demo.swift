import JSON

/// The experiment of the demo jobs.
let demoExperiment = "demo"

/// The jobs of `cairn demo`: the same network on the digits, by three optimizers, to be laid over each other.
let demoSpecs: [JSON] = [
  demoSpec("sgd", ["type": "sgd", "lr": 0.05]),
  demoSpec("sgd-momentum", ["type": "sgd", "lr": 0.05, "momentum": 0.9]),
  demoSpec("adam", ["type": "adam", "lr": 0.001]),
]

private func demoSpec(_ name: String, _ optimizer: JSON) -> JSON {
  [
    "experiment": .string(demoExperiment), "name": .string(name), "seed": 17, "tags": ["demo": .string(name)],
    "dataset": ["name": "digits"],
    "model": [
      "layers": [
        ["type": "linear", "out": 128], ["type": "relu"], ["type": "linear", "out": 64], ["type": "relu"],
        ["type": "linear", "out": 10],
      ]
    ],
    "optimizer": optimizer, "train": ["epochs": 15, "batch_size": 32],
  ]
}
