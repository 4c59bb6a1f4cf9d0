import Glibc
import Testing

@testable import HTTP

/// Random messages from a printed seed. `CAIRN_FUZZ_SECONDS` sets how long (2), `CAIRN_FUZZ_SEED` repeats a run.
@Suite struct Fuzz {
  /// SplitMix64: small, and the same everywhere.
  struct Numbers: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state &+= 0x9e37_79b9_7f4a_7c15
      var z = state
      z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
      z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
      return z ^ (z >> 31)
    }
  }

  private static func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

  private let seconds = Self.environment("CAIRN_FUZZ_SECONDS").flatMap(Double.init) ?? 2
  private let seed = Self.environment("CAIRN_FUZZ_SEED").flatMap(UInt64.init) ?? UInt64.random(in: 0 ... .max)

  private static let seeds =
    (malformedMessages.map(\.bytes) + properMessages.map(\.bytes)).filter { $0.count < 1000 }
  private static let spice: [[UInt8]] = [
    [0x0d, 0x0a], [0x0a], [0x0d], [0], [0x20], [0x09], [0x3a], [0x2c], [0xff], Array("chunked".utf8),
    Array("Content-Length: 3\r\n".utf8), Array("Transfer-Encoding: chunked\r\n".utf8),
    Array("%2e%2e%2f".utf8),
    Array("fffffffffffffff".utf8), Array("0\r\n\r\n".utf8), Array("HTTP/1.1".utf8), Array("?a=%41&b".utf8),
  ]

  private func mutated(_ numbers: inout Numbers) -> [UInt8] {
    var bytes = Self.seeds.randomElement(using: &numbers) ?? []
    for _ in 0..<Int.random(in: 0...4, using: &numbers) {
      let place = Int.random(in: 0...bytes.count, using: &numbers)
      switch Int.random(in: 0..<5, using: &numbers) {
      case 0 where place < bytes.count: bytes[place] = UInt8.random(in: 0...255, using: &numbers)
      case 1 where place < bytes.count: bytes.remove(at: place)
      case 2: bytes.insert(contentsOf: Self.spice.randomElement(using: &numbers) ?? [], at: place)
      case 3:
        let other = Self.seeds.randomElement(using: &numbers) ?? []
        bytes = bytes[..<place] + other.suffix(Int.random(in: 0...other.count, using: &numbers))
      default: bytes.insert(UInt8.random(in: 0...255, using: &numbers), at: place)
      }
    }
    return bytes
  }

  private func pieces(_ bytes: [UInt8], _ numbers: inout Numbers) -> [ArraySlice<UInt8>] {
    var pieces: [ArraySlice<UInt8>] = []
    var start = 0
    while start < bytes.count {
      let end = min(bytes.count, start + Int.random(in: 1...30, using: &numbers))
      pieces.append(bytes[start..<end])
      start = end
    }
    return pieces
  }

  /// No message traps, and how it was cut never changes what it means.
  @Test func messagesReadTheSameInAnyPieces() {
    var numbers = Numbers(state: seed)
    let end = Clock.now + Clock.nanoseconds(seconds)
    var count = 0
    while Clock.now < end {
      let bytes = mutated(&numbers)
      let cut = pieces(bytes, &numbers)
      guard reading([bytes[...]]) == reading(cut) else {
        Issue.record("seed \(seed), message \(count): \(bytes)")
        return
      }
      count += 1
    }
    print("fuzz: seed \(seed), \(count) messages")
  }

  /// What a path decodes to never leaves its folder, whatever was escaped.
  @Test func decodedPathsAreHarmless() {
    var numbers = Numbers(state: seed ^ 1)
    let end = Clock.now + Clock.nanoseconds(seconds / 2)
    let words = [
      "/", "..", ".", "%2e", "%2f", "%5c", "\\", "a", "%00", "%c0%ae", "%25", "2e", "%", "ü", "?", ";", "//",
    ]
    while Clock.now < end {
      var path = "/"
      for _ in 0..<Int.random(in: 1...12, using: &numbers) {
        path += words.randomElement(using: &numbers) ?? ""
      }
      guard let target = try? Target(Array(path.utf8), method: .get, limits: HTTPLimits()) else { continue }
      for (index, segment) in target.segments.enumerated() {
        let parts = segment.text.split(separator: "/", omittingEmptySubsequences: false)
        let isHarmless =
          !parts.contains("..") && !parts.contains(".") && !segment.text.contains("\\")
          && !segment.text.utf8.contains(0)
          && (!parts.contains("") || (segment.text.isEmpty && (index > 0 || target.segments.count == 1)))
          && segment.hasEscapedSlash == (parts.count > 1)
        guard isHarmless else {
          Issue.record("seed \(seed): \(path) -> \(target.segments)")
          return
        }
      }
    }
  }
}
