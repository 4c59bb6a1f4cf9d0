// Which kernels a process gets.

import Testing

@testable import Autodiff

@Suite struct DispatchTests {
  @Test func theBestLevelUnlessForced() throws {
    #expect(try KernelTable.select(nil).level == KernelTable.available.last)
    #expect(try KernelTable.select("").level == KernelTable.available.last)
    for level in KernelTable.available { #expect(try KernelTable.select(level.rawValue).level == level) }
  }

  @Test func unknownAndMissingLevelsSayWhatThereIs() {
    #expect(throws: KernelError.self) { try KernelTable.select("sse9") }
    do { _ = try KernelTable.select("AVX2") } catch {
      #expect(error.description == "CAIRN_KERNELS must be one of baseline, avx2, avx512, got \"AVX2\"")
    }
    for level in KernelTable.Level.allCases where !KernelTable.available.contains(level) {
      #expect(throws: KernelError.self) { try KernelTable.make(level) }
    }
  }
}
