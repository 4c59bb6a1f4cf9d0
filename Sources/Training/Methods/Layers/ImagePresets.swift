import JSON

/// The network of LeCun, Bottou, Bengio, Haffner 1998, "Gradient-based learning applied to document recognition", in
/// its present form: ReLU and max pools, padding that keeps the first image's size.
struct LenetPreset: ModelPreset {
  static let type = "lenet"

  var encoded: JSONObject { ["preset": .string(Self.type)] }

  func layers(outputs: Int, each isForTokens: Bool) -> [any Layer] {
    [
      Conv2dLayer(channels: 6, kernel: 5, padding: 2), ReluLayer(), PoolLayer(PoolLayer.maxType, kernel: 2),
      Conv2dLayer(channels: 16, kernel: 5, padding: 2), ReluLayer(), PoolLayer(PoolLayer.maxType, kernel: 2),
      FlattenLayer(), LinearLayer(out: 120), ReluLayer(), LinearLayer(out: 84), ReluLayer(),
      LinearLayer(out: outputs),
    ] as [any Layer]
  }
}

/// A residual network for small images: three stages of `blocks` blocks with `channels`, twice and four times as many
/// channels; a convolution of stride 2 leads from one stage to the next. A block is
/// relu(x + norm(conv(relu(norm(conv(x)))))). Reference: He, Zhang, Ren, Sun 2016, "Deep residual learning for image
/// recognition", section 4.2.
struct ResnetPreset: ModelPreset {
  static let type = "resnet"

  let blocks: Int
  let channels: Int

  init(_ fields: FieldReader) throws(SpecError) {
    blocks = try fields.integer("blocks", 1...50, default: 2)
    channels = try fields.integer("channels", 1...4096, default: 16)
  }

  var encoded: JSONObject {
    ["preset": .string(Self.type), "blocks": JSON(blocks), "channels": JSON(channels)]
  }

  func layers(outputs: Int, each isForTokens: Bool) -> [any Layer] {
    var layers: [any Layer] = []
    for stage in 0..<3 {
      let width = channels << stage
      layers += Self.normalized(width, stride: stage == 0 ? 1 : 2) + [ReluLayer()]
      for _ in 0..<blocks {
        layers.append(
          ResidualLayer(
            Self.normalized(width, stride: 1) + [ReluLayer()] + Self.normalized(width, stride: 1)))
        layers.append(ReluLayer())
      }
    }
    return layers + [GlobalAveragePoolLayer(), LinearLayer(out: outputs)]
  }

  /// A convolution of 3x3 and its norm, which has the bias.
  private static func normalized(_ channels: Int, stride: Int) -> [any Layer] {
    [
      Conv2dLayer(channels: channels, kernel: 3, stride: stride, padding: 1, bias: false), BatchNormLayer(),
    ]
  }
}
