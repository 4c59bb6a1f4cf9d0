import JSON

/// The mean of the squared differences. PyTorch: MSELoss.
struct MeanSquaredLoss: Loss {
  static let type = "mse"

  var encoded: JSONObject { ["type": .string(Self.type)] }

  var task: DatasetTask { .regression }
}
