// Built-in data sets whose text is compiled into the program (Embedded/, written by
// Tests/TrainingTests/make_datasets.py). Nothing is parsed before a job or a page asks for the set.

/// The texts of Embedded/, one member a set.
enum EmbeddedText {}

enum EmbeddedData {
  /// The 8x8 pictures of digits: a line is 64 base-17 characters (0...16) and the label.
  static func digits(_ info: DatasetInfo) -> Dataset {
    var values: [Float] = []
    var labels: [Int32] = []
    values.reserveCapacity(1797 * 64)
    for line in lines(of: EmbeddedText.digits) {
      for byte in line.dropLast() {
        let ink = byte >= 97 ? byte - 87 : byte - 48
        values.append(Float(ink) / 16)
      }
      if let label = line.last { labels.append(Int32(label) - 48) }
    }
    return Dataset(
      info: info, pool: Examples(width: 64, features: .floats(values), labels: labels))
  }

  /// A table of comma-separated numbers whose last column is the label or the target.
  static func table(_ info: DatasetInfo, _ text: StaticString, columns: [String]) -> Dataset {
    var values: [Float] = []
    var last: [Float] = []
    for line in lines(of: text) {
      let cells = line.split(separator: 44).map { Float(Substring(decoding: $0, as: UTF8.self)) ?? .nan }
      values.append(contentsOf: cells.dropLast())
      last.append(cells.last ?? .nan)
    }
    let labels = info.task == .regression ? [] : last.map { Int32($0) }
    return Dataset(
      info: info, columns: columns,
      pool: Examples(
        width: columns.count, features: .floats(values), labels: labels,
        targets: info.task == .regression ? last : []))
  }

  private static func lines(of text: StaticString) -> [ArraySlice<UInt8>] {
    text.withUTF8Buffer { Array($0) }.split(separator: 10)
  }

  static let irisColumns = ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"]

  static let wineColumns = [
    "alcohol", "malic_acid", "ash", "alcalinity_of_ash", "magnesium", "total_phenols", "flavanoids",
    "nonflavanoid_phenols", "proanthocyanins", "color_intensity", "hue", "od280/od315_of_diluted_wines",
    "proline",
  ]

  static let diabetesColumns = ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"]

  /// Ten measures of cell nuclei, each as mean, standard error and worst.
  static let breastCancerColumns: [String] = {
    let measures = [
      "radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity", "concave points",
      "symmetry", "fractal dimension",
    ]
    return measures.map { "mean \($0)" } + measures.map { "\($0) error" } + measures.map { "worst \($0)" }
  }()
}
