// Bytes on their way to one socket.
import CLinux
import Glibc

/// Byte arrays in order, sent with gathering writes and never copied together.
struct OutQueue {
  enum Sent {
    /// The socket took this many bytes; it may be full.
    case bytes(Int)
    /// The peer is gone.
    case gone
  }

  private static let piecesPerCall = 16

  private var pieces: [[UInt8]] = []
  private var first = 0
  private var offset = 0
  /// Bytes waiting.
  private(set) var count = 0

  var isEmpty: Bool { count == 0 }

  mutating func append(_ bytes: [UInt8]) {
    guard !bytes.isEmpty else { return }
    pieces.append(bytes)
    count += bytes.count
  }

  /// Sends until nothing is left or the socket is full.
  mutating func send(to descriptor: CInt) -> Sent {
    var total = 0
    while count > 0 {
      let sent = sendOnce(descriptor)
      if sent < 0 {
        if errno == EINTR { continue }
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS ? .bytes(total) : .gone
      }
      total += sent
      drop(sent)
    }
    return .bytes(total)
  }

  private func sendOnce(_ descriptor: CInt) -> Int {
    let last = min(pieces.count, first + Self.piecesPerCall)
    var vectors: [iovec] = []
    vectors.reserveCapacity(last - first)
    return gather(first, last, &vectors, descriptor)
  }

  /// Nests one buffer access per piece, so that every pointer lives until the call is over.
  private func gather(_ index: Int, _ last: Int, _ vectors: inout [iovec], _ descriptor: CInt) -> Int {
    if index == last { return linux_send(descriptor, vectors, CInt(vectors.count)) }
    return pieces[index].withUnsafeBytes { buffer in
      let skip = index == first ? offset : 0
      let start = buffer.baseAddress.map { UnsafeMutableRawPointer(mutating: $0 + skip) }
      vectors.append(iovec(iov_base: start, iov_len: buffer.count - skip))
      return gather(index + 1, last, &vectors, descriptor)
    }
  }

  private mutating func drop(_ sent: Int) {
    count -= sent
    var rest = sent
    while rest > 0 {
      let left = pieces[first].count - offset
      if rest < left {
        offset += rest
        return
      }
      rest -= left
      pieces[first] = []
      first += 1
      offset = 0
    }
    if first == pieces.count {
      pieces.removeAll(keepingCapacity: true)
      first = 0
    }
  }
}
