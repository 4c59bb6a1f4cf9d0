/// A name as a key: equal to the same bytes only, as in SQLite. Strings alone are equal where Unicode takes them for the
/// same text (Å in one character or in two), and their series would be merged.
struct ExactText: Hashable {
  let text: String

  init(_ text: String) { self.text = text }

  static func == (left: ExactText, right: ExactText) -> Bool {
    left.text == right.text && left.text.utf8.elementsEqual(right.text.utf8)
  }
}
