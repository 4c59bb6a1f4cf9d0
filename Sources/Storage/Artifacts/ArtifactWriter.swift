// Bytes on their way into an artifact, and out of it.

import Glibc

/// Takes the bytes of one artifact, or of one part of an upload, and keeps a block of them in memory at most.
///
/// Nothing is seen of it before `finish`; a writer that goes away unfinished leaves nothing. Used by one thread at a
/// time; unchecked because it is handed from one to the next.
public final class ArtifactWriter: @unchecked Sendable {
  private let store: Store
  private let name: String
  private let descriptor: Int32
  private var pending: [UInt8] = []
  private var sum = BlockChecksum()
  private var bytes = 0
  private var isKept = false

  init(store: Store) throws {
    self.store = store
    (name, descriptor) = try store.artifactFiles.create()
  }

  deinit {
    close(descriptor)
    if !isKept { store.artifactFiles.remove(name) }
  }

  /// Bytes so far.
  public var count: Int { bytes + pending.count }

  /// Adds bytes at the end. Throws `.full`.
  public func append(_ part: [UInt8]) throws {
    let size = ArtifactFiles.blockBytes
    var start = 0
    while pending.count + part.count - start >= size {
      let end = start + size - pending.count
      if pending.isEmpty {
        try flush(part[start..<end])
      } else {
        pending += part[start..<end]
        try flush(pending[...])
        pending.removeAll(keepingCapacity: true)
      }
      start = end
    }
    pending += part[start...]
  }

  /// Makes the bytes the artifact at `path`, in place of what was there. Throws `.full`, and `.conflict` when the
  /// path goes through a file or is a folder.
  public func finish(path: String, time: Int64) throws {
    let file = try settled()
    let replaced = try store.write { try $0.putArtifact(path, parts: [file], time: time) }
    keep()
    if replaced { try store.removeDoomedFiles() }
  }

  /// Makes the bytes a part of an upload, in place of the part of that number. Throws `.notFound` for the upload.
  public func finish(upload: String, number: Int) throws {
    let file = try settled()
    let replaced = try store.write { try $0.putUploadPart(file, upload: upload, number: number) }
    keep()
    if replaced { try store.removeDoomedFiles() }
  }

  /// The checksum of what was written, once it is finished.
  public var checksumText: String { hexadecimal(sum.value) }

  private func settled() throws -> StoredFile {
    if !pending.isEmpty { try flush(pending[...]) }
    pending = []
    try store.artifactFiles.settle(name, descriptor)
    return StoredFile(name: name, bytes: bytes, checksum: sum.value)
  }

  private func keep() {
    isKept = true
    store.artifactFiles.adopt(name)
  }

  private func flush(_ block: ArraySlice<UInt8>) throws {
    try ArtifactFiles.write(descriptor, block)
    sum.add(block)
    bytes += block.count
  }
}

/// An artifact that is open for reading: it stays whole when it is replaced or deleted meanwhile.
///
/// Used by one thread at a time; unchecked because it is handed from one to the next.
public final class ArtifactReader: @unchecked Sendable {
  /// What is read.
  public let artifact: ArtifactRecord
  private let files: ArtifactFiles
  private let parts: [StoredFile]
  private var current: Int
  private var descriptor: Int32

  init(_ artifact: ArtifactRecord, parts: [StoredFile], files: ArtifactFiles, first: Int32) {
    self.artifact = artifact
    self.parts = parts
    self.files = files
    current = 0
    descriptor = first
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Names the content: equal for equal content of equal parts.
  public var tag: String {
    var sum = BlockChecksum()
    for part in parts {
      sum.add(withUnsafeBytes(of: part.checksum.littleEndian) { Array($0) })
    }
    return hexadecimal(sum.value) + "-" + String(artifact.bytes, radix: 16)
  }

  /// Hands the bytes of `range` to `body` in blocks. Throws `.corrupt`, and what `body` throws.
  public func read(_ range: Range<Int>, _ body: ([UInt8]) throws -> Void) throws {
    var begin = 0
    for (index, part) in parts.enumerated() {
      let wanted = range.clamped(to: begin..<(begin + part.bytes))
      var offset = wanted.lowerBound - begin
      while offset < wanted.upperBound - begin {
        try select(index)
        let count = min(ArtifactFiles.blockBytes, wanted.upperBound - begin - offset)
        let block = try ArtifactFiles.read(descriptor, at: offset, count: count)
        guard block.count == count else {
          throw StoreError.corrupt("artifact '\(artifact.path)' has lost bytes")
        }
        try body(block)
        offset += count
      }
      begin += part.bytes
    }
  }

  private func select(_ index: Int) throws {
    if index == current && descriptor >= 0 { return }
    if descriptor >= 0 { close(descriptor) }
    descriptor = -1
    guard let next = try files.readable(parts[index].name) else {
      throw StoreError.notFound("artifact '\(artifact.path)'")
    }
    descriptor = next
    current = index
  }
}

private func hexadecimal(_ value: UInt64) -> String {
  let text = String(value, radix: 16)
  return String(repeating: "0", count: 16 - text.utf8.count) + text
}
