import Testing

@testable import Training

@Suite struct InflateTests {
  /// What zlib makes of "cairn stones mark the way; " nine times: fixed codes.
  static let fixed = bytes(
    """
      1f8b08000000000002034b4ecc2cca53282ec9cf4b2d56c84d2cca5628c9\
      4855284facb456481ea652006fa5c94ff3000000
    """)
  /// A stored block that says "abc".
  static let stored = bytes("1f8b0800000000000403010300fcff616263c241243503000000")
  /// 600 letters with unequal frequencies: dynamic codes.
  static let dynamic = bytes(
    """
      1f8b080000000000020325525b12c43008faf796e023deff04053bd3d9748902621340bf2cbec6a0300481cc44847f51\
      02e6e1e041a255a31e168c50c8aafe71c98c65514fd543bdc5c422a6290590c2520a9242ab738f502f54013bd76ff0a5\
      0e51a2d6f764486ae42b74a8ec95d014f6a83ec144853d83e6d005dcc027133ad316ed4a5e9b81157de65908c19ab9ca\
      0d2683a8ab4365c17a1c9b3d87ba7cd9f25032db610941274387e2672fa13a9a7272b2a6b11da18c348f4943e8acfc05\
      d533edd9bb52f9db226c3ae48eaba9a26bd284aa564f32d3097b4188e49156e785ab8c9c8b85fb76538ed132e90cbc2c\
      7531743b7b56664591cab1f82fd3fb51dcfdb7290cc726684ed2eb67ce91e297f012ee63d1ca79ffc6eb57e5076a10ef\
      0458020000
    """)

  static func bytes(_ hex: String) -> [UInt8] {
    let digits = hex.utf8.compactMap { UInt8(hexDigit: $0) }
    return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
  }

  @Test func threeKindsOfBlock() throws {
    let text = String(repeating: "cairn stones mark the way; ", count: 9)
    #expect(try Gzip.decompress(Self.fixed, limit: 1000) == Array(text.utf8))
    #expect(try Gzip.decompress(Self.stored, limit: 1000) == Array("abc".utf8))
    let letters = try Gzip.decompress(Self.dynamic, limit: 1000)
    #expect(letters.count == 600 && Gzip.crc32(letters[...]) == 82776170)
  }

  /// Members follow each other and zeros may follow them; anything else behind a member is damage, and has its place.
  @Test func whatFollowsAMember() throws {
    let abc = Array("abc".utf8)
    #expect(try Gzip.decompress(Self.stored + Self.stored, limit: 1000) == abc + abc)
    let padded = Self.stored + [UInt8](repeating: 0, count: 512)
    #expect(try Gzip.decompress(padded, limit: 1000) == abc)
    let end = Self.stored.count
    for rest in [[0, 0, 7], Array("more".utf8), Array(Self.stored.prefix(9))] as [[UInt8]] {
      let error = #expect(throws: InflateError.self) {
        try Gzip.decompress(Self.stored + rest, limit: 1000)
      }
      #expect(error?.offset ?? 0 >= end)
    }
  }

  @Test func checksumIsIEEE() {
    #expect(Gzip.crc32(Array("123456789".utf8)[...]) == 0xCBF4_3926)
    #expect(Gzip.crc32([]) == 0)
  }

  @Test func membersFollowEachOther() throws {
    #expect(try Gzip.decompress(Self.stored + Self.stored, limit: 6) == Array("abcabc".utf8))
  }

  @Test func limitIsKept() {
    #expect(throws: InflateError.self) { try Gzip.decompress(Self.fixed, limit: 242) }
    #expect(throws: Never.self) { try Gzip.decompress(Self.fixed, limit: 243) }
  }

  /// Cut anywhere or changed anywhere, the file is refused; only the header's unused fields may differ.
  @Test func damageIsRefused() {
    for file in [Self.fixed, Self.stored, Self.dynamic] {
      for end in 0..<file.count {
        #expect(throws: InflateError.self) { try Gzip.decompress(Array(file[..<end]), limit: 1000) }
      }
      for index in 10..<file.count {
        for bit in 0..<8 {
          var changed = file
          changed[index] ^= 1 << UInt8(bit)
          if let contents = try? Gzip.decompress(changed, limit: 100_000) {
            #expect(contents == (try? Gzip.decompress(file, limit: 1000)), "byte \(index), bit \(bit)")
          }
        }
      }
    }
  }
}

extension UInt8 {
  fileprivate init?(hexDigit: UInt8) {
    switch hexDigit {
    case 48...57: self = hexDigit - 48
    case 97...102: self = hexDigit - 87
    default: return nil
    }
  }
}
