import HTTP
import Storage
import Testing

@testable import TrackingServer

@Suite struct ArtifactPathRules {
  @Test(arguments: [
    "..", "../a", "a/..", "a/../b", "a/../../b", "/a", "//host/share", "%2e%2e/a", "a/%2e%2e/b",
    "%252e%252e/a",
    "%25252e%25252e%25252fa", "..%2fa", "..%5ca", "a\\b", "..\\a", "%5c", "file:a", "file:///etc/passwd",
    "FILE:x",
    "c:/windows", "C:\\windows", "a#b", "a%23/../b", "a\u{0}b", "a%00b", "%2fetc", "a\nb", "a%0ab",
    "a/%2e./b",
  ])
  func pathsThatLeaveAreRefused(path: String) {
    #expect(throws: HTTPFailure.self) { try ArtifactPaths.checked(path) }
  }

  @Test func namesOfFilesPass() throws {
    for path in [
      "", "a", "a/b c/d", "épreuve/손실.png", "epoch=0-step=2/x.ckpt", "a..b/...", "50%", "100%zz", "a:b", "~",
      "a;b?c",
    ] {
      #expect(try ArtifactPaths.checked(path) == path)
    }
    #expect(try ArtifactPaths.checked("a//b/./c/") == "a/b/c")
    #expect(try ArtifactPaths.checked(String(repeating: "n", count: 255)).count == 255)
    #expect(throws: HTTPFailure.self) { try ArtifactPaths.checked(String(repeating: "n", count: 256)) }
    let deep = Array(repeating: String(repeating: "d", count: 200), count: 11).joined(separator: "/")
    #expect(throws: HTTPFailure.self) { try ArtifactPaths.checked(deep) }
  }

  @Test func urisNameFoldersOfThisServer() {
    let folders = [
      "mlflow-artifacts:/0/r/artifacts": "0/r/artifacts", "mlflow-artifacts:/a/b?x=1": "a/b",
      "mlflow-artifacts://host:5000/a": "a", "mlflow-artifacts:///a/": "a",
      "http://h:1/api/2.0/mlflow-artifacts/artifacts/a/b": "a/b",
    ]
    for (uri, folder) in folders { #expect(ArtifactLocation.folder(ofURI: uri) == folder, "\(uri)") }
    for uri in ["s3://bucket/a", "/tmp/a", "file:///tmp", "http://h/a", "mlflow-artifacts:/a/../b", ""] {
      #expect(ArtifactLocation.folder(ofURI: uri) == nil, "\(uri)")
    }
    #expect(ArtifactLocation.appending("r/artifacts", to: "s3://b/p?x=1") == "s3://b/p/r/artifacts?x=1")
    #expect(ArtifactLocation.appending("r", to: "mlflow-artifacts:/a/") == "mlflow-artifacts:/a/r")
  }
}

@Suite struct ByteRanges {
  private func resolved(_ text: String, _ size: Int) -> Range<Int>? { ByteRange(text)?.resolved(size: size) }

  @Test func rangesAreCutToTheFile() {
    #expect(resolved("bytes=0-0", 10) == 0..<1)
    #expect(resolved("bytes=3-", 10) == 3..<10)
    #expect(resolved("bytes=3-99", 10) == 3..<10)
    #expect(resolved("bytes=-4", 10) == 6..<10)
    #expect(resolved("bytes=-40", 10) == 0..<10)
    #expect(resolved("bytes=2-99999999999999999999", 10) == 2..<10)
    #expect(resolved("bytes=10-", 10) == nil)
    #expect(resolved("bytes=-0", 10) == nil)
    #expect(resolved("bytes=0-", 0) == nil)
  }

  @Test func whatIsNoRangeIsIgnored() {
    for text in [
      "bytes=", "bytes=-", "bytes=a-b", "bytes=5-3", "bytes=0-1,4-5", "lines=0-1", "0-1", "bytes=+1-2", "",
    ] {
      #expect(ByteRange(text) == nil, "\(text)")
    }
  }
}
