// The three compilations must not share code: a weak symbol would be one body for all, with instructions that the
// processor may not have.

import Glibc
import Testing

@Suite struct SymbolTests {
  /// Weak symbols that the objects of a kernel target define.
  static func weakSymbols(_ target: String) -> Set<Substring>? {
    guard let program = realpath("/proc/self/exe", nil) else { return nil }
    defer { free(program) }
    // The test program is the tool's helper or the bundle itself; the build folder is where the bundle lies.
    let bundle = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? String(cString: program)
    let folder = bundle.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(
      separator: "/")
    guard let pipe = popen("nm --defined-only '\(folder)/\(target).build/'*.o", "r") else { return nil }
    defer { pclose(pipe) }
    var text: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = fread(&buffer, 1, buffer.count, pipe)
      if count == 0 { break }
      text += buffer[..<count]
    }
    let lines = String(decoding: text, as: UTF8.self).split(separator: "\n")
    guard lines.count > 20 else { return nil }
    return Set(
      lines.compactMap { line in
        let fields = line.split(separator: " ")
        return fields.count == 3 && ["W", "V", "w", "v", "u"].contains(fields[1]) ? fields[2] : nil
      })
  }

  @Test func noWeakSymbolInTwoCompilations() throws {
    let sets = try ["Kernels", "KernelsAVX2", "KernelsAVX512"].map { try #require(Self.weakSymbols($0)) }
    let shared = sets[0].intersection(sets[1]).union(sets[0].intersection(sets[2])).union(
      sets[1].intersection(sets[2]))
    // Pointers to the standard library's metadata are data.
    #expect(shared.filter { !$0.hasPrefix("got.") && !$0.hasPrefix("__swift") } == [])
  }
}
