// Words found by their bytes, where a string for each of a hundred million would take the time.

/// Numbers words in the order in which they come: a table with open addressing over the bytes of each word, which lie one
/// after the other.
struct WordTable: Sendable {
  /// Of this process alone, so that nobody can write a text whose words all collide.
  private static let seed = UInt64.random(in: .min ... .max)

  /// How many words there are.
  private(set) var count = 0
  private var bytes: [UInt8] = []
  private var ends: [Int] = []
  private var hashes: [UInt64] = []
  /// By place: the number of a word, or -1.
  private var slots = [Int32](repeating: -1, count: 1024)

  /// The number of a word; nil when it is not there.
  func number(of word: UnsafeRawBufferPointer) -> Int? {
    let slot = slots[place(of: word, Self.hash(word))]
    return slot < 0 ? nil : Int(slot)
  }

  /// The number of a word, which from now on is there.
  mutating func insert(_ word: UnsafeRawBufferPointer) -> Int {
    let hash = Self.hash(word)
    let place = place(of: word, hash)
    if slots[place] >= 0 { return Int(slots[place]) }
    slots[place] = Int32(truncatingIfNeeded: count)
    bytes.append(contentsOf: word)
    ends.append(bytes.count)
    hashes.append(hash)
    count += 1
    if 2 * count > slots.count { grow() }
    return count - 1
  }

  /// The word of a number.
  func word(_ number: Int) -> String { String(decoding: bytes[range(number)], as: UTF8.self) }

  private func range(_ number: Int) -> Range<Int> { (number == 0 ? 0 : ends[number - 1])..<ends[number] }

  /// Where a word is, or where it belongs.
  private func place(of word: UnsafeRawBufferPointer, _ hash: UInt64) -> Int {
    let mask = slots.count - 1
    var place = Int(truncatingIfNeeded: hash) & mask
    while slots[place] >= 0 {
      let number = Int(slots[place])
      if hashes[number] == hash, bytes[range(number)].elementsEqual(word) { break }
      place = (place + 1) & mask
    }
    return place
  }

  private mutating func grow() {
    let size = 2 * slots.count
    slots = [Int32](repeating: -1, count: size)
    for number in 0..<count {
      var place = Int(truncatingIfNeeded: hashes[number]) & (size - 1)
      while slots[place] >= 0 { place = (place + 1) & (size - 1) }
      slots[place] = Int32(truncatingIfNeeded: number)
    }
  }

  /// Eight bytes at a time, each folded into what is there by a product of 128 bits.
  private static func hash(_ word: UnsafeRawBufferPointer) -> UInt64 {
    var hash = seed ^ UInt64(truncatingIfNeeded: word.count)
    var place = 0
    while place < word.count {
      var part: UInt64 = 0
      if place + 8 <= word.count {
        part = word.loadUnaligned(fromByteOffset: place, as: UInt64.self)
      } else {
        for byte in word[place...] { part = part << 8 | UInt64(byte) }
      }
      let product = (hash ^ part).multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15 ^ (seed | 1))
      hash = product.high ^ product.low ^ part &* 0xD6E8_FEB8_6659_FD93
      place += 8
    }
    return hash ^ hash >> 29
  }
}
