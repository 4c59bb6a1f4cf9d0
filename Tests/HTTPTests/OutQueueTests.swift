import CLinux
import Glibc
import Testing

@testable import HTTP

extension Sockets {
  @Suite struct Queues {
    /// Sockets take what they like: however a queue is cut, every byte arrives once and in order.
    @Test func shortWritesLoseNothing() throws {
      var ends: [CInt] = [0, 0]
      #expect(socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &ends) == 0)
      defer { for end in ends { close(end) } }
      var small: CInt = 4096
      setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &small, socklen_t(MemoryLayout<CInt>.size))
      let flags = fcntl(ends[0], F_GETFL)
      _ = fcntl(ends[0], F_SETFL, flags | O_NONBLOCK)

      var numbers = Fuzz.Numbers(state: 7)
      var queue = OutQueue()
      var sent: [UInt8] = []
      var received: [UInt8] = []
      for round in 0..<400 {
        for _ in 0..<Int.random(in: 0...20, using: &numbers) {
          let size = Int.random(in: 0...(round % 50 == 0 ? 60_000 : 300), using: &numbers)
          let piece = (0..<size).map { _ in UInt8.random(in: 0...255, using: &numbers) }
          sent += piece
          queue.append(piece)
        }
        guard case .bytes = queue.send(to: ends[0]) else {
          Issue.record("the socket is gone")
          return
        }
        var buffer = [UInt8](repeating: 0, count: Int.random(in: 1...3_000, using: &numbers))
        let count = recv(ends[1], &buffer, buffer.count, CInt(MSG_DONTWAIT))
        if count > 0 { received += buffer[..<count] }
        #expect(queue.count <= sent.count - received.count)
      }
      while received.count < sent.count {
        _ = queue.send(to: ends[0])
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = recv(ends[1], &buffer, buffer.count, CInt(MSG_DONTWAIT))
        guard count > 0 else { break }
        received += buffer[..<count]
      }
      #expect(queue.isEmpty)
      #expect(received == sent)
    }

    @Test func aPeerThatIsGoneIsNoticed() {
      var ends: [CInt] = [0, 0]
      socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &ends)
      close(ends[1])
      var queue = OutQueue()
      queue.append([1])
      guard case .gone = queue.send(to: ends[0]) else {
        Issue.record("a closed peer took bytes")
        return
      }
      close(ends[0])
    }
  }
}
