import Autodiff
import JSON

/// The fields of a layer that moves a window over images: `kernel`, `stride` and `padding`, each one integer or a
/// list of two, for height and width.
struct WindowFields: Sendable {
  let window: ImageWindow

  static let largest = 1024

  /// `stride` is that of the kernel where there is no default.
  init(_ fields: FieldReader, defaultStride: (height: Int, width: Int)?) throws(SpecError) {
    let kernel = try fields.sizes("kernel", 1...Self.largest)
    window = ImageWindow(
      kernel: kernel,
      stride: try fields.sizes("stride", 1...Self.largest, default: defaultStride ?? kernel),
      padding: try fields.sizes("padding", 0...Self.largest, default: (0, 0)))
  }

  init(_ window: ImageWindow) {
    self.window = window
  }

  /// The three fields.
  var encoded: [(key: String, value: JSON)] {
    func json(_ size: (height: Int, width: Int)) -> JSON {
      size.height == size.width ? JSON(size.height) : [JSON(size.height), JSON(size.width)]
    }
    return [
      ("kernel", json(window.kernel)), ("stride", json(window.stride)), ("padding", json(window.padding)),
    ]
  }

  /// The output's height and width for an input [channels, height, width]; throws when it is no image or the window
  /// does not fit.
  func output(_ input: [Int], _ type: String, _ place: LayerPlace) throws(SpecError) -> (
    height: Int, width: Int
  ) {
    try place.requireImages(input, type)
    guard let output = window.output(height: input[1], width: input[2]) else {
      let (kernel, padding) = (window.kernel, window.padding)
      throw SpecError(
        place.path,
        "(\(type)) expected images of at least \(max(1, kernel.height - 2 * padding.height)) x "
          + "\(max(1, kernel.width - 2 * padding.width)) pixels, got shape \(input)")
    }
    return output
  }
}

extension LayerPlace {
  /// Throws unless a shape is that of images.
  func requireImages(_ input: [Int], _ type: String) throws(SpecError) {
    guard input.count == 3 else {
      throw SpecError(
        path, "(\(type)) expected images of shape [channels, height, width], got shape \(input)")
    }
  }
}

extension FieldReader {
  /// One integer for height and width, or a list of both; required when there is no default.
  func sizes(_ name: String, _ range: ClosedRange<Int>, default fallback: (height: Int, width: Int)? = nil)
    throws(SpecError) -> (height: Int, width: Int)
  {
    let size: JSON = [
      "type": "integer", "minimum": JSON(range.lowerBound), "maximum": JSON(range.upperBound),
    ]
    describe(
      name, ["anyOf": [size, ["type": "array", "items": size, "minItems": 2, "maxItems": 2]]],
      default: fallback.map { JSON($0.height) })
    guard let value = value(name) else {
      if let fallback { return fallback }
      if isNoting { return (range.lowerBound, range.lowerBound) }
      throw SpecError(path(of: name), "is required")
    }
    if value.arrayValue != nil {
      let pair = try integers(name, range, count: 2...2)
      return (pair[0], pair[1])
    }
    guard let size = value.intValue, range.contains(size) else {
      throw error(
        name, must: "an integer from \(range.lowerBound) to \(range.upperBound), or a list of two")
    }
    return (size, size)
  }
}
