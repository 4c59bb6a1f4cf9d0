import JSON
import Testing

@testable import Training

@Suite struct SafetensorsTests {
  static let tensors = [
    NamedTensor(name: "b", shape: [2], values: [1.5, -.infinity]),
    NamedTensor(name: "a", shape: [2, 3], values: [1, 2, 3, 4, 5, 6]),
    NamedTensor(name: "scalar", shape: [], values: [7]),
    NamedTensor(name: "none", shape: [0, 4], values: []),
  ]
  static let file = Safetensors.encode(tensors, metadata: [("format", "pt"), ("é", "\"\n")])

  /// A file of a header text and so many bytes of data.
  static func file(_ header: String, data: Int, length: Int? = nil) -> [UInt8] {
    let text = Array(header.utf8)
    return (0..<8).map { UInt8(truncatingIfNeeded: (length ?? text.count) >> (8 * $0)) } + text
      + [UInt8](repeating: 0, count: data)
  }

  @Test func roundTrip() throws {
    let read = try Safetensors(Self.file)
    for tensor in Self.tensors { #expect(try read.tensor(tensor.name) == tensor) }
    #expect(read.entries.map(\.name).sorted() == ["a", "b", "none", "scalar"])
    #expect(read.metadata("format") == "pt" && read.metadata("é") == "\"\n")
    #expect(Self.file[8] == 0x7B && Self.file[0] % 8 == 0)
  }

  /// The example of safetensors 0.8.0's own writer: three types, padded header.
  @Test func readsTheReferenceWritersFile() throws {
    let header = """
      {"__metadata__":{"format":"pt"},"b":{"dtype":"I64","shape":[2],"data_offsets":[0,16]},\
      "a":{"dtype":"F32","shape":[1,2],"data_offsets":[16,24]},"h":{"dtype":"F16","shape":[1],\
      "data_offsets":[24,26]}}
      """
    let read = try Safetensors(Self.file(header + "  ", data: 26))
    #expect(read.entries.map(\.name) == ["b", "a", "h"] && read.entries.map(\.type) == [.i64, .f32, .f16])
    #expect(try read.tensor("a").values == [0, 0])
    #expect(try read.tensor("b").integers == [0, 0])
    #expect(throws: SafetensorsError.self) { try read.tensor("h") }
    #expect(throws: SafetensorsError.self) { try read.tensor("c") }
  }

  @Test(arguments: [
    ("[]", 0, "does not begin with {"), ("{", 0, "not JSON"), (" {}", 0, "does not begin with {"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 5, "1 bytes belong to no tensor"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 3, "outside of the file"),
    (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, 4, "its shape needs 8"),
    (#"{"a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}}"#, 4, "unknown dtype"),
    (#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, 4, "no valid shape"),
    (#"{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}"#, 4, "no valid shape"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, 4, "outside of the file"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}"#, 4, "outside of the file"),
    (#"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,4]}}"#, 4, "too large"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, 8, "hole"),
    (
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
      4, "overlaps"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
      8, "not JSON"
    ),
    (#"{"a":{"dtype":"F32","shape":[1]}}"#, 4, "must have"), (#"{"a":4}"#, 0, "must have"),
    (#"{"__metadata__":{"step":4}}"#, 0, "is not a string"), (#"{"__metadata__":[]}"#, 0, "not an object"),
  ])
  func malformedIsRefused(_ header: String, _ data: Int, _ says: String) {
    do {
      _ = try Safetensors(Self.file(header, data: data))
      Issue.record("was accepted")
    } catch {
      #expect(error.description.contains(says), "\(error)")
    }
  }

  @Test func lengthsAreChecked() {
    #expect(throws: SafetensorsError.self) { try Safetensors([]) }
    #expect(throws: SafetensorsError.self) { try Safetensors(Self.file("{}", data: 0, length: 0)) }
    #expect(throws: SafetensorsError.self) { try Safetensors(Self.file("{}", data: 0, length: 3)) }
    #expect(throws: SafetensorsError.self) { try Safetensors(Self.file("{}", data: 0, length: -1)) }
    #expect(throws: SafetensorsError.self) { try Safetensors(Self.file("{}", data: 0, length: 100_000_001)) }
    #expect(throws: Never.self) { try Safetensors(Self.file("{}", data: 0)) }
    for end in 0..<Self.file.count {
      #expect(throws: SafetensorsError.self) { try Safetensors(Array(Self.file[..<end])) }
    }
  }
}
