import JSON
import Testing

@testable import Autodiff
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

  /// A run's file is made and read a MiB at a time, however large its tensors are.
  @Test func filesAreNeverWhole() throws {
    let wide: JSON = [
      "dataset": ["name": "digits"], "optimizer": ["type": "adam", "lr": 0.01],
      "model": [
        "layers": [["type": "linear", "out": 9000], ["type": "relu"], ["type": "linear", "out": 10]]
      ],
      "train": ["steps": 1],
    ]
    let plan = try plan(wide)
    let network = try Network(plan, threads: 1, try KernelTable.select())
    _ = try network.forwardBackward(plan.split.train.rows[0..<32], step: 0)
    _ = network.update(step: 0, rate: 0.01, momentum: nil, scale: 1, clipValue: nil, measuring: false)
    let file = SafetensorsFile(network.tensors(), metadata: [("a", "b")])
    var (bytes, longest) = ([UInt8](), 0)
    file.write { piece in
      bytes += piece
      longest = max(longest, piece.count)
    }
    #expect(bytes.count == file.count && longest == 1 << 20 && bytes.count > 3 * 9000 * 64 * 4)
    let all = try network.allTensors()
    #expect(bytes == Safetensors.encode(all, metadata: [("a", "b")]))
    #expect(all.first { $0.name == "model.0.weight" }?.shape == [9000, 64])

    let ranges = Ranges()
    let source = ByteSource(count: bytes.count) { [bytes] range in
      ranges.note(range)
      return Array(bytes[range])
    }
    let other = try Network(plan, threads: 1, try KernelTable.select())
    try other.restore(try Safetensors(source))
    #expect(try other.allTensors() == all)
    #expect(ranges.longest == 1 << 20)
    let cut = ByteSource(count: bytes.count) { [bytes] range in Array(bytes[range].dropLast()) }
    #expect(throws: SafetensorsError.self) { try Safetensors(cut) }
  }

  /// The longest range that was asked for. Unchecked: the test asks from one thread.
  private final class Ranges: @unchecked Sendable {
    private(set) var longest = 0

    func note(_ range: Range<Int>) { longest = max(longest, range.count) }
  }
}
