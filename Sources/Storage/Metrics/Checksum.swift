// The checksum of everything that is stored as a blob.

/// A 64-bit checksum: every word is mixed in by a step that can be undone, so a change of any one word, and so
/// of any one bit, always shows. Against accidents, not against people. The constants are the fractional
/// digits of the golden ratio and of the square root of three, made odd.
func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
  let odd1: UInt64 = 0x9E37_79B9_7F4A_7C15
  let odd2: UInt64 = 0xBB67_AE85_84CA_A73B
  func mix(_ state: UInt64, _ word: UInt64) -> UInt64 {
    let mixed = (state ^ word) &* odd1
    return mixed ^ (mixed >> 29)
  }
  // Four independent lanes keep the multiplier busy; each takes every fourth word.
  var lanes = (odd1, odd2, ~odd1, ~odd2)
  var offset = 0
  while offset + 32 <= bytes.count {
    lanes.0 = mix(lanes.0, word(bytes, offset))
    lanes.1 = mix(lanes.1, word(bytes, offset + 8))
    lanes.2 = mix(lanes.2, word(bytes, offset + 16))
    lanes.3 = mix(lanes.3, word(bytes, offset + 24))
    offset += 32
  }
  var state = UInt64(truncatingIfNeeded: bytes.count) &* odd2
  for lane in [lanes.0, lanes.1, lanes.2, lanes.3] { state = mix(state, lane) }
  while offset < bytes.count {
    var last: UInt64 = 0
    for index in offset..<min(offset + 8, bytes.count) {
      last |= UInt64(bytes[index]) << UInt64(8 * (index - offset))
    }
    state = mix(state, last)
    offset += 8
  }
  return state
}

private func word(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> UInt64 {
  UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
}
