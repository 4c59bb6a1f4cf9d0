import Glibc
import HTTP
import Testing

@testable import TrackingServer

@Suite struct LongWorkTests {
  /// Asks a question and takes down its answer, or the status of its failure.
  private func ask(
    _ work: LongWork, _ name: String, _ answers: Guarded<[String]>, _ body: @escaping LongWork.Work
  ) throws {
    guard case .later(let begin) = work.answer(body).body else {
      Issue.record("the answer does not come later")
      return
    }
    try begin { result in
      answers.update {
        switch result {
        case .success: $0.append(name)
        case .failure(let error): $0.append("\(name) \((error as? HTTPFailure)?.status ?? 0)")
        }
      }
    }
  }

  private func wait(_ answers: Guarded<[String]>, _ count: Int) -> [String] {
    answers.wait(seconds: 10) { $0.count == count ? $0 : nil } ?? answers.withLock { $0 }
  }

  @Test func questionsWaitInOrderAndTooManyAreRefused() throws {
    let (work, gate, answers) = (LongWork(threads: 1, limit: 2), Guarded(false), Guarded<[String]>([]))
    for name in ["a", "b", "c"] {
      try ask(work, name, answers) { _ in
        _ = gate.wait(seconds: 10) { $0 ? true : nil }
        return .text(name)
      }
    }
    let refused = #expect(throws: HTTPFailure.self) { try ask(work, "d", answers) { _ in .text("d") } }
    #expect(refused?.status == 503 && refused?.headers["Retry-After"] == "5")
    #expect(answers.withLock { $0 }.isEmpty)
    gate.update { $0 = true }
    #expect(wait(answers, 3) == ["a", "b", "c"])
    try ask(work, "e", answers) { _ in throw HTTPFailure(status: 404, message: "no") }
    #expect(wait(answers, 4).last == "e 404")
    work.stop()
  }

  @Test func whatRunsAndWhatWaitsEndsWithTheServer() throws {
    let (work, began, answers) = (LongWork(threads: 1, limit: 5), Guarded(false), Guarded<[String]>([]))
    try ask(work, "long", answers) { goOn in
      began.update { $0 = true }
      while true {
        try goOn()
        usleep(1000)
      }
    }
    try ask(work, "next", answers) { _ in .text("next") }
    #expect(began.wait(seconds: 10) { $0 ? true : nil } == true)
    work.stop()
    #expect(wait(answers, 2) == ["long 503", "next 503"])
  }
}
